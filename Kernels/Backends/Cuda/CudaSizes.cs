using Llama4Kernels.Kernels.Attention;
using Llama4Kernels.Kernels.Contracts;
using Llama4Kernels.Kernels.Contracts.Cuda;
using Llama4Kernels.Kernels.Embedding;
using Llama4Kernels.Kernels.ExpertRouting;
using Llama4Kernels.Kernels.MatMul;
using Llama4Kernels.Kernels.Numerics;
using Llama4Kernels.Kernels.Sampling;

namespace Llama4Kernels.Kernels.Backends.Cuda;

/// <summary>What a <see cref="CudaBackend"/> would take of a device's memory: matrices lie in the layouts that its records choose there.</summary>
/// <param name="device">The device.</param>
/// <param name="options">How the backend would run; null takes the defaults.</param>
public sealed class CudaSizes(DeviceLimits device, CudaBackendOptions? options = null) : IBackendSizes
{
    private readonly CudaBackendOptions _options = options ?? new CudaBackendOptions();
    private readonly CudaProducts _products = CudaBackend.Products(device, options ?? new CudaBackendOptions());

    // Outputs of a part of a weight whose parts lie apart, the widest of those that were counted.
    private int _widestPart;

    /// <inheritdoc/>
    public StepSizes Steps => CudaBackend.StepsOf(_options);

    /// <inheritdoc/>
    public long Pack(ReadOnlySpan<MatrixSource> stacked, WeightFormat? format, int count)
    {
        StackedSources[] shapes = StackPacking.ShapesOf(stacked, format);
        _widestPart = shapes.Length > 1 ? Math.Max(_widestPart, shapes.Max(shape => shape.Rows)) : _widestPart;
        return count * shapes.Sum(shape =>
        {
            CudaLayout layout = _products.Layout(shape, count);
            return layout.CodeBytes(shape) + layout.ScaleBytes(shape);
        });
    }

    /// <inheritdoc/>
    public long Embedding(MatrixSource table)
    {
        ArgumentNullException.ThrowIfNull(table);
        return CudaEmbedding.BytesOf(table);
    }

    /// <inheritdoc/>
    public KvLayout LayoutOf(int blockTokens, int layers, AttentionShape shape, KvFormat format) =>
        CudaKvStep.LayoutOf(blockTokens, layers, shape, format);

    /// <inheritdoc/>
    /// <remarks>With the two staging areas' places on the device, and a piece of the arena more: its last one is seldom full.</remarks>
    public long Scratch(in StepShape step)
    {
        long slots = (long)step.Rows * step.ExpertsPerToken;
        return ExpertScratch.Bytes(slots, step.Hidden, step.ExpertWidth)
            + (Math.Max(slots, step.Rows) + step.Rows) * MatMulCuda.OperandBytes(step.WidestInner)
            + (Math.Max(slots, step.Rows) + step.Rows) * _widestPart * sizeof(float)
            + PagedAttentionCuda.ScratchBytes(step.DecodeRows, step.Attention)
            + TokenDrawCuda.ScratchBytes(step.DecodeRows, step.Vocabulary)
            + (2 * _options.StagingBytes) + _options.ArenaBytes;
    }
}
