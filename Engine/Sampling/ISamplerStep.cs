namespace Llama4Kernels.Engine.Sampling;

/// <summary>
/// One operator of a <see cref="SamplerChain"/>: it changes logits in place. A token that it removes gets −∞; later steps
/// see the distribution of what is left. Steps are immutable and may be shared; their working memory is the workspace.
/// </summary>
internal interface ISamplerStep
{
    /// <summary>Applies the step.</summary>
    /// <param name="logits">[V], finite or −∞, at least one finite.</param>
    /// <param name="history">The ids of the sequence so far, oldest first, each below V.</param>
    /// <param name="workspace">Working memory for V tokens; its content before and after is undefined.</param>
    void Apply(Span<float> logits, ReadOnlySpan<int> history, SamplerWorkspace workspace);
}
