using BenchmarkDotNet.Attributes;
using Llama4Kernels.Benchmarks.Roofline;
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

    /// <inheritdoc/>
    public override KernelWork Work(string method) => method switch
    {
        nameof(PatchUnfold) => new(0, (2.0 + 4) * Channels * Size * Size),
        nameof(ClassToken) => new(1.0 * Tokens * D, 12.0 * Tokens * D),
        // Scores and sums; the rotation of queries and keys.
        nameof(VisionAttention) => new((4.0 * Tokens * Tokens * D) + (6.0 * Tokens * D), 16.0 * Tokens * D),
        _ => new(0, 8.0 * Tokens * D),
    };

    [Benchmark]
    public void PatchUnfold() => Backend.UnfoldPatches(_pixels, 1, Channels, Size, Patch, _unfolded);

    [Benchmark]
    public void ClassToken() => Backend.AppendClassTokenAndPositions(_patches, _classToken, _positions, 1, _x);

    [Benchmark]
    public void VisionAttention() => Backend.VisionAttention(_qkv, 1, Heads, _angles, _attended);

    [Benchmark]
    public void PixelShuffle() => Backend.PixelShuffle(_x, 1, Grid, _merged);
}
