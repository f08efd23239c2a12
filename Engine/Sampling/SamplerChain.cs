using Llama4Kernels.Engine.Generation;

namespace Llama4Kernels.Engine.Sampling;

/// <summary>
/// The steps between logits and choice, applied in order, and how to choose in the end: by drawing or by taking the
/// largest. Immutable; may be shared by sequences and threads.
/// </summary>
internal sealed class SamplerChain
{
    private readonly ISamplerStep[] _steps;

    /// <summary>Makes a chain.</summary>
    /// <param name="steps">The steps in the order in which they apply.</param>
    /// <param name="greedy">Take the largest logit at the end instead of drawing.</param>
    public SamplerChain(IEnumerable<ISamplerStep> steps, bool greedy = false)
    {
        ArgumentNullException.ThrowIfNull(steps);
        _steps = [.. steps];
        IsGreedy = greedy;
    }

    /// <summary>Whether the largest logit is taken instead of drawing.</summary>
    public bool IsGreedy { get; }

    /// <summary>The steps in the order in which they apply.</summary>
    public IReadOnlyList<ISamplerStep> Steps => _steps;

    /// <summary>
    /// The chain of the options: biases, penalties (repetition, presence, frequency), temperature, top-k, top-p, min-p, without those
    /// that would change nothing. Temperature 0 is greedy; biases and penalties still apply.
    /// </summary>
    public static SamplerChain Create(GenerationOptions options)
    {
        ArgumentNullException.ThrowIfNull(options);
        List<ISamplerStep> steps = [];
        if (options.LogitBias.Count > 0)
        {
            steps.Add(new LogitBiasStep(options.LogitBias));
        }
        if (options.RepetitionPenalty != 1)
        {
            steps.Add(new RepetitionPenaltyStep(options.RepetitionPenalty));
        }
        if (options.PresencePenalty != 0)
        {
            steps.Add(new PresencePenaltyStep(options.PresencePenalty));
        }
        if (options.FrequencyPenalty != 0)
        {
            steps.Add(new FrequencyPenaltyStep(options.FrequencyPenalty));
        }
        if (options.Temperature == 0)
        {
            return new SamplerChain(steps, greedy: true);
        }
        if (options.Temperature != 1)
        {
            steps.Add(new TemperatureStep(options.Temperature));
        }
        if (options.TopK is { } topK)
        {
            steps.Add(new TopKStep(topK));
        }
        if (options.TopP != 1)
        {
            steps.Add(new TopPStep(options.TopP));
        }
        if (options.MinP is { } minP and > 0)
        {
            steps.Add(new MinPStep(minP));
        }
        return new SamplerChain(steps);
    }

    /// <summary>Applies all steps to <paramref name="logits"/> [V] in place.</summary>
    internal void Apply(Span<float> logits, ReadOnlySpan<int> history, SamplerWorkspace workspace)
    {
        foreach (ISamplerStep step in _steps)
        {
            step.Apply(logits, history, workspace);
        }
    }
}
