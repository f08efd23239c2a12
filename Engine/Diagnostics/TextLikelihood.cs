using Llama4Kernels.Engine.Model;
using Llama4Kernels.Engine.Scheduling;

namespace Llama4Kernels.Engine.Diagnostics;

/// <summary>
/// Measures how well a model predicts a text, and how far it is from another on it: what quantised weights or rounded activations
/// cost. The text is cut into windows that do not overlap; each starts with the begin-of-text token and every token of it is
/// predicted from those before it in the window. (Programs that score only the second half of each window print lower figures.)
/// </summary>
public static class TextLikelihood
{
    /// <summary>Rows of logits at a time.</summary>
    private const int Piece = 64;

    /// <summary>Measures.</summary>
    /// <param name="model">The model, with a tokenizer, whose begin-of-text token starts each window.</param>
    /// <param name="ids">The text's tokens, at least one, without a begin-of-text token.</param>
    /// <param name="window">Tokens predicted in a window; 1 to the context.</param>
    /// <param name="against">A model of the same vocabulary to compare with, such as the same checkpoint unquantised; null for none.</param>
    /// <param name="progress">Told the number of tokens done.</param>
    /// <param name="cancellation">Checked before each step.</param>
    /// <exception cref="ArgumentException">There are no tokens, the window does not fit, or the vocabularies differ.</exception>
    /// <exception cref="Llama4Exception"><see cref="Llama4Error.InvalidLogits"/>: A model computes logits that are no numbers.</exception>
    public static LikelihoodReport Measure(
        Llama4Model model, ReadOnlySpan<int> ids, int window, Llama4Model? against = null, IProgress<int>? progress = null, CancellationToken cancellation = default)
    {
        ArgumentNullException.ThrowIfNull(model);
        int vocabulary = model.Config.Text.VocabSize;
        int context = Math.Min(model.Config.Text.MaxPositions, against?.Config.Text.MaxPositions ?? int.MaxValue);
        if (ids.IsEmpty)
        {
            throw new ArgumentException("There are no tokens to predict.", nameof(ids));
        }
        if (window < 1 || window > context)
        {
            throw new ArgumentException($"A window has 1 to {context} tokens, the context, not {window}.", nameof(window));
        }
        if (against is not null && against.Config.Text.VocabSize != vocabulary)
        {
            throw new ArgumentException($"The models have vocabularies of {vocabulary} and {against.Config.Text.VocabSize} tokens, so their logits cannot be compared.", nameof(against));
        }
        window = Math.Min(window, ids.Length);
        using var own = new Reader(model, window);
        using Reader? other = against is null ? null : new Reader(against, window);
        float[]? expected = other is null ? null : new float[Math.Min(Piece, window) * vocabulary];
        var divergences = new List<double>();
        int sameTop1 = 0;
        int bos = model.Tokenizer.BosId;
        for (int start = 0; start < ids.Length; start += window)
        {
            ReadOnlySpan<int> targets = ids.Slice(start, Math.Min(window, ids.Length - start));
            own.Begin();
            other?.Begin();
            for (int at = 0; at < targets.Length; at += Piece)
            {
                int rows = Math.Min(Piece, targets.Length - at);
                int[] input = at == 0 ? [bos, .. targets[..(rows - 1)]] : targets.Slice(at - 1, rows).ToArray();
                int[] next = targets.Slice(at, rows).ToArray();
                other?.Predict(input, next, (row, logits) => logits.CopyTo(expected.AsSpan(row * vocabulary)), cancellation);
                own.Predict(input, next, (row, logits) =>
                {
                    if (expected is not null)
                    {
                        ReadOnlySpan<float> reference = expected.AsSpan(row * vocabulary, vocabulary);
                        divergences.AddRange(ReferenceMetrics.Kl(logits, reference, vocabulary));
                        sameTop1 += ReferenceMetrics.SameTop1(logits, reference, vocabulary);
                    }
                }, cancellation);
                progress?.Report(start + at + rows);
            }
        }
        LikelihoodReport report = own.Report();
        return other is null ? report : report with { Against = other.Report(), Divergence = LogitDivergence.Of(divergences, sameTop1) };
    }

    /// <summary>One model over the text.</summary>
    private sealed class Reader : IDisposable
    {
        private readonly ModelRunner _runner;
        private readonly int _vocabulary;
        private readonly List<double> _nll = [];
        private Sequence? _sequence;

        public Reader(Llama4Model model, int window)
        {
            int rows = Math.Min(Piece, window);
            var sizes = new EngineOptions { StepRows = rows, MaxLogitRows = rows };
            _runner = new ModelRunner(model, sizes with { CacheBytes = StepRunner.CacheBytes(model, sizes, window, 1) });
            _vocabulary = model.Config.Text.VocabSize;
        }

        public void Begin()
        {
            _sequence?.Dispose();
            _sequence = _runner.CreateSequence();
        }

        public void Predict(int[] input, int[] targets, Action<int, ReadOnlySpan<float>> onLogits, CancellationToken cancellation) =>
            _runner.Append(_sequence!, input, 0, (row, logits) =>
            {
                FiniteLogits.Check(logits, _vocabulary);
                _nll.Add(ReferenceMetrics.LogSumExp(logits) - logits[targets[row]]);
                onLogits(row, logits);
            }, cancellation);

        public LikelihoodReport Report()
        {
            double mean = _nll.Average();
            double error = _nll.Count < 2 ? 0 : Math.Sqrt(_nll.Sum(value => (value - mean) * (value - mean)) / (_nll.Count - 1.0) / _nll.Count);
            return new LikelihoodReport(_nll.Count, mean, error);
        }

        public void Dispose()
        {
            _sequence?.Dispose();
            _runner.Dispose();
        }
    }
}
