using System.Runtime.InteropServices;
using Llama4Kernels.Interop.Cuda;
using Llama4Kernels.Kernels.Activation;
using Llama4Kernels.Kernels.Attention;
using Llama4Kernels.Kernels.Contracts;
using Llama4Kernels.Kernels.Contracts.Cuda;
using Llama4Kernels.Kernels.Embedding;
using Llama4Kernels.Kernels.ExpertRouting;
using Llama4Kernels.Kernels.MatMul;
using Llama4Kernels.Kernels.Normalization;
using Llama4Kernels.Kernels.Ptx;
using Llama4Kernels.Kernels.Quantization;
using Llama4Kernels.Kernels.Rope;
using Llama4Kernels.Kernels.Sampling;
using Llama4Kernels.Kernels.Vision;

namespace Llama4Kernels.Kernels.Backends.Cuda;

/// <summary>
/// Runs on a CUDA device, real or emulated, with kernels from a set of PTX modules. Addresses are device addresses.
/// Operations are put into one stream and return at once; <see cref="Download"/> waits. Steps that repeat with equal shapes
/// are launched as graphs, so that decoding costs the host one launch. Activations are float32; weights keep the precision
/// they are packed in.
/// </summary>
public sealed class CudaBackend : IBackend
{
    private readonly CudaContext _context;
    private readonly CudaQueue _queue;
    private readonly MatrixUpload _upload;
    private readonly LinearScratch _linear;
    private readonly CudaScratch _best;
    private readonly AttentionScratch _attention;
    private readonly ExpertScratch _experts;
    private readonly bool _ownsContext;
    private readonly CudaProducts _products;

    /// <summary>Takes or makes a stream, and a first piece of memory of the device.</summary>
    /// <param name="context">The context.</param>
    /// <param name="modules">Where kernels come from; each is loaded when it is first used.</param>
    /// <param name="options">Sizes, and the stream if it is the host's; null takes the defaults.</param>
    /// <param name="ownsContext">Whether disposing the backend disposes the context.</param>
    /// <exception cref="ArgumentException">The stream is another context's, or there is no product of the name.</exception>
    /// <exception cref="CudaException">The device has no room.</exception>
    public CudaBackend(CudaContext context, IKernelModules modules, CudaBackendOptions? options = null, bool ownsContext = false)
    {
        ArgumentNullException.ThrowIfNull(context);
        ArgumentNullException.ThrowIfNull(modules);
        _context = context;
        _ownsContext = ownsContext;
        options ??= new CudaBackendOptions();
        Steps = StepsOf(options);
        modules = new CombinedKernelModules(PtxKernelModules.All, modules);
        // First what may refuse the options: nothing was taken yet.
        _products = Products(DeviceLimits.Read(context), options);
        _queue = new CudaQueue(context, modules, options.Stream, options.ArenaBytes, options.StagingBytes, options.MaxGraphs);
        _upload = new MatrixUpload(_queue, options.WithoutWeights);
        _linear = new LinearScratch(_queue);
        _best = new CudaScratch(_queue);
        _attention = new AttentionScratch(_queue);
        _experts = new ExpertScratch(_queue);
    }

    /// <inheritdoc/>
    public string Name => "cuda";

    /// <inheritdoc/>
    public string Description
    {
        get
        {
            int ordinal = 0;
            while (_context.Driver.DeviceGet(out int device, ordinal) == CudaResult.Success && device != _context.Device)
            {
                ordinal++;
            }
            CudaDeviceInfo info = CudaDeviceInfo.Read(_context.Driver, ordinal);
            return $"{_context.Driver.Description}, {info.Name}, {info.Target}; kernels: {KernelChoices.Source(_queue.Kernels.Modules)}";
        }
    }

    /// <summary>Graphs captured and launched so far.</summary>
    public (int Captured, int Launched) Graphs => (_queue.Graphs.Captured, _queue.Graphs.Replayed);

    /// <inheritdoc/>
    public StepSizes Steps { get; }

    /// <inheritdoc/>
    public ActivationPrecision Activations => _products.Activations;

    /// <inheritdoc/>
    public DeviceMemory Allocate(long bytes) => _queue.Allocate(bytes);

    /// <inheritdoc/>
    public void Upload(ReadOnlySpan<float> source, Tensor destination)
    {
        ShapeCheck.Require(destination, MemoryPlace.Device, source.Length, nameof(destination));
        _queue.Upload(source, destination.Address);
    }

