using Llama4Kernels.Engine;
using Llama4Kernels.Engine.Checkpoints;
using Llama4Kernels.Engine.Config;
using Llama4Kernels.Engine.Diagnostics;
using Llama4Kernels.Engine.Model;
using Llama4Kernels.Kernels.Backends;
using Llama4Kernels.Kernels.Contracts;

namespace Llama4Kernels.Tests.Engine.Model;

/// <summary>Models of a configuration without files, and which of a model's weights are quantised.</summary>
public class PlannedModelTests
{
    [Theory]
    [InlineData("tiny-scout")]
    [InlineData("tiny-maverick")]
    [InlineData("tiny-flat")]
    public void APlannedModelHasTheShapesOfALoadedOneAndIsZero(string name)
    {
        string folder = ModelFixture.Folder(name);
        var options = new ModelOptions { Threads = 1, LoadVision = false };
        using Llama4Model planned = Llama4Model.Plan(ModelConfig.Load(folder), "planned", options, TestContext.Current.CancellationToken), loaded = Llama4Model.Load(folder, options, null, TestContext.Current.CancellationToken);
        Assert.Equal(loaded.WeightBytes, planned.WeightBytes);
        Assert.Equal(loaded.WeightBytesPerToken, planned.WeightBytesPerToken);
        LogitsResult result = ModelRunner.Run(planned, [1, 2, 3], new RunOptions(), TestContext.Current.CancellationToken);
        Assert.All(result.Logits, logit => Assert.Equal(0, logit));
        Assert.Contains("tokenizer", Assert.Throws<InvalidOperationException>(() => planned.Tokenizer).Message, StringComparison.Ordinal);
    }

    [Fact]
    public void APlannedModelThatNeedsATokenizerIsRefused() =>
        Assert.Throws<ModelFormatException>(() => Llama4Model.Plan(ModelConfig.Load(ModelFixture.Folder("tiny-flat")), "planned", new ModelOptions { NeedsTokenizer = true }, TestContext.Current.CancellationToken));

    [Fact]
    public void RandomWeightsAreTheSameEachTimeAndAnswersHaveText()
    {
        ModelConfig config = ModelConfig.Load(ModelFixture.Folder("tiny-scout"));
        byte[] tokenizer = File.ReadAllBytes(Path.Combine(GoldenFiles.SampleModel, "tokenizer.json"));
        var options = new ModelOptions { Threads = 1, LoadVision = false, NeedsTokenizer = true };
        float[][] logits = new float[2][];
        for (int i = 0; i < logits.Length; i++)
        {
            using Llama4Model model = Llama4Model.OfRandomWeights(config, "random", options, () => tokenizer, null, TestContext.Current.CancellationToken);
            logits[i] = [.. ModelRunner.Run(model, [1, 2, 3], new RunOptions(), TestContext.Current.CancellationToken).Logits];
            Assert.Equal("a", model.Tokenizer.Decode(model.Tokenizer.Encode("a")));
        }
        Assert.Equal(logits[0], logits[1]);
        Assert.All(logits[0], logit => Assert.True(float.IsFinite(logit)));
        Assert.True(logits[0].Distinct().Count() > logits[0].Length / 2);
        Assert.Throws<ModelFormatException>(() => Llama4Model.OfRandomWeights(config, "random", options, null, null, TestContext.Current.CancellationToken));
    }

