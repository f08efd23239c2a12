using Llama4Kernels.Kernels.Backends;
using Llama4Kernels.Kernels.Contracts;
using Llama4Kernels.Kernels.Sampling;

namespace Llama4Kernels.Tests.Engine.Scheduling;

/// <summary>What a <see cref="FailingBackend"/> throws.</summary>
internal sealed class InjectedFaultException(string operation) : Exception($"{operation} failed because the test wants it to.")
{
    public string Operation => operation;
}

/// <summary>A backend that counts what is asked of it, when a model is loaded and in steps, and fails at one of them.</summary>
internal sealed class FailingBackend(IBackend inner) : IBackend
{
    private int _left = int.MaxValue;

    private readonly List<IMatrix> _packed = [];

    /// <summary>Every matrix that was packed.</summary>
    public IReadOnlyList<IMatrix> Packed => _packed;

    /// <summary>Whether it was disposed.</summary>
    public bool IsDisposed { get; private set; }

    /// <summary>Called before each operation of a step.</summary>
    public Action<string>? OnOperation { get; set; }

    /// <summary>Pieces of memory that were allocated and not freed.</summary>
    public int LiveMemory { get; private set; }

    public string Name => inner.Name;

    public string Description => inner.Description;

    public StepSizes Steps => inner.Steps;

    public ActivationPrecision Activations => inner.Activations;

    public long CacheBytes => inner.CacheBytes;

    /// <summary>Fails at the operation after so many; forgets it when that has happened.</summary>
    public void FailAfter(int operations) => _left = operations;

    public void Disarm() => _left = int.MaxValue;

    public DeviceMemory Allocate(long bytes)
    {
        Count(nameof(Allocate));
        var memory = new CountedMemory(inner.Allocate(bytes), this);
        LiveMemory++;
        return memory;
    }

    public void Upload(ReadOnlySpan<float> source, Tensor destination)
    {
        Count(nameof(Upload));
        inner.Upload(source, destination);
    }

    public void Download(Tensor source, Span<float> destination)
    {
        Count(nameof(Download));
        inner.Download(source, destination);
    }

    public void Copy(Tensor x, Tensor destination)
    {
        Count(nameof(Copy));
        inner.Copy(x, destination);
    }

    public bool TryArgMax(Tensor x, Span<int> ids)
    {
        Count(nameof(TryArgMax));
        return inner.TryArgMax(x, ids);
    }

    public bool TryDraw(Tensor x, ReadOnlySpan<DrawRule> rules, Span<int> ids)
    {
        Count(nameof(TryDraw));
        return inner.TryDraw(x, rules, ids);
    }

    public IMatrix Pack(ReadOnlySpan<MatrixSource> stacked, WeightFormat? format = null)
    {
        Count(nameof(Pack));
        IMatrix packed = inner.Pack(stacked, format);
        _packed.Add(packed);
        return packed;
    }

    public IMatrix[] PackStack(int count, Func<int, (MatrixSource[] Sources, WeightFormat? Format)> matrix)
    {
        IMatrix[] packed = inner.PackStack(count, i =>
        {
            Count(nameof(Pack));
            return matrix(i);
        });
        _packed.AddRange(packed);
        return packed;
    }

    public void BeginStep(int rows, bool repeats, int? used = null)
    {
        Count(nameof(BeginStep));
        inner.BeginStep(rows, repeats, used);
    }

    public void EndStep()
    {
        Count(nameof(EndStep));
        inner.EndStep();
    }

    public void AbandonStep() => inner.AbandonStep();

    public IEmbedding CreateEmbedding(MatrixSource table)
    {
        Count(nameof(CreateEmbedding));
        return inner.CreateEmbedding(table);
    }

    public KvLayout LayoutOf(int blockTokens, int layers, AttentionShape shape, KvFormat format) => inner.LayoutOf(blockTokens, layers, shape, format);

    public KvStep CreateKvStep(KvLayout layout, DeviceMemory memory, long offset, int count) => inner.CreateKvStep(layout, memory, offset, count);

    public void CopyBlock(KvStep cache, int source, int destination)
    {
        Count(nameof(CopyBlock));
        inner.CopyBlock(cache, source, destination);
    }

    public Routing CreateRouting(int maxRows, int experts, int topK) => inner.CreateRouting(maxRows, experts, topK);

