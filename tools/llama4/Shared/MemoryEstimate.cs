using Llama4Kernels.Engine.Checkpoints;
using Llama4Kernels.Engine.Config;
using Llama4Kernels.Kernels.Contracts;

namespace Llama4Kernels.Cli.Shared;

/// <summary>Bytes that a model's weights and cache take.</summary>
internal static class MemoryEstimate
{
    /// <summary>Formats that take different amounts of memory.</summary>
    public static IReadOnlyList<WeightFormat> Formats { get; } = [.. WeightFormat.All.DistinctBy(format => format.BitsPerWeight)];

    /// <summary>Bytes of the weights if every matrix is stored in a format and the vectors in bf16.</summary>
    public static long Weights(IEnumerable<StoredTensor> tensors, WeightFormat format) =>
        (long)tensors.Where(IsWeight).Sum(tensor => tensor.Shape.Count > 1 ? tensor.Elements * format.BitsPerWeight / 8 : tensor.Elements * 2.0);

    /// <summary>Bytes of keys and values of one sequence: chunked layers keep only the current chunk.</summary>
    public static long Cache(TextConfig config, long context, int bytesPerElement) =>
        config.LayerKinds.Sum(layer => 2L * config.KvHeads * config.HeadDim * bytesPerElement
            * (layer.IsChunked ? Math.Min(context, config.AttentionChunkSize ?? context) : context));

    // The scales of quantised weights are part of their format.
    private static bool IsWeight(StoredTensor tensor) => !tensor.Name.EndsWith("_scale", StringComparison.Ordinal);
}