    [Theory]
    [InlineData(WeightScheme.Int4, null, "int4", "int4", "bf16", "bf16")]
    [InlineData(WeightScheme.Int4, LinearParts.Experts, "int4", "bf16", "bf16", "bf16")]
    [InlineData(WeightScheme.Int4, LinearParts.Experts | LinearParts.Shared | LinearParts.Attention, "int4", "int4", "int4", "bf16")]
    [InlineData(WeightScheme.Int4, LinearParts.Attention, "bf16", "bf16", "int4", "bf16")]
    [InlineData(WeightScheme.Int4, LinearParts.Dense | LinearParts.Head, "bf16", "bf16", "bf16", "int4")]
    [InlineData(WeightScheme.Int4, LinearParts.All, "int4", "int4", "int4", "int4")]
    [InlineData(WeightScheme.Fp8, null, "fp8a", "bf16", "bf16", "bf16")]
    [InlineData(WeightScheme.Fp8, LinearParts.Shared | LinearParts.Attention, "bf16", "fp8a", "fp8a", "bf16")]
    [InlineData(WeightScheme.Fp8, LinearParts.Head, "bf16", "bf16", "bf16", "fp8a")]
    [InlineData(WeightScheme.Int8, null, "q8_0", "q8_0", "bf16", "bf16")]
    [InlineData(WeightScheme.Int8, LinearParts.All, "q8_0", "q8_0", "q8_0", "q8_0")]
    [InlineData(WeightScheme.Stored, LinearParts.All, "bf16", "bf16", "bf16", "bf16")]
    public void IncludedWeightsAreQuantisedAndNoOthers(WeightScheme scheme, LinearParts? include, string experts, string shared, string attention, string head)
    {
        using Llama4Model model = LoadCounted("tiny-scout", scheme, include);
        LayerWeights layer = model.Text.Weights.Layers[1];
        Assert.Equal(
            (experts, experts, shared, shared, attention, attention),
            (Name(layer.Experts[0].GateUp), Name(layer.Experts[0].Down), Name(layer.FeedForward.GateUp), Name(layer.FeedForward.Down), Name(layer.Qkv), Name(layer.Output)));
        Assert.Equal(("bf16", head), (Name(layer.Router!), Name(model.Text.Weights.LmHead)));
    }

    [Theory]
    [InlineData(LinearParts.Shared, "bf16", "fp8a")]
    [InlineData(LinearParts.Dense, "fp8a", "bf16")]
    public void LayersWithoutExpertsAreAPartOfTheirOwn(LinearParts include, string dense, string shared)
    {
        using Llama4Model model = LoadCounted("tiny-maverick", WeightScheme.Fp8, include);
        Assert.All(model.Text.Weights.Layers, layer =>
        {
            string format = layer.Experts.Length == 0 ? dense : shared;
            Assert.Equal((format, format), (Name(layer.FeedForward.GateUp), Name(layer.FeedForward.Down)));
        });
    }

    [Fact]
    public void AHeadThatCannotBeQuantisedIsFoundBeforeAnythingIsPacked()
    {
        // 64 inputs are no group of 128.
        var options = new ModelOptions { LoadVision = false, Weights = WeightScheme.Int4, Include = LinearParts.Head, CreateBackend = () => new CpuBackend(new CpuBackendOptions { Threads = 1 }) };
        var error = Assert.Throws<ModelFormatException>(() => Llama4Model.Load(ModelFixture.Folder("tiny-maverick"), options, new Progress(_ => Assert.Fail("Something was packed.")), TestContext.Current.CancellationToken));
        Assert.Contains("output head", error.Message, StringComparison.Ordinal);
    }

    [Fact]
    public void PartsThatAreNoneAreRefused() => Assert.Throws<ArgumentException>("Include", () => new ModelOptions { Include = (LinearParts)64 });

    /// <summary>Loaded, and its bytes known beforehand and without files.</summary>
    private static Llama4Model LoadCounted(string name, WeightScheme scheme, LinearParts? include)
    {
        string folder = ModelFixture.Folder(name);
        var options = new ModelOptions { Threads = 1, LoadVision = false, Weights = scheme, Include = include };
        Llama4Model model = Llama4Model.Load(folder, options, null, TestContext.Current.CancellationToken);
        using Llama4Model planned = Llama4Model.Plan(ModelConfig.Load(folder), "planned", options, TestContext.Current.CancellationToken);
        Assert.Equal(model.WeightBytes, planned.WeightBytes);
        return model;
    }

    private sealed class Progress(Action<LoadProgress> report) : IProgress<LoadProgress>
    {
        public void Report(LoadProgress value) => report(value);
    }

    private static string Name(IMatrix matrix) => matrix.Format.Name;
}
