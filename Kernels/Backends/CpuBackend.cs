using System.Runtime.Intrinsics;
using Llama4Kernels.Interop.Memory;
using Llama4Kernels.Kernels.Activation;
using Llama4Kernels.Kernels.Attention;
using Llama4Kernels.Kernels.Contracts;
using Llama4Kernels.Kernels.Embedding;
using Llama4Kernels.Kernels.ExpertRouting;
using Llama4Kernels.Kernels.MatMul;
using Llama4Kernels.Kernels.Normalization;
using Llama4Kernels.Kernels.Rope;
using Llama4Kernels.Kernels.Sampling;
using Llama4Kernels.Kernels.Threading;
using Llama4Kernels.Kernels.Vision;

namespace Llama4Kernels.Kernels.Backends;

/// <summary>
/// The reference backend: SIMD kernels over host memory and a team of threads. Addresses are host pointers. Operations
/// finish before they return; once buffers have grown to the largest batch, they allocate nothing. Any thread may call; the
/// operations of several take turns.
/// </summary>
public sealed unsafe class CpuBackend : IBackend
{
    private readonly ThreadTeam _team;
    private readonly CpuLinear _linear;
    private readonly AttentionForms _attention;
    private readonly CpuScratch _attentionScratch = new();
    private readonly CpuScratch _expertScratch = new();
    private readonly Lock _use = new();
    private bool _isDisposed;

    /// <summary>Starts the threads.</summary>
    /// <param name="options">Choices; null takes the defaults.</param>
    /// <exception cref="ArgumentOutOfRangeException">The number of threads is negative.</exception>
    /// <exception cref="ArgumentException">There is no product or attention of the forced name; the message lists all.</exception>
    /// <exception cref="PlatformNotSupportedException">This machine cannot run the forced product or attention.</exception>
    public CpuBackend(CpuBackendOptions? options = null)
    {
        options ??= new CpuBackendOptions();
        _attention = new AttentionForms(options.Precision, options.Attention);
        _team = new ThreadTeam(options.Threads);
        try
        {
            _linear = new CpuLinear(_team, options.Precision, options.Product);
        }
        catch
        {
            _team.Dispose();
            throw;
        }
    }

    /// <inheritdoc/>
    public string Name => "cpu";

    /// <inheritdoc/>
    public string Description
    {
        get
        {
            string vectors = Vector512.IsHardwareAccelerated ? "512-bit" : Vector256.IsHardwareAccelerated ? "256-bit" : "128-bit";
            return $"CPU, {_team.Threads} threads, {vectors} vectors; attention: {_attention}; matrix product: {_linear.Description}";
        }
    }

    /// <inheritdoc/>
    public StepSizes Steps { get; } = new(Rows: 512, GraphRows: 0, LogitRows: 16);

    /// <inheritdoc/>
    /// <remarks>Half of what the process may still use, limits of its container included.</remarks>
    public long CacheBytes => Math.Max(0, ProcessMemory.Usable() - Environment.WorkingSet) / 2;

    /// <inheritdoc/>
    public ActivationPrecision Activations => _linear.Activations;

    /// <summary>How fast its threads read weights where they lie, in bytes a second: the ceiling of decoding, to be measured in the run that quotes it.</summary>
    /// <param name="weights">Matrices that it packed; what is left over of whole MiB of each is not read.</param>
    /// <exception cref="ArgumentException">A matrix is another backend's, or none has a MiB.</exception>
    public double MeasureReading(IEnumerable<IMatrix> weights)
    {
        ArgumentNullException.ThrowIfNull(weights);
        using Lock.Scope use = Use();
        (nint, long)[] memory = [.. weights.SelectMany(matrix => matrix is StackedMatrix stack ? stack.Parts : [matrix])
            .Select(matrix => matrix is CpuMatrix own ? own.Memory : throw new ArgumentException("A matrix was packed by another backend.", nameof(weights)))];
        double speed = ReadBandwidth.Measure(_team, memory);
        return speed > 0 ? speed : throw new ArgumentException("No matrix has a MiB to read.", nameof(weights));
    }

    /// <inheritdoc/>
    public DeviceMemory Allocate(long bytes)
    {
        using Lock.Scope use = Use();
        return new CpuMemory(bytes);
    }

