namespace Llama4Kernels.Engine.Serving;

/// <summary>How far a request is that has not given its first token yet, or whose next ones are forced.</summary>
/// <param name="QueuePosition">Its place among those that wait: 1 is next; 0 once it runs.</param>
/// <param name="ComputedTokens">Tokens whose keys and values are cached, those that were before included.</param>
/// <param name="Tokens">Tokens to be cached before the next one is chosen.</param>
public readonly record struct GenerationProgress(int QueuePosition, int ComputedTokens, int Tokens);
