using Llama4Kernels.Engine.Model;
using Llama4Kernels.Kernels.Contracts;

namespace Llama4Kernels.Engine.Diagnostics;

/// <summary>Runs a model on a reference's input and judges every value that the reference has: whether a checkpoint is loaded and computed right.</summary>
public static class ReferenceComparison
{
    /// <summary>A score is a sigmoid, whose range over few tokens is small beside the error that its logit brings along.</summary>
    private const double ScoreTolerance = 10;

    /// <summary>
    /// Runs and judges. A reference that made something else of its weights than the model was loaded with is skipped, see
    /// <see cref="ReferenceReport.Skipped"/>.
    /// </summary>
    /// <param name="model">The model.</param>
    /// <param name="reference">The reference values.</param>
    /// <param name="options">What passes; null for the defaults.</param>
    /// <param name="prefillChunk">Rows per prefill step; 0 for the largest step.</param>
    /// <param name="otherOrder">The same checkpoint with sums in another order, to tell how much of the error that explains; null for none.</param>
    /// <param name="cancellation">Stops the run.</param>
    /// <exception cref="Llama4Exception"><see cref="Llama4Error.ModelFormat"/>: The file is another model's.</exception>
    /// <exception cref="Llama4Exception"><see cref="Llama4Error.InvalidLogits"/>: The model computes logits that are no numbers.</exception>
    /// <exception cref="ArgumentException">The input does not fit the model.</exception>
    public static ReferenceReport Run(
        Llama4Model model, ReferenceFile reference, ReferenceOptions? options = null, int prefillChunk = 0, Llama4Model? otherOrder = null, CancellationToken cancellation = default)
    {
        ArgumentNullException.ThrowIfNull(model);
        ArgumentNullException.ThrowIfNull(reference);
        if (reference.Weights != model.Options.Weights)
        {
            return new ReferenceReport { File = reference.Name, Skipped = $"the reference has its weights {Text(reference.Weights)}, the model was loaded with them {Text(model.Options.Weights)}" };
        }
        RunOptions run = reference.Options(model.Config.Text.VocabSize) with { PrefillChunk = prefillChunk };
        LogitsResult result = ModelRunner.Run(model, reference.Ids, run, cancellation);
        ReferenceReport report = Judge(model, reference, result, options);
        if (otherOrder is null)
        {
            return report;
        }
        LogitsResult other = ModelRunner.Run(otherOrder, reference.Ids, run with { Greedy = 0, CaptureHidden = false }, cancellation);
        return report with { OrderOfSummation = ReferenceMetrics.MaxAbsolute(result.Logits, other.Logits) / ReferenceMetrics.Range(reference.Logits) };
    }

    /// <summary>Judges a run that was made with <see cref="ReferenceFile.Options"/>; values that were not captured are not judged.</summary>
    /// <param name="model">The model.</param>
    /// <param name="reference">The reference values.</param>
    /// <param name="result">What the model computed.</param>
    /// <param name="options">What passes; null for the defaults.</param>
    /// <exception cref="Llama4Exception"><see cref="Llama4Error.ModelFormat"/>: The file is another model's.</exception>
    /// <exception cref="ArgumentException">The result is of another input.</exception>
    /// <exception cref="Llama4Exception"><see cref="Llama4Error.InvalidLogits"/>: The model computes logits that are no numbers.</exception>
    internal static ReferenceReport Judge(Llama4Model model, ReferenceFile reference, LogitsResult result, ReferenceOptions? options = null)
    {
        ArgumentNullException.ThrowIfNull(model);
        ArgumentNullException.ThrowIfNull(reference);
        ArgumentNullException.ThrowIfNull(result);
        options ??= new ReferenceOptions();
        int vocabulary = model.Config.Text.VocabSize;
        FiniteLogits.Check(result.Logits, vocabulary);
        var stages = new Stages(reference, vocabulary, options.Tolerance);
        stages.CompareAll(result, model.Config.Text.Layers);
        double absolute = ReferenceMetrics.MaxAbsolute(result.Logits, reference.Logits);
        double relative = ReferenceMetrics.Relative(result.Logits, reference.Logits);
        double[] rows = ReferenceMetrics.Kl(result.Logits, reference.Logits, vocabulary);
        var divergence = LogitDivergence.Of(rows, ReferenceMetrics.SameTop1(result.Logits, reference.Logits, vocabulary));
        int? greedy = FirstGreedyDifference(reference, result.Greedy, absolute);
        bool exact = model.Backend.Activations == ActivationPrecision.Float32 && model.Options.Weights != WeightScheme.Fp8;
        DivergenceBound? bound = exact ? null : options.Bound ?? DivergenceBound.Of(model.Backend.Activations);
        return new ReferenceReport
        {
            File = reference.Name,
            Passed = bound?.Admits(divergence) ?? (relative <= options.Tolerance && greedy is null && stages.Differences.Count == 0),
            Bound = bound,
            Rows = divergence.Rows,
            MaxAbsolute = absolute,
            Relative = relative,
            Divergences = rows,
            MedianKl = divergence.MedianKl,
            MeanKl = divergence.MeanKl,
            MaxKl = divergence.MaxKl,
            RowsAbove001 = divergence.RowsAbove001,
            SameTop1 = divergence.SameTop1,
            RouterChoices = stages.Choices,
            RouterDifferences = stages.WrongChoices,
            FirstDifference = stages.Differences.Count > 0 ? stages.Differences[0] : relative > options.Tolerance ? "logits" : null,
            Greedy = Math.Min(reference.Greedy.Length, result.Greedy.Length),
            GreedyDifference = greedy,
        };
    }

