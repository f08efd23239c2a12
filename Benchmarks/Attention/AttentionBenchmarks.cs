using BenchmarkDotNet.Attributes;
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

    /// <summary>
    /// 4·H·d FLOPs per row and key it sees: 4·H·d·(T·C + T·(T+1)/2). Keys and values are read once per tile of 12 tokens, 8 kB
    /// per key in float32 and 4 kB in bf16. T = 1, C = 8192: 168 MFLOP and 67 or 34 MB. T = 512, C = 8192: 89 GFLOP, 43 tiles.
    /// </summary>
    [Benchmark]
    public void PagedAttention() => Backend.Attention(_qkv, s_shape, _step!, 0, _y);

    /// <summary>
    /// About 10·T·(H+K)·d FLOPs. Reads T·(H+2K)·d floats, writes the H+K heads of q and k back and 2K heads to the cache: for one
    /// token 61 kFLOP and 61 kB in float32 or 57 kB in bf16; for 512 tokens 512 times that.
    /// </summary>
    [Benchmark]
    public void RotateNormAppend() => Backend.RotateNormAndAppend(_qkv, s_shape, _angles, 1e-5f, null, _step!, 0);

    private void Set(int position) => _step!.Set(Tokens, [new KvSegment(0, Tokens, position, 0)], _table);
}
