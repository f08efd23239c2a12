namespace Llama4Kernels.Engine.Generation;

/// <summary>A prompt does not fit into the context.</summary>
public sealed class ContextOverflowException : Exception
{
    /// <summary>Says both numbers.</summary>
    public ContextOverflowException(int promptTokens, int contextTokens)
        : base($"The prompt has {promptTokens} tokens, but the context holds {contextTokens} and needs one for the answer. Shorten the prompt or raise the context size.")
    {
        PromptTokens = promptTokens;
        ContextTokens = contextTokens;
    }

    /// <summary>Tokens of the prompt.</summary>
    public int PromptTokens { get; }

    /// <summary>Tokens the context holds.</summary>
    public int ContextTokens { get; }
}
