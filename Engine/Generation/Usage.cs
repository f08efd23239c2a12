namespace Llama4Kernels.Engine.Generation;

/// <summary>Tokens that a generation took.</summary>
/// <param name="PromptTokens">All tokens of the prompt, those of images included.</param>
/// <param name="CompletionTokens">Tokens generated, the terminator and tokens that a constraint forced included.</param>
/// <param name="ImageTokens">The part of the prompt that stands for images.</param>
/// <param name="CachedTokens">The part of the prompt whose keys and values were in the cache already.</param>
public sealed record Usage(int PromptTokens, int CompletionTokens, int ImageTokens = 0, int CachedTokens = 0)
{
    /// <summary>Prompt and completion together.</summary>
    public int TotalTokens => PromptTokens + CompletionTokens;
}
