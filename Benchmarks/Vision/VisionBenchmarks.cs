using BenchmarkDotNet.Attributes;
using Llama4Kernels.Kernels.Contracts;
using Llama4Kernels.Kernels.Vision;

namespace Llama4Kernels.Benchmarks.Vision;

/// <summary>Operations of the vision tower on one tile: 336 × 336 pixels, 24 × 24 patches and a class token, 16 heads of 88.</summary>
public class VisionBenchmarks : BackendBenchmarks
{
    private const int Channels = 3, Size = 336, Patch = 14, Grid = Size / Patch, Tokens = Grid * Grid + 1;
    private const int Heads = 16, HeadDim = 88, D = Heads * HeadDim;

    private ushort[] _pixels = [];
    private Tensor _unfolded, _patches, _classToken, _positions, _x, _qkv, _angles, _attended, _merged;

    [GlobalSetup]
    public void Setup()
    {
        _pixels = Bf16Numbers(Channels * Size * Size);
        _unfolded = Zeros(Grid * Grid, Channels * Patch * Patch);
        _patches = Numbers(Grid * Grid, D);
        _classToken = Numbers(1, D);
        _positions = Numbers(Tokens, D);
        _x = Numbers(Tokens, D);
        _qkv = Numbers(Tokens, 3 * D);
        _angles = Zeros(Tokens, HeadDim);
        Backend.Upload(VisionRope.Angles(Grid, HeadDim, 10_000f), _angles);
        _attended = Zeros(Tokens, D);
        _merged = Zeros(Grid * Grid / 4, 4 * D);
    }

    /// <summary>No FLOPs; 0.7 MB read, 1.4 MB written.</summary>
    [Benchmark]
    public void PatchUnfold() => Backend.UnfoldPatches(_pixels, 1, Channels, Size, Patch, _unfolded);

    /// <summary>T·D = 0.8 MFLOP; 12·T·D = 9.7 MB.</summary>
    [Benchmark]
    public void ClassToken() => Backend.AppendClassTokenAndPositions(_patches, _classToken, _positions, 1, _x);

    /// <summary>
    /// 4·T²·D = 1.9 GFLOP, and 6·T·D = 5 MFLOP to rotate q and k. The projections are 9.7 MB and the output is 3.2 MB; keys and
    /// values, 6.5 MB, are read once per tile of 64 queries, ten times.
    /// </summary>
    [Benchmark]
    public void VisionAttention() => Backend.VisionAttention(_qkv, 1, Heads, _angles, _attended);

    /// <summary>No FLOPs; 3.2 MB read, 3.2 MB written.</summary>
    [Benchmark]
    public void PixelShuffle() => Backend.PixelShuffle(_x, 1, Grid, _merged);
}