    /// <inheritdoc/>
    public void Upload(ReadOnlySpan<float> source, Tensor destination)
    {
        using Lock.Scope use = Use();
        ShapeCheck.Require(destination, MemoryPlace.Host, source.Length, nameof(destination));
        source.CopyTo(new Span<float>(destination.Pointer, source.Length));
    }

    /// <inheritdoc/>
    public void Download(Tensor source, Span<float> destination)
    {
        using Lock.Scope use = Use();
        ShapeCheck.Require(source, MemoryPlace.Host, destination.Length, nameof(source));
        new ReadOnlySpan<float>(source.Pointer, destination.Length).CopyTo(destination);
    }

    /// <inheritdoc/>
    public void Copy(Tensor x, Tensor destination)
    {
        using Lock.Scope use = Use();
        ShapeCheck.Require(x, MemoryPlace.Host, x.Rows, x.Columns, nameof(x));
        ShapeCheck.Require(destination, MemoryPlace.Host, x.Rows, x.Columns, nameof(destination));
        Buffer.MemoryCopy(x.Pointer, destination.Pointer, destination.Bytes, x.Bytes);
    }

    /// <inheritdoc/>
    public bool TryArgMax(Tensor x, Span<int> ids)
    {
        using Lock.Scope use = Use();
        ArgMax.Run(_team, x, ids);
        return true;
    }

    /// <inheritdoc/>
    /// <remarks>Always false: the sampler works where these logits are.</remarks>
    public bool TryDraw(Tensor x, ReadOnlySpan<DrawRule> rules, Span<int> ids)
    {
        using Lock.Scope use = Use();
        TokenDraw.Require(x, MemoryPlace.Host, rules, ids);
        return false;
    }

    /// <inheritdoc/>
    public IMatrix Pack(ReadOnlySpan<MatrixSource> stacked, WeightFormat? format = null)
    {
        using Lock.Scope use = Use();
        return _linear.Pack(stacked, format);
    }

    /// <inheritdoc/>
    public IEmbedding CreateEmbedding(MatrixSource table)
    {
        using Lock.Scope use = Use();
        return new CpuEmbedding(table);
    }

    /// <inheritdoc/>
    public KvLayout LayoutOf(int blockTokens, int layers, AttentionShape shape, KvFormat format) => CpuKvStep.LayoutOf(blockTokens, layers, shape, format);

    /// <inheritdoc/>
    public KvStep CreateKvStep(KvLayout layout, DeviceMemory memory, long offset, int count)
    {
        using Lock.Scope use = Use();
        return new CpuKvStep(layout, memory, offset, count);
    }

    /// <inheritdoc/>
    public void CopyBlock(KvStep cache, int source, int destination)
    {
        using Lock.Scope use = Use();
        CpuKvStep own = CpuKvStep.Of(cache);
        long bytes = own.Layout.BlockBytes;
        Buffer.MemoryCopy((void*)own.Block(source, nameof(source)), (void*)own.Destination(source, destination), bytes, bytes);
    }

    /// <inheritdoc/>
    public Routing CreateRouting(int maxRows, int experts, int topK)
    {
        using Lock.Scope use = Use();
        return new CpuRouting(maxRows, experts, topK);
    }

    /// <inheritdoc/>
    public void Embed(IEmbedding table, ReadOnlySpan<int> ids, Tensor output)
    {
        using Lock.Scope use = Use();
        TokenEmbedding.Run(_team, table, ids, output);
    }

    /// <inheritdoc/>
    public void RmsNorm(Tensor x, Tensor weight, float eps, Tensor output)
    {
        using Lock.Scope use = Use();
        Normalization.RmsNorm.Run(_team, x, weight, eps, output);
    }

    /// <inheritdoc/>
    public void Linear(Tensor x, IMatrix weight, Tensor? bias, Tensor y)
    {
        using Lock.Scope use = Use();
        _linear.Run(x, weight, bias, y);
    }

    /// <inheritdoc/>
    public void Add(Tensor x, Tensor destination)
    {
        using Lock.Scope use = Use();
        ResidualAdd.Run(_team, x, destination);
    }

    /// <inheritdoc/>
    public void SwiGlu(Tensor gateUp, Tensor output)
    {
        using Lock.Scope use = Use();
        Activation.SwiGlu.Run(_team, gateUp, output);
    }

