namespace Llama4Kernels.Engine;

/// <summary>
/// Logits from which no token can be chosen: one is NaN or +∞, or all are −∞. It means that the weights or a kernel are
/// broken, so the error is never turned into a token.
/// </summary>
internal sealed class InvalidLogitsException : Llama4Exception
{
    /// <summary>Describes the fault.</summary>
    /// <param name="tokenId">The first token at fault, or null when no token is left to choose.</param>
    /// <param name="reason">What is wrong.</param>
    public InvalidLogitsException(int? tokenId, string reason)
        : base(Llama4Error.InvalidLogits, tokenId is null ? reason : $"Token {tokenId}: {reason}")
    {
        TokenId = tokenId;
    }

    /// <summary>The first token at fault, or null when no token is left to choose.</summary>
    public int? TokenId { get; }
}
