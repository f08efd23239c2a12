using System.Numerics.Tensors;

namespace Llama4Kernels.Engine.Sampling;

/// <summary>
/// Chooses tokens from logits by a <see cref="SamplerChain"/>. It allocates when it is made and never again. It is for one
/// thread at a time, because it works in its workspace.
/// </summary>
internal sealed class Sampler
{
    private readonly SamplerChain _chain;
    private readonly SamplerWorkspace _workspace;

    /// <summary>Makes a sampler with its own workspace for <paramref name="vocabulary"/> tokens.</summary>
    /// <exception cref="ArgumentOutOfRangeException">The vocabulary is empty.</exception>
    public Sampler(SamplerChain chain, int vocabulary)
        : this(chain, new SamplerWorkspace(vocabulary))
    {
    }

    /// <summary>Makes a sampler in a workspace that it may share with others which are used at other times.</summary>
    public Sampler(SamplerChain chain, SamplerWorkspace workspace)
    {
        ArgumentNullException.ThrowIfNull(chain);
        ArgumentNullException.ThrowIfNull(workspace);
        _chain = chain;
        _workspace = workspace;
    }

    /// <summary>Applies the chain and chooses a token.</summary>
    /// <param name="logits">[V]; overwritten.</param>
    /// <param name="history">The ids of the sequence so far, for the penalties; empty when the chain has none.</param>
    /// <param name="random">The sequence's generator: one draw per token, none when greedy.</param>
    /// <returns>The id, in [0, V).</returns>
    /// <exception cref="ArgumentException">The number of logits is not the vocabulary, or a history id is beyond it.</exception>
    /// <exception cref="InvalidLogitsException">A logit is NaN or +∞, or all are −∞.</exception>
    public int Sample(Span<float> logits, ReadOnlySpan<int> history, ref SeededRandom random)
    {
        ApplyChain(logits, history);
        if (_chain.IsGreedy)
        {
            return SamplingMath.ArgMax(logits);
        }

        Span<float> weights = _workspace.Values;
        double sum = SamplingMath.Exponentials(logits, weights);
        double remaining = random.NextDouble() * sum;
        int last = 0;
        for (int id = 0; id < weights.Length; id++)
        {
            if (weights[id] > 0)
            {
                remaining -= weights[id];
                last = id;
                if (remaining < 0)
                {
                    break;
                }
            }
        }
        // Rounding may leave a remainder of zero at the end: then the last token with any weight is the one drawn.
        return last;
    }

    /// <summary>The probabilities with which <see cref="Sample"/> would choose; one-hot when greedy.</summary>
    /// <param name="logits">[V]; overwritten.</param>
    /// <param name="history">The ids of the sequence so far.</param>
    /// <param name="probabilities">[V], receives numbers that add up to 1.</param>
    /// <exception cref="ArgumentException">A span is not V long, or a history id is beyond the vocabulary.</exception>
    /// <exception cref="InvalidLogitsException">A logit is NaN or +∞, or all are −∞.</exception>
    public void Probabilities(Span<float> logits, ReadOnlySpan<int> history, Span<float> probabilities)
    {
        if (probabilities.Length != _workspace.Vocabulary)
        {
            throw new ArgumentException(
                $"{probabilities.Length} probabilities for a vocabulary of {_workspace.Vocabulary}.", nameof(probabilities));
        }
        ApplyChain(logits, history);
        if (_chain.IsGreedy)
        {
            probabilities.Clear();
            probabilities[SamplingMath.ArgMax(logits)] = 1;
            return;
        }
        double sum = SamplingMath.Exponentials(logits, probabilities);
        TensorPrimitives.Multiply(probabilities, (float)(1 / sum), probabilities);
    }

    private void ApplyChain(Span<float> logits, ReadOnlySpan<int> history)
    {
        if (logits.Length != _workspace.Vocabulary)
        {
            throw new ArgumentException($"{logits.Length} logits for a vocabulary of {_workspace.Vocabulary}.", nameof(logits));
        }
        // Checked before the steps as well: a step may remove a broken token and hide the fault.
        SamplingMath.CheckedMax(logits);
        _chain.Apply(logits, history, _workspace);
    }
}
