using System.Runtime.CompilerServices;
using Llama4Kernels.Kernels.Quantization;

namespace Llama4Kernels.Kernels.MatMul;

/// <summary>
/// Steps of a panel of <see cref="PackedMatrix"/> times up to <see cref="AssembledTile.MaxTokens"/> rows of x, <c>stride</c> bytes
/// apart, added to a tile [tokens, 32]: one method for each way to run it. Every output is one accumulator summed in ascending column
/// order from what the tile holds, whatever the number of tokens.
/// </summary>
internal static unsafe class PanelTiles
{
    private const int Rows = PackedMatrix.PanelRows, TokensAtOnce = 4;
    private const long TileStride = Rows * sizeof(float);

    /// <summary>float32 weights, assembled for AVX-512.</summary>
    public static void AssembledF32(byte* panel, byte* x, long stride, int tokens, int steps, float* tile) =>
        AssembledTiles.F32(tokens)(panel, x, stride, tile, TileStride, steps);

    /// <summary>bfloat16 weights, float32 activations, assembled for AVX-512.</summary>
    public static void AssembledBF16(byte* panel, byte* x, long stride, int tokens, int steps, float* tile) =>
        AssembledTiles.Widen(tokens)(panel, x, stride, tile, TileStride, steps);

    /// <summary>float32 weights, assembled for AVX2.</summary>
    public static void NarrowF32(byte* panel, byte* x, long stride, int tokens, int steps, float* tile) =>
        Narrow(&AssembledTiles.NarrowF32, sizeof(float), panel, x, stride, tokens, steps, tile);

    /// <summary>bfloat16 weights, float32 activations, assembled for AVX2.</summary>
    public static void NarrowBF16(byte* panel, byte* x, long stride, int tokens, int steps, float* tile) =>
        Narrow(&AssembledTiles.NarrowWiden, 2 * sizeof(float), panel, x, stride, tokens, steps, tile);

    /// <summary>float32 weights, vectors of some width or none.</summary>
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    public static void F32<TL, TF, TU>(byte* panel, byte* x, long stride, int tokens, int steps, float* tile)
        where TL : struct, IAffineLanes<TF, TU>
        where TF : unmanaged
        where TU : unmanaged => Vectors<TL, TF, TU, WholeWords>(panel, x, stride, tokens, steps, tile);

    /// <summary>bfloat16 weights, float32 activations, vectors of some width or none.</summary>
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    public static void BF16<TL, TF, TU>(byte* panel, byte* x, long stride, int tokens, int steps, float* tile)
        where TL : struct, IAffineLanes<TF, TU>
        where TF : unmanaged
        where TU : unmanaged => Vectors<TL, TF, TU, HalfWords>(panel, x, stride, tokens, steps, tile);

    /// <summary>Tiles of equal height; those that take half a panel at a time take a chunk of its steps, which both halves find in the cache.</summary>
    private static void Narrow(
        delegate*<int, delegate* unmanaged<byte*, byte*, long, float*, long, void>> tiles, int stepBytes, byte* panel, byte* x, long stride, int tokens, int steps, float* tile)
    {
        int pieces = (tokens + NarrowTile.MaxTokens - 1) / NarrowTile.MaxTokens, height = (tokens + pieces - 1) / pieces;
        int chunk = height > NarrowTile.WholeTokens ? NarrowTile.ChunkSteps : steps;
        for (int first = 0; first < steps; first += chunk, panel += (long)chunk * NarrowTile.StepBytes, x += chunk * stepBytes)
        {
            int count = Math.Min(chunk, steps - first);
            for (int t = 0; t < tokens; t += height)
            {
                int rows = Math.Min(height, tokens - t);
                int width = rows > NarrowTile.WholeTokens ? Rows / 2 : Rows;
                for (int lane = 0; lane < Rows; lane += width)
                {
                    tiles(rows)(panel + lane * sizeof(float), x + t * stride, stride, tile + t * Rows + lane, count);
                }
            }
        }
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static void Vectors<TL, TF, TU, TNumbers>(byte* panel, byte* x, long stride, int tokens, int steps, float* tile)
        where TL : struct, IAffineLanes<TF, TU>
        where TF : unmanaged
        where TU : unmanaged
        where TNumbers : struct, IPanelNumbers
    {
        int t = 0;
        // Three are worth a tile of four: the missing one repeats the first and is not stored.
        for (; t < tokens - 2; t += TokensAtOnce)
        {
            for (int lane = 0; lane < Rows; lane += 2 * TL.Count)
            {
                Four<TL, TF, TU, TNumbers>((uint*)panel + lane, x + t * stride, stride, tokens - t, steps, tile + t * Rows + lane);
            }
        }
        for (; t < tokens; t++)
        {
            for (int lane = 0; lane < Rows; lane += 2 * TL.Count)
            {
                One<TL, TF, TU, TNumbers>((uint*)panel + lane, (float*)(x + t * stride), steps, tile + t * Rows + lane);
            }
        }
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static void Four<TL, TF, TU, TNumbers>(uint* weights, byte* x, long stride, int tokens, int steps, float* tile)
        where TL : struct, IAffineLanes<TF, TU>
        where TF : unmanaged
        where TU : unmanaged
        where TNumbers : struct, IPanelNumbers
    {
        var dots = new FourDots<TL, TF, TU>((float*)x, (float*)(x + stride), (float*)(x + 2 * stride), (float*)(tokens < TokensAtOnce ? x : x + 3 * stride));
        dots.Begin(tile, Rows, tokens);
        for (int s = 0; s < steps; s++, weights += Rows)
        {
            TNumbers.Step<TL, TF, TU, FourDots<TL, TF, TU>>(weights, s, ref dots);
        }
        dots.End(tile, Rows, tokens);
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static void One<TL, TF, TU, TNumbers>(uint* weights, float* x, int steps, float* tile)
        where TL : struct, IAffineLanes<TF, TU>
        where TF : unmanaged
        where TU : unmanaged
        where TNumbers : struct, IPanelNumbers
    {
        var dot = new DotSink<TL, TF, TU>(x) { First = TL.Load(tile), Second = TL.Load(tile + TL.Count) };
        for (int s = 0; s < steps; s++, weights += Rows)
        {
            TNumbers.Step<TL, TF, TU, DotSink<TL, TF, TU>>(weights, s, ref dot);
        }
        TL.Store(dot.First, tile);
        TL.Store(dot.Second, tile + TL.Count);
    }
}
