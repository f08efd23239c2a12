using Llama4Kernels.Engine.Diagnostics;
using Llama4Kernels.Engine.Model;
using Llama4Kernels.Tests.Engine.Model;
using Llama4Kernels.Tests.Oracles;

namespace Llama4Kernels.Tests.Engine.Diagnostics;

/// <summary>Perplexity is that of the definition, whatever the pieces it is computed in; a model is as far from another as their logits are.</summary>
[Collection(nameof(ModelCollection))]
public sealed class TextLikelihoodTests(ModelFixture models)
{
    private Llama4Model Model => models.Get("nano");

    private int[] Ids => Model.Tokenizer.Encode("Scout has 16 experts. Maverick has 128 experts, and a context of a million tokens; nobody counts the words of this line.");

    [Fact]
    public void EveryTokenOfAWindowCountsOnce()
    {
        int[] ids = [.. Ids, .. Ids, .. Ids];
        // Longer than a piece of 64 rows.
        Assert.True(ids.Length > 70);
        double[] expected = Nll(ids);
        LikelihoodReport report = TextLikelihood.Measure(Model, ids, ids.Length);
        Assert.Equal(ids.Length, report.Tokens);
        Assert.Equal(expected.Average(), report.MeanNll, 1e-5);
        Assert.Equal(Math.Exp(expected.Average()), report.Perplexity, Math.Exp(expected.Average()) * 1e-4);
        double mean = expected.Average();
        Assert.Equal(Math.Sqrt(expected.Sum(x => (x - mean) * (x - mean)) / (ids.Length - 1) / ids.Length), report.StandardError, 1e-5);
        Assert.Null(report.Against);
    }

    [Theory]
    [InlineData(1)]
    [InlineData(7)]
    [InlineData(1000)]
    public void EachWindowStartsAnew(int window)
    {
        int[] ids = Ids;
        double[] expected = [.. ids.Chunk(window).SelectMany(Nll)];
        var done = new List<int>();
        LikelihoodReport report = TextLikelihood.Measure(Model, ids, window, progress: new Listed(done));
        Assert.Equal(expected.Average(), report.MeanNll, 1e-5);
        Assert.Equal(ids.Length, done[^1]);
    }

    [Fact]
    public void AModelIsAsFarFromAnotherAsItsLogits()
    {
        int[] ids = Ids;
        LikelihoodReport same = TextLikelihood.Measure(Model, ids, 16, Model);
        Assert.Equal((0, ids.Length, same.MeanNll), (same.Divergence!.Value.MaxKl, same.Divergence.Value.SameTop1, same.Against!.MeanNll));
        Llama4Model int4 = models.Get("nano", new ModelOptions { Weights = WeightScheme.Int4 });
        LikelihoodReport rounded = TextLikelihood.Measure(int4, ids, ids.Length, Model);
        Assert.Equal(
            LogitDivergence.Of(Logits(int4, ids), Logits(Model, ids), Model.Config.Text.VocabSize) with { MaxKl = 0, MeanKl = 0, MedianKl = 0 },
            rounded.Divergence!.Value with { MaxKl = 0, MeanKl = 0, MedianKl = 0 });
        Assert.Equal(ReferenceMetrics.MeanKl(Logits(int4, ids), Logits(Model, ids), Model.Config.Text.VocabSize), rounded.Divergence.Value.MeanKl, 1e-6);
        Assert.NotEqual(rounded.MeanNll, rounded.Against!.MeanNll);
        Assert.Equal(Nll(ids).Average(), rounded.Against.MeanNll, 1e-5);
    }

    [Fact]
    public void MisuseIsNamed()
    {
        int[] ids = Ids;
        Assert.Throws<ArgumentException>(() => TextLikelihood.Measure(Model, [], 5));
        Assert.Throws<ArgumentException>(() => TextLikelihood.Measure(Model, ids, 0));
        Assert.Throws<ArgumentException>(() => TextLikelihood.Measure(Model, ids, Model.Config.Text.MaxPositions + 1));
        using var checkpoint = new RandomCheckpoint(new ForwardOracleShape(), new Dictionary<string, object?>(), nested: false, seed: 1);
        using var foreign = Llama4Model.Load(checkpoint.Folder);
        Assert.Contains("200", Assert.Throws<ArgumentException>(() => TextLikelihood.Measure(Model, ids, 5, foreign)).Message, StringComparison.Ordinal);
        Assert.Throws<OperationCanceledException>(() => TextLikelihood.Measure(Model, ids, 5, cancellation: new CancellationToken(true)));
        // Nothing is lost by what was refused.
        Assert.Equal(ids.Length, TextLikelihood.Measure(Model, ids, 5).Tokens);
    }

    private double[] Nll(int[] ids)
    {
        float[] logits = Logits(Model, ids);
        int vocabulary = Model.Config.Text.VocabSize;
        return [.. ids.Select((id, row) =>
        {
            float[] values = logits[(row * vocabulary)..((row + 1) * vocabulary)];
            return Math.Log(values.Sum(value => Math.Exp(value))) - values[id];
        })];
    }

    /// <summary>Logits that predict each id, from one whole run.</summary>
    private static float[] Logits(Llama4Model model, int[] ids) =>
        ModelRunner.Run(model, [model.Tokenizer.BosId, .. ids[..^1]], new RunOptions()).Logits;

    private sealed class Listed(List<int> values) : IProgress<int>
    {
        public void Report(int value) => values.Add(value);
    }
}
