using Llama4Kernels.Engine.Checkpoints.Weights;
using Llama4Kernels.Engine.Config;

namespace Llama4Kernels.Engine.Checkpoints;

/// <summary>The tensors that follow from a configuration, under the names of the published safetensors layout.</summary>
internal static class ExpectedTensors
{
    /// <summary>Whether a name is one of the vision tower or its projector.</summary>
    public static bool IsVision(string name) => HuggingFaceNaming.IsVisionName(name);

    /// <summary>Lists them, with fused experts.</summary>
    /// <param name="config">The configuration; one without vision calls for no vision tensors.</param>
    /// <param name="prefix">What the names of text tensors begin with.</param>
    public static IReadOnlyList<ExpectedTensor> For(ModelConfig config, string prefix)
    {
        ArgumentNullException.ThrowIfNull(config);
        var naming = new HuggingFaceNaming(prefix, config.Text.Experts, []);
        return [.. ModelWeights.Of(config, head: !config.TieWordEmbeddings)
            .SelectMany(weight => naming.Locate(weight).Parts)
            .DistinctBy(part => part.Tensor)
            .Select(part => new ExpectedTensor(part.Tensor, part.Shape))];
    }
}