    /// <inheritdoc/>
    public void Download(Tensor source, Span<float> destination)
    {
        ShapeCheck.Require(source, MemoryPlace.Device, destination.Length, nameof(source));
        _queue.Download(source.Address, MemoryMarshal.AsBytes(destination));
    }

    /// <inheritdoc/>
    public void Copy(Tensor x, Tensor destination)
    {
        ShapeCheck.Require(x, MemoryPlace.Device, x.Rows, x.Columns, nameof(x));
        ShapeCheck.Require(destination, MemoryPlace.Device, x.Rows, x.Columns, nameof(destination));
        _queue.Copy(x.Address, destination.Address, x.Bytes);
    }

    /// <inheritdoc/>
    public bool TryArgMax(Tensor x, Span<int> ids)
    {
        ArgMaxCuda.Run(_queue, _best, x, ids);
        return true;
    }

    /// <inheritdoc/>
    public bool TryDraw(Tensor x, ReadOnlySpan<DrawRule> rules, Span<int> ids)
    {
        TokenDrawCuda.Run(_queue, _best, x, rules, ids);
        return true;
    }

    /// <inheritdoc/>
    public void BeginStep(int rows, bool repeats, int? used = null)
    {
        ArgumentOutOfRangeException.ThrowIfGreaterThan(used ?? rows, rows, nameof(used));
        repeats &= rows <= Steps.GraphRows;
        _queue.BeginStep(repeats);
        _linear.Counts.BeginStep(repeats ? rows : 0, used ?? rows);
    }

    /// <inheritdoc/>
    public void EndStep()
    {
        _linear.Counts.EndStep();
        _queue.EndStep();
    }

    /// <inheritdoc/>
    public void AbandonStep() => _queue.AbandonStep();

    /// <inheritdoc/>
    /// <remarks>Nine tenths of what the device has free; the rest is for intermediate results.</remarks>
    public long CacheBytes => _context.MemoryInfo().Free / 10 * 9;

    /// <inheritdoc/>
    public IMatrix Pack(ReadOnlySpan<MatrixSource> stacked, WeightFormat? format = null)
    {
        MatrixSource[] sources = stacked.ToArray();
        return PackStack(1, _ => (sources, format))[0];
    }

    /// <inheritdoc/>
    public IMatrix[] PackStack(int count, Func<int, (MatrixSource[] Sources, WeightFormat? Format)> matrix)
    {
        ArgumentOutOfRangeException.ThrowIfNegativeOrZero(count);
        ArgumentNullException.ThrowIfNull(matrix);
        using var packing = new StackPacking(_queue, _products, _upload, count);
        for (int i = 0; i < count; i++)
        {
            (MatrixSource[] sources, WeightFormat? format) = matrix(i);
            packing.Add(sources, format);
        }
        return packing.Finish();
    }

    /// <inheritdoc/>
    public IEmbedding CreateEmbedding(MatrixSource table) => new CudaEmbedding(_queue, _upload, table);

    /// <inheritdoc/>
    public KvLayout LayoutOf(int blockTokens, int layers, AttentionShape shape, KvFormat format) =>
        CudaKvStep.LayoutOf(blockTokens, layers, shape, format);

    /// <inheritdoc/>
    public KvStep CreateKvStep(KvLayout layout, DeviceMemory memory, long offset, int count) => new CudaKvStep(_queue, layout, memory, offset, count);

    /// <inheritdoc/>
    public void CopyBlock(KvStep cache, int source, int destination)
    {
        CudaKvStep own = CudaKvStep.Of(cache);
        _queue.Copy(own.Block(source, nameof(source)), own.Destination(source, destination), own.Layout.BlockBytes);
    }

    /// <inheritdoc/>
    public Routing CreateRouting(int maxRows, int experts, int topK) => new CudaRouting(_queue, maxRows, experts, topK);

    /// <inheritdoc/>
    public void Embed(IEmbedding table, ReadOnlySpan<int> ids, Tensor output) => TokenEmbeddingCuda.Run(_queue, table, ids, output);

    /// <inheritdoc/>
    public void RmsNorm(Tensor x, Tensor weight, float eps, Tensor output) => RmsNormCuda.Run(_queue, x, weight, eps, output);

    /// <inheritdoc/>
    public void Linear(Tensor x, IMatrix weight, Tensor? bias, Tensor y) => MatMulCuda.Run(_queue, _products, _linear, x, weight, bias, y);