    /// <inheritdoc/>
    public void RopeAngles(ReadOnlySpan<float> frequencies, ReadOnlySpan<int> positions, Tensor output)
    {
        using Lock.Scope use = Use();
        Rope.RopeAngles.Run(_team, frequencies, positions, output);
    }

    /// <inheritdoc/>
    public void QueryScales(ReadOnlySpan<int> positions, float attnScale, float floorScale, Tensor output)
    {
        using Lock.Scope use = Use();
        Rope.QueryScales.Run(positions, attnScale, floorScale, output);
    }

    /// <inheritdoc/>
    public void RotateNormAndAppend(Tensor qkv, AttentionShape shape, Tensor? angles, float? qkNormEps, Tensor? queryScales, KvStep cache, int layer)
    {
        using Lock.Scope use = Use();
        RotateNormAppend.Run(_team, qkv, shape, angles, qkNormEps, queryScales, cache, layer);
    }

    /// <inheritdoc/>
    public void Attention(Tensor qkv, AttentionShape shape, KvStep cache, int layer, Tensor output)
    {
        using Lock.Scope use = Use();
        PagedAttention.Run(_team, _attentionScratch, _attention, qkv, shape, cache, layer, output);
    }

    /// <inheritdoc/>
    public void RouteTopK(Tensor routerLogits, Routing routing)
    {
        using Lock.Scope use = Use();
        TopKRouting.Run(_team, routerLogits, routing);
    }

    /// <inheritdoc/>
    public void ExpertFeedForward(Tensor x, Routing routing, ReadOnlySpan<ExpertWeights> experts, Tensor output)
    {
        using Lock.Scope use = Use();
        ExpertRouting.ExpertFeedForward.Run(_team, _linear, _expertScratch, x, routing, experts, output);
    }

    /// <inheritdoc/>
    public void LayerNorm(Tensor x, Tensor weight, Tensor bias, float eps, Tensor output)
    {
        using Lock.Scope use = Use();
        Normalization.LayerNorm.Run(_team, x, weight, bias, eps, output);
    }

    /// <inheritdoc/>
    public void Gelu(Tensor x)
    {
        using Lock.Scope use = Use();
        Activation.Gelu.Run(_team, x);
    }

    /// <inheritdoc/>
    public void UnfoldPatches(ReadOnlySpan<ushort> pixels, int tiles, int channels, int size, int patch, Tensor output)
    {
        using Lock.Scope use = Use();
        PatchUnfold.Run(_team, pixels, tiles, channels, size, patch, output);
    }

    /// <inheritdoc/>
    public void AppendClassTokenAndPositions(Tensor patches, Tensor classToken, Tensor positions, int tiles, Tensor x)
    {
        using Lock.Scope use = Use();
        ClassToken.Run(_team, patches, classToken, positions, tiles, x);
    }

    /// <inheritdoc/>
    public void VisionAttention(Tensor qkv, int tiles, int heads, Tensor angles, Tensor output)
    {
        using Lock.Scope use = Use();
        Vision.VisionAttention.Run(_team, _attentionScratch, qkv, tiles, heads, angles, output);
    }

    /// <inheritdoc/>
    public void PixelShuffle(Tensor x, int tiles, int grid, Tensor output)
    {
        using Lock.Scope use = Use();
        Vision.PixelShuffle.Run(_team, x, tiles, grid, output);
    }

    /// <summary>Waits for the operation that goes on, if one does. Memory, matrices and routings that were made stay until they are disposed.</summary>
    public void Dispose()
    {
        lock (_use)
        {
            _isDisposed = true;
            _team.Dispose();
            _linear.Dispose();
            _attentionScratch.Dispose();
            _expertScratch.Dispose();
        }
    }

    /// <summary>
    /// One operation at a time: they share scratch memory, which <see cref="Dispose"/> must not free under one of them.
    /// </summary>
    /// <exception cref="ObjectDisposedException">The backend has been disposed.</exception>
    private Lock.Scope Use()
    {
        Lock.Scope scope = _use.EnterScope();
        if (_isDisposed)
        {
            scope.Dispose();
            throw new ObjectDisposedException(nameof(CpuBackend));
        }
        return scope;
    }
}