    private static string Text(WeightScheme weights) => weights == WeightScheme.Stored ? "as stored" : "in " + weights.ToString().ToLowerInvariant();

    /// <summary>After a near tie both continuations are right, so the comparison ends there.</summary>
    private static int? FirstGreedyDifference(ReferenceFile reference, int[] computed, double logitError)
    {
        int[] expected = reference.Greedy;
        for (int i = 0; i < Math.Min(expected.Length, computed.Length) && reference.Margins[i] > 2 * logitError; i++)
        {
            if (computed[i] != expected[i])
            {
                return i;
            }
        }
        return null;
    }

    /// <summary>Compares intermediate values in the order of computation.</summary>
    private sealed class Stages(ReferenceFile reference, int vocabulary, double tolerance)
    {
        public List<string> Differences { get; } = [];

        public int Choices { get; private set; }

        public int WrongChoices { get; private set; }

        public void CompareAll(LogitsResult result, int layers)
        {
            foreach ((string stage, float[] values) in result.Vision)
            {
                Compare("vision." + stage, values);
            }
            Compare("hidden.0", result.HiddenAfterLayer.GetValueOrDefault(0));
            for (int layer = 0; layer < layers; layer++)
            {
                Compare($"attention.{layer}", result.AttentionOutputs.GetValueOrDefault(layer));
                if (result.Routers.TryGetValue(layer, out (int[] Experts, float[] Scores) router))
                {
                    CompareRouter(layer, router.Experts);
                    Compare($"router.{layer}.scores", router.Scores, ScoreTolerance);
                }
                Compare($"hidden.{layer + 1}", result.HiddenAfterLayer.GetValueOrDefault(layer + 1));
            }
            Compare("hidden.final", result.HiddenFinal);
        }

        private void CompareRouter(int layer, int[] experts)
        {
            string stage = $"router.{layer}.experts";
            if (!reference.Has(stage))
            {
                return;
            }
            int[] expected = reference.Integers(stage);
            if (experts.Length != expected.Length)
            {
                throw new ArgumentException($"{reference.Name} has {expected.Length} router choices of layer {layer}, the model made {experts.Length}.");
            }
            int wrong = experts.Zip(expected).Count(pair => pair.First != pair.Second);
            Choices += expected.Length;
            WrongChoices += wrong;
            if (wrong > 0)
            {
                Differences.Add($"router.{layer}");
            }
        }

        private void Compare(string stage, float[]? computed, double factor = 1)
        {
            if (computed is null or [] || !reference.Has(stage))
            {
                return;
            }
            float[] expected = reference.Floats(stage);
            float[] rows = expected.Length == computed.Length ? computed : Rows(computed);
            if (!(ReferenceMetrics.Relative(rows, expected) <= factor * tolerance))
            {
                Differences.Add(stage);
            }
        }

        /// <summary>The rows [·, D] of the positions that the file keeps, of values [T, D].</summary>
        private float[] Rows(float[] values)
        {
            int width = values.Length / reference.Ids.Length;
            return [.. reference.Positions(vocabulary).SelectMany(position => new ArraySegment<float>(values, position * width, width))];
        }
    }
}
