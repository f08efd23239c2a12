namespace Llama4Kernels.Engine;

/// <summary>
/// A constraint allows neither a token nor the end of the answer. It demands what the vocabulary cannot spell, or it
/// contradicts itself; another attempt would end in the same place.
/// </summary>
internal sealed class ConstraintDeadEndException : Llama4Exception
{
    /// <summary>Says after how many tokens it happened.</summary>
    public ConstraintDeadEndException(int acceptedTokens)
        : base(Llama4Error.ConstraintDeadEnd, $"The constraint allows nothing after {acceptedTokens} tokens of the answer, neither another token nor the end. What it demands cannot be written with this vocabulary, or it contradicts itself.")
    {
        AcceptedTokens = acceptedTokens;
    }

    /// <summary>Tokens that the constraint had accepted.</summary>
    public int AcceptedTokens { get; }
}