    /// <inheritdoc/>
    public bool TryNormLinear(Tensor x, Tensor norm, float eps, IMatrix weight, Tensor? bias, Tensor y) =>
        FusedLinearCuda.TryNormed(_queue, _products, _linear, x, norm, eps, weight, bias, y);

    /// <inheritdoc/>
    public bool TryAttentionLinear(Tensor qkv, AttentionShape shape, KvStep cache, int layer, IMatrix weight, Tensor? bias, Tensor block, Tensor hidden) =>
        FusedLinearCuda.TryAttended(_queue, _products, (_linear, _attention), qkv, shape, cache, layer, weight, bias, block, hidden);

    /// <inheritdoc/>
    public void Add(Tensor x, Tensor destination) => ResidualAddCuda.Run(_queue, x, destination);

    /// <inheritdoc/>
    public void SwiGlu(Tensor gateUp, Tensor output) => SwiGluCuda.Run(_queue, gateUp, output);

    /// <inheritdoc/>
    public void RopeAngles(ReadOnlySpan<float> frequencies, ReadOnlySpan<int> positions, Tensor output) =>
        RopeAnglesCuda.Run(_queue, frequencies, positions, output);

    /// <inheritdoc/>
    public void QueryScales(ReadOnlySpan<int> positions, float attnScale, float floorScale, Tensor output) =>
        QueryScalesCuda.Run(_queue, positions, attnScale, floorScale, output);

    /// <inheritdoc/>
    public void RotateNormAndAppend(Tensor qkv, AttentionShape shape, Tensor? angles, float? qkNormEps, Tensor? queryScales, KvStep cache, int layer) =>
        RotateNormAppendCuda.Run(_queue, qkv, shape, angles, qkNormEps, queryScales, cache, layer);

    /// <inheritdoc/>
    public void Attention(Tensor qkv, AttentionShape shape, KvStep cache, int layer, Tensor output) =>
        PagedAttentionCuda.Run(_queue, _attention, qkv, shape, Activations, cache, layer, output);

    /// <inheritdoc/>
    public void RouteTopK(Tensor routerLogits, Routing routing) => TopKRoutingCuda.Run(_queue, routerLogits, routing);

    /// <inheritdoc/>
    public void ExpertFeedForward(Tensor x, Routing routing, ReadOnlySpan<ExpertWeights> experts, Tensor output) =>
        ExpertFeedForwardCuda.Run(_queue, _products, _experts, x, routing, experts, output);

    /// <inheritdoc/>
    public bool TryFeedForward(in FeedForwardBlock block) => FeedForwardCuda.TryRun(_queue, Activations, _experts.Block, block);

    /// <inheritdoc/>
    public void LayerNorm(Tensor x, Tensor weight, Tensor bias, float eps, Tensor output) =>
        LayerNormCuda.Run(_queue, x, weight, bias, eps, output);

    /// <inheritdoc/>
    public void Gelu(Tensor x) => GeluCuda.Run(_queue, x);

    /// <inheritdoc/>
    public void UnfoldPatches(ReadOnlySpan<ushort> pixels, int tiles, int channels, int size, int patch, Tensor output) =>
        PatchUnfoldCuda.Run(_queue, pixels, tiles, channels, size, patch, output);

    /// <inheritdoc/>
    public void AppendClassTokenAndPositions(Tensor patches, Tensor classToken, Tensor positions, int tiles, Tensor x) =>
        ClassTokenCuda.Run(_queue, patches, classToken, positions, tiles, x);

    /// <inheritdoc/>
    public void VisionAttention(Tensor qkv, int tiles, int heads, Tensor angles, Tensor output) =>
        VisionAttentionCuda.Run(_queue, qkv, tiles, heads, angles, output);

    /// <inheritdoc/>
    public void PixelShuffle(Tensor x, int tiles, int grid, Tensor output) => PixelShuffleCuda.Run(_queue, x, tiles, grid, output);

    /// <inheritdoc/>
    public void Dispose()
    {
        _queue.Drain();
        _upload.Dispose();
        _linear.Dispose();
        _best.Dispose();
        _attention.Dispose();
        _experts.Dispose();
        _queue.Dispose();
        if (_ownsContext)
        {
            _context.Dispose();
        }
    }

    internal static StepSizes StepsOf(CudaBackendOptions options) => new(options.StepRows, options.GraphRows, LogitRows: 64);

    internal static CudaProducts Products(DeviceLimits device, CudaBackendOptions options) =>
        new(device, options.Precision, options.Product);
}
