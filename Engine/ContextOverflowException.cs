namespace Llama4Kernels.Engine;

/// <summary>A prompt or a sequence does not fit into the context.</summary>
internal sealed class ContextOverflowException : Llama4Exception
{
    private ContextOverflowException(string message, int tokens, int contextTokens)
        : base(Llama4Error.ContextOverflow, message)
    {
        Tokens = tokens;
        ContextTokens = contextTokens;
    }

    /// <summary>Tokens of the prompt, or that the sequence would have.</summary>
    public int Tokens { get; }

    /// <summary>Tokens the context holds.</summary>
    public int ContextTokens { get; }

    /// <summary>A prompt leaves no room for an answer.</summary>
    internal static ContextOverflowException OfPrompt(int tokens, int context) => new(
        $"The prompt has {tokens} tokens, but the context holds {context} and needs one for the answer. Shorten the prompt or raise the context size.", tokens, context);

    /// <summary>A sequence would grow beyond the context.</summary>
    internal static ContextOverflowException OfSequence(int tokens, int context) => new(
        $"The sequence would have {tokens} tokens, but the context holds {context}. End it, or raise the context size.", tokens, context);
}
