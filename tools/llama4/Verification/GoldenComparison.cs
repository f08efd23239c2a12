using Llama4Kernels.Cli.Shared;
using Llama4Kernels.Engine.Diagnostics;
using Llama4Kernels.Engine.Model;
using Llama4Kernels.Kernels.Contracts;

namespace Llama4Kernels.Cli.Verification;

/// <summary>
/// Runs a model on a golden's input and judges every value that the file has. <paramref name="other"/> is the same model with
/// another order of summation, or null.
/// </summary>
internal sealed class GoldenComparison(Llama4Model model, Llama4Model? other, GoldenFile golden, double tolerance, double maxKl)
{
    private readonly int _vocabulary = model.Config.Text.VocabSize;

    /// <summary>The stages beyond the tolerance, in the order of computation.</summary>
    private readonly List<string> _differences = [];

    public GoldenReport Run(int prefillChunk, CancellationToken cancellation)
    {
        LogitsResult result = ModelRunner.Run(model, golden.Ids, golden.Options(_vocabulary, prefillChunk), cancellation);
        FiniteLogits.Check(result.Logits, _vocabulary);
        bool exact = model.Options.Activations == ActivationPrecision.Float32 && model.Options.Weights != WeightScheme.Fp8;
        (int choices, int wrong) = CompareStages(result);
        double absolute = Metrics.MaxAbsolute(result.Logits, golden.Logits);
        double relative = Metrics.Relative(result.Logits, golden.Logits);
        Divergence divergence = Divergence.Of(result.Logits, golden.Logits, _vocabulary);
        int? greedy = FirstGreedyDifference(result.Greedy, absolute);
        return new GoldenReport
        {
            File = golden.Name,
            Passed = exact ? relative <= tolerance && wrong == 0 && greedy is null && _differences.Count == 0 : divergence.Mean <= maxKl,
            Rows = golden.Logits.Length / _vocabulary,
            MaxAbsolute = absolute,
            Relative = relative,
            OrderOfSummation = other is null ? null : OrderOfSummation(result.Logits, other, prefillChunk, cancellation),
            MeanKl = divergence.Mean,
            MedianKl = divergence.Median,
            FarRows = divergence.FarRows,
            SameTop1 = divergence.SameTop1,
            RouterChoices = choices,
            RouterDifferences = wrong,
            FirstDifference = _differences.Count > 0 ? _differences[0] : relative > tolerance ? "logits" : null,
            Greedy = golden.Greedy.Length,
            GreedyDifference = greedy,
        };
    }

    private double OrderOfSummation(float[] logits, Llama4Model second, int prefillChunk, CancellationToken cancellation)
    {
        RunOptions options = golden.Options(_vocabulary, prefillChunk) with { Greedy = 0, CaptureHidden = false };
        float[] others = ModelRunner.Run(second, golden.Ids, options, cancellation).Logits;
        return Metrics.MaxAbsolute(logits, others) / (golden.Logits.Max() - golden.Logits.Min());
    }

    private (int Choices, int Wrong) CompareStages(LogitsResult result)
    {
        int choices = 0;
        int wrong = 0;
        foreach ((string stage, float[] values) in result.Vision)
        {
            Compare("vision." + stage, values);
        }
        Compare("hidden.0", result.HiddenAfterLayer.GetValueOrDefault(0));
        for (int layer = 0; layer < model.Config.Text.Layers; layer++)
        {
            Compare($"attention.{layer}", result.AttentionOutputs.GetValueOrDefault(layer));
            if (result.Routers.TryGetValue(layer, out (int[] Experts, float[] Scores) router) && golden.Has($"router.{layer}.experts"))
            {
                int[] expected = golden.Integers($"router.{layer}.experts");
                int differ = router.Experts.Length == expected.Length
                    ? router.Experts.Zip(expected).Count(pair => pair.First != pair.Second)
                    : throw new ArgumentException($"{golden.Name} has {expected.Length} router choices of layer {layer}, the model made {router.Experts.Length}.");
                choices += expected.Length;
                wrong += differ;
                if (differ > 0)
                {
                    _differences.Add($"router.{layer}");
                }
            }
            Compare($"hidden.{layer + 1}", result.HiddenAfterLayer.GetValueOrDefault(layer + 1));
        }
        Compare("hidden.final", result.HiddenFinal);
        return (choices, wrong);
    }

    private void Compare(string stage, float[]? computed)
    {
        if (computed is null || !golden.Has(stage))
        {
            return;
        }
        float[] expected = golden.Floats(stage);
        float[] rows = expected.Length == computed.Length ? computed : Rows(computed);
        if (Metrics.Relative(rows, expected) > tolerance)
        {
            _differences.Add(stage);
        }
    }

    /// <summary>The rows [·, D] of the positions that the file keeps, of values [T, D].</summary>
    private float[] Rows(float[] values)
    {
        int width = values.Length / golden.Ids.Length;
        return [.. golden.Positions(_vocabulary).SelectMany(position => new ArraySegment<float>(values, position * width, width))];
    }

    /// <summary>After a near tie both continuations are right, so the comparison ends there.</summary>
    private int? FirstGreedyDifference(int[] computed, double logitError)
    {
        int[] expected = golden.Greedy;
        for (int i = 0; i < expected.Length && golden.GreedyMargin(i) > 2 * logitError; i++)
        {
            if (computed[i] != expected[i])
            {
                return i;
            }
        }
        return null;
    }
}