    public void Embed(IEmbedding table, ReadOnlySpan<int> ids, Tensor output)
    {
        Count(nameof(Embed));
        inner.Embed(table, ids, output);
    }

    public void RmsNorm(Tensor x, Tensor weight, float eps, Tensor output)
    {
        Count(nameof(RmsNorm));
        inner.RmsNorm(x, weight, eps, output);
    }

    public void Linear(Tensor x, IMatrix weight, Tensor? bias, Tensor y)
    {
        Count(nameof(Linear));
        inner.Linear(x, weight, bias, y);
    }

    public void Add(Tensor x, Tensor destination)
    {
        Count(nameof(Add));
        inner.Add(x, destination);
    }

    public void SwiGlu(Tensor gateUp, Tensor output)
    {
        Count(nameof(SwiGlu));
        inner.SwiGlu(gateUp, output);
    }

    public void RopeAngles(ReadOnlySpan<float> frequencies, ReadOnlySpan<int> positions, Tensor output)
    {
        Count(nameof(RopeAngles));
        inner.RopeAngles(frequencies, positions, output);
    }

    public void QueryScales(ReadOnlySpan<int> positions, float attnScale, float floorScale, Tensor output)
    {
        Count(nameof(QueryScales));
        inner.QueryScales(positions, attnScale, floorScale, output);
    }

    public void RotateNormAndAppend(Tensor qkv, AttentionShape shape, Tensor? angles, float? qkNormEps, Tensor? queryScales, KvStep cache, int layer)
    {
        Count(nameof(RotateNormAndAppend));
        inner.RotateNormAndAppend(qkv, shape, angles, qkNormEps, queryScales, cache, layer);
    }

    public void Attention(Tensor qkv, AttentionShape shape, KvStep cache, int layer, Tensor output)
    {
        Count(nameof(Attention));
        inner.Attention(qkv, shape, cache, layer, output);
    }

    public void RouteTopK(Tensor routerLogits, Routing routing)
    {
        Count(nameof(RouteTopK));
        inner.RouteTopK(routerLogits, routing);
    }

    public void ExpertFeedForward(Tensor x, Routing routing, ReadOnlySpan<ExpertWeights> experts, Tensor output)
    {
        Count(nameof(ExpertFeedForward));
        inner.ExpertFeedForward(x, routing, experts, output);
    }

    public void LayerNorm(Tensor x, Tensor weight, Tensor bias, float eps, Tensor output)
    {
        Count(nameof(LayerNorm));
        inner.LayerNorm(x, weight, bias, eps, output);
    }

    public void Gelu(Tensor x)
    {
        Count(nameof(Gelu));
        inner.Gelu(x);
    }

    public void UnfoldPatches(ReadOnlySpan<ushort> pixels, int tiles, int channels, int size, int patch, Tensor output)
    {
        Count(nameof(UnfoldPatches));
        inner.UnfoldPatches(pixels, tiles, channels, size, patch, output);
    }

    public void AppendClassTokenAndPositions(Tensor patches, Tensor classToken, Tensor positions, int tiles, Tensor x)
    {
        Count(nameof(AppendClassTokenAndPositions));
        inner.AppendClassTokenAndPositions(patches, classToken, positions, tiles, x);
    }

    public void VisionAttention(Tensor qkv, int tiles, int heads, Tensor angles, Tensor output)
    {
        Count(nameof(VisionAttention));
        inner.VisionAttention(qkv, tiles, heads, angles, output);
    }

    public void PixelShuffle(Tensor x, int tiles, int grid, Tensor output)
    {
        Count(nameof(PixelShuffle));
        inner.PixelShuffle(x, tiles, grid, output);
    }

    public void Dispose()
    {
        IsDisposed = true;
        inner.Dispose();
    }

    private sealed class CountedMemory(DeviceMemory inner, FailingBackend backend) : DeviceMemory
    {
        private bool _disposed;

        public override nint Address => inner.Address;

        public override MemoryPlace Place => inner.Place;

        public override long Length => inner.Length;

        public override void Dispose()
        {
            backend.LiveMemory -= _disposed ? 0 : 1;
            _disposed = true;
            inner.Dispose();
        }
    }

    private void Count(string operation)
    {
        OnOperation?.Invoke(operation);
        if (_left != int.MaxValue && _left-- == 0)
        {
            Disarm();
            throw new InjectedFaultException(operation);
        }
    }
}
