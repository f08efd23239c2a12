using BenchmarkDotNet.Attributes;
using Llama4Kernels.Benchmarks.Roofline;
using Llama4Kernels.Kernels.Contracts;
using Llama4Kernels.Kernels.Rope;

namespace Llama4Kernels.Benchmarks.Attention;

/// <summary>Attention of one text layer, H = 40, K = 8, d = 128: T new tokens after a cached context.</summary>
public class AttentionBenchmarks : BackendBenchmarks
{
    private const int BlockTokens = 64;

    private static readonly AttentionShape s_shape = new(40, 8, 128);

    private KvStep? _step;
    private int[] _table = [];
    private Tensor _qkv, _angles, _y;

    [Params(1, 512)]
    public int Tokens { get; set; }

    [Params(512, 8192)]
    public int Context { get; set; }

    [Params(KvFormat.F32, KvFormat.BF16)]
    public KvFormat Format { get; set; }

    [GlobalSetup]
    public void Setup()
    {
        KvLayout layout = Backend.LayoutOf(BlockTokens, 1, s_shape, Format);
        int blocks = layout.Blocks(Context + Tokens);
        DeviceMemory cache = Own(Backend.Allocate(blocks * layout.BlockBytes));
        _step = Own(Backend.CreateKvStep(layout, cache, 0, blocks));
        _table = [.. Enumerable.Range(0, blocks)];
        _qkv = Numbers(Tokens, s_shape.QkvColumns);
        _y = Zeros(Tokens, s_shape.QueryColumns);
        _angles = Zeros(Tokens, s_shape.HeadDim);
        Backend.RopeAngles(RopeFrequencies.Compute(s_shape.HeadDim, 500_000f), [.. Enumerable.Range(Context, Tokens)], _angles);
        // Fill the cache with the keys and values of the rows over and over, so that no score is trivial.
        for (int position = 0; position < Context + Tokens; position += Tokens)
        {
            Set(Math.Min(position, Context));
            RotateNormAppend();
        }
        Set(Context);
    }

    /// <inheritdoc/>
    public override KernelWork Work(string method)
    {
        double width = Format == KvFormat.BF16 ? sizeof(ushort) : sizeof(float), keys = Context + Tokens;
        return method switch
        {
            // Each query head's products with the keys and the values that its row sees.
            nameof(PagedAttention) => new(
                4.0 * s_shape.QueryColumns * Tokens * (Context + ((Tokens + 1) / 2.0)), (2 * width * keys * s_shape.KvHeads * s_shape.HeadDim) + (8.0 * Tokens * s_shape.QueryColumns)),
            _ => new(
                10.0 * Tokens * (s_shape.Heads + s_shape.KvHeads) * s_shape.HeadDim,
                Tokens * s_shape.HeadDim * ((sizeof(float) * (2.0 * s_shape.Heads + 3 * s_shape.KvHeads)) + (width * 2 * s_shape.KvHeads))),
        };
    }

    [Benchmark]
    public void PagedAttention() => Backend.Attention(_qkv, s_shape, _step!, 0, _y);

    /// <summary>Reads the heads of queries, keys and values, writes back those of queries and keys, and keys and values to the cache.</summary>
    [Benchmark]
    public void RotateNormAppend() => Backend.RotateNormAndAppend(_qkv, s_shape, _angles, 1e-5f, null, _step!, 0);

    private void Set(int position) => _step!.Set(Tokens, [new KvSegment(0, Tokens, position, 0)], _table);
}
