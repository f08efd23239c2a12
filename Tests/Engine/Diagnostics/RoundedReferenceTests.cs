using Llama4Kernels.Engine.Diagnostics;
using Llama4Kernels.Engine.Model;
using Llama4Kernels.Kernels.Contracts;
using Llama4Kernels.Kernels.MatMul;
using Llama4Kernels.Tests.Engine.Model;

namespace Llama4Kernels.Tests.Engine.Diagnostics;

/// <summary>Activations that are rounded take the logits no farther from float32 than the official implementation's own rounding does.</summary>
[Collection(nameof(ModelCollection))]
public sealed class RoundedReferenceTests(ModelFixture models)
{
    private static readonly LogitDivergence s_rows = new(100, 1e-5, 1e-3, 0.2, 3, 96);

    /// <summary>All references of the small models, texts and pictures, as stored; 1,150 rows and more.</summary>
    [Fact]
    public void BFloat16OverAllReferences()
    {
        ReferenceSummary sum = Sum(["tiny-scout", "tiny-maverick", "tiny-flat", "tiny-fp8", "nano"], WeightScheme.Stored, ActivationPrecision.BFloat16);
        Assert.True(sum.Divergence!.Value.Rows > 1000, sum.ToString());
        Assert.True(sum.Passed && sum.Divergence.Value.MedianKl > 0, sum.ToString());
    }

    [Fact]
    public void Int8WithInt4Weights()
    {
        ReferenceSummary sum = Sum(["tiny-scout", "tiny-flat"], WeightScheme.Int4, ActivationPrecision.Int8);
        Assert.True(sum.Passed && sum.Divergence!.Value.MedianKl > 1e-6, sum.ToString());
    }

    /// <summary>Every matrix in eight bits, the inputs of all references: int8 operands beside the same weights with float32 ones.</summary>
    [Fact]
    public void Int8WithInt8Weights()
    {
        List<float> rounded = [], exact = [];
        var options = new ModelOptions { Weights = WeightScheme.Int8, Include = LinearParts.All, Activations = ActivationPrecision.Int8 };
        int columns = 0;
        foreach (string name in (string[])["tiny-scout", "tiny-maverick", "tiny-flat", "nano"])
        {
            Llama4Model model = models.Get(name, options), same = models.Get(name, options with { Activations = ActivationPrecision.Float32 });
            columns = model.Config.Text.VocabSize;
            foreach (string path in Directory.GetFiles(GoldenFiles.Path(name, "golden"), "*.safetensors").Order(StringComparer.Ordinal))
            {
                using ReferenceFile reference = ReferenceFile.Open(path);
                RunOptions run = reference.Options(columns) with { Greedy = 0, CaptureHidden = false };
                rounded.AddRange(ModelRunner.Run(model, reference.Ids, run, TestContext.Current.CancellationToken).Logits);
                exact.AddRange(ModelRunner.Run(same, reference.Ids, run, TestContext.Current.CancellationToken).Logits);
            }
        }
        var rows = LogitDivergence.Of(rounded.ToArray(), exact.ToArray(), columns);
        Assert.True(rows is { Rows: > 1000, MedianKl: > 1e-5 } && DivergenceBound.GroupInt8.Admits(rows), rows.ToString());
    }

    /// <summary>Codes of other tools take int8 operands too: groups, rows, zero points, offsets; all files of the published forms together.</summary>
    [Fact]
    public void Int8WithStoredCodes()
    {
        Assert.SkipWhen(CpuLimits.This.WhyNoIntegerDot() is not null, "Stored codes take int8 operands where there is the integer dot product.");
        ReferenceSummary sum = Sum(["quantised/int8-channel", "quantised/mlx-4bit", "quantised/pack-int4-asym-group32", "quantised/pack-int4-group128"], WeightScheme.Stored, ActivationPrecision.Int8);
        Assert.True(sum.Passed && sum.Divergence!.Value is { Rows: 160, MedianKl: > 1e-5 }, sum.ToString());
    }

    [Fact]
    public void EachFigureIsBoundedOnItsOwn()
    {
        DivergenceBound bound = DivergenceBound.OfficialBFloat16;
        Assert.True(bound.Admits(s_rows));
        Assert.False(bound.Admits(s_rows with { MedianKl = 7.8e-5 }));
        Assert.False(bound.Admits(s_rows with { RowsAbove001 = 4 }));
        Assert.False(bound.Admits(s_rows with { SameTop1 = 95 }));
        Assert.False(bound.Admits(s_rows with { MedianKl = double.NaN }));
        Assert.True(bound.Admits(new LogitDivergence(1283, 7.7e-5, 1, 9, 41, 1222)));
        var mean = new DivergenceBound { MeanKl = 1e-3 };
        Assert.True(mean.Admits(s_rows with { RowsAbove001 = 100, SameTop1 = 0, MedianKl = 1 }));
        Assert.False(mean.Admits(s_rows with { MeanKl = 1.01e-3 }));
        Assert.Throws<ArgumentException>(() => new DivergenceBound { MeanKl = -1 });
        Assert.Throws<ArgumentException>(() => new DivergenceBound { Top1Share = 1.1 });
        Assert.Throws<ArgumentException>(() => new DivergenceBound { ShareAbove001 = double.NaN });
    }

    /// <summary>One far row among few is not within a share that it is within among many.</summary>
    [Fact]
    public void FilesAreJudgedTogether()
    {
        DivergenceBound bound = DivergenceBound.OfficialBFloat16;
        ReferenceReport Report(params double[] rows) => new() { File = "a", Bound = bound, Passed = false, Rows = rows.Length, Divergences = rows, SameTop1 = rows.Length };
        ReferenceReport flipped = Report(1e-5, 0.3);
        Assert.False(ReferenceSummary.Of([flipped]).Passed);
        ReferenceSummary together = ReferenceSummary.Of([flipped, new ReferenceReport { File = "b", Skipped = "why" }, Report([.. Enumerable.Repeat(1e-5, 38)])]);
        Assert.True(together.Passed);
        Assert.Equal((40, 1, 0.3, 40), (together.Divergence!.Value.Rows, together.Divergence.Value.RowsAbove001, together.Divergence.Value.MaxKl, together.Divergence.Value.SameTop1));
        Assert.Throws<ArgumentException>(() => ReferenceSummary.Of([flipped, flipped with { Bound = null }]));
        Assert.Null(ReferenceSummary.Of([]).Divergence);
        Assert.False(ReferenceSummary.Of([flipped with { Bound = null }]).Passed);
    }

    private ReferenceSummary Sum(string[] names, WeightScheme weights, ActivationPrecision activations)
    {
        var reports = new List<ReferenceReport>();
        foreach (string name in names)
        {
            Llama4Model model = models.Get(name, new ModelOptions { Weights = weights, Activations = activations });
            foreach (string path in Directory.GetFiles(GoldenFiles.Path(name, "golden"), "*.safetensors").Order(StringComparer.Ordinal))
            {
                using ReferenceFile reference = ReferenceFile.Open(path);
                reports.Add(ReferenceComparison.Run(model, reference));
            }
        }
        return ReferenceSummary.Of(reports);
    }
}
