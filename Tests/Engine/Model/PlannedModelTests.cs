using Llama4Kernels.Engine;
using Llama4Kernels.Engine.Config;
using Llama4Kernels.Engine.Diagnostics;
using Llama4Kernels.Engine.Model;
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

    [Theory]
    [InlineData(WeightScheme.Int4, null, "int4", "int4", "bf16")]
    [InlineData(WeightScheme.Int4, (int)LinearParts.Experts, "int4", "bf16", "bf16")]
    [InlineData(WeightScheme.Int4, (int)(LinearParts.Experts | LinearParts.Shared | LinearParts.Attention), "int4", "int4", "int4")]
    [InlineData(WeightScheme.Int4, (int)LinearParts.Attention, "bf16", "bf16", "int4")]
    [InlineData(WeightScheme.Fp8, null, "fp8a", "bf16", "bf16")]
    [InlineData(WeightScheme.Fp8, (int)(LinearParts.Shared | LinearParts.Attention), "bf16", "fp8a", "fp8a")]
    [InlineData(WeightScheme.Stored, (int)LinearParts.Attention, "bf16", "bf16", "bf16")]
    public void IncludedWeightsAreQuantisedAndNoOthers(WeightScheme scheme, int? include, string experts, string shared, string attention)
    {
        var options = new ModelOptions { Threads = 1, LoadVision = false, Weights = scheme, Include = (LinearParts?)include };
        using Llama4Model model = Llama4Model.Load(ModelFixture.Folder("tiny-scout"), options, null, TestContext.Current.CancellationToken);
        LayerWeights layer = model.Text.Weights.Layers[1];
        Assert.Equal(
            (experts, experts, shared, shared, attention, attention),
            (Name(layer.Experts[0].GateUp), Name(layer.Experts[0].Down), Name(layer.FeedForward.GateUp), Name(layer.FeedForward.Down), Name(layer.Qkv), Name(layer.Output)));
        Assert.Equal(("bf16", "bf16"), (Name(layer.Router!), Name(model.Text.Weights.LmHead)));
    }

    private static string Name(IMatrix matrix) => matrix.Format.Name;
}
