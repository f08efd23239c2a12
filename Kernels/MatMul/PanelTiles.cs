using System.Runtime.CompilerServices;
using System.Runtime.Intrinsics;
using Llama4Kernels.Kernels.Numerics;

namespace Llama4Kernels.Kernels.MatMul;

/// <summary>
/// A panel of <see cref="PackedMatrix"/> times up to <see cref="AssembledTile.MaxTokens"/> rows of x, <c>stride</c> bytes apart,
/// into a tile [tokens, 32]: one method for each way to run it. Every output is one accumulator summed in ascending column
/// order, whatever the number of tokens.
/// </summary>
internal static unsafe class PanelTiles
{
    private const int Rows = PackedMatrix.PanelRows;
    private const long TileStride = Rows * sizeof(float);
    private const int StepBytes = 128;

    /// <summary>float32 weights, assembled.</summary>
    public static void AssembledF32(byte* panel, byte* x, long stride, int tokens, int steps, float* tile) =>
        AssembledTiles.F32(tokens)(panel, x, stride, tile, TileStride, steps);

    /// <summary>bfloat16 weights, float32 activations, assembled.</summary>
    public static void AssembledBF16(byte* panel, byte* x, long stride, int tokens, int steps, float* tile) =>
        AssembledTiles.Widen(tokens)(panel, x, stride, tile, TileStride, steps);

    /// <summary>float32 weights, vectors of 512 bits.</summary>
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    public static void Vector512F32(byte* panel, byte* x, long stride, int tokens, int steps, float* tile)
    {
        for (int t = 0; t < tokens; t++, x += stride, tile += Rows)
        {
            float* row = (float*)x;
            byte* weights = panel;
            Vector512<float> a = default, b = default;
            for (int s = 0; s < steps; s++, weights += StepBytes)
            {
                Vector512<float> x0 = Vector512.Create(row[s]);
                a = Vector512.FusedMultiplyAdd(Vector512.Load((float*)weights), x0, a);
                b = Vector512.FusedMultiplyAdd(Vector512.Load((float*)weights + 16), x0, b);
            }
            a.Store(tile);
            b.Store(tile + 16);
        }
    }

    /// <summary>bfloat16 weights, vectors of 512 bits.</summary>
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    public static void Vector512BF16(byte* panel, byte* x, long stride, int tokens, int steps, float* tile)
    {
        Vector512<uint> high = Vector512.Create(0xffff0000u);
        for (int t = 0; t < tokens; t++, x += stride, tile += Rows)
        {
            float* row = (float*)x;
            byte* weights = panel;
            Vector512<float> a = default, b = default;
            for (int s = 0; s < steps; s++, weights += StepBytes)
            {
                Vector512<uint> v = Vector512.Load((uint*)weights), u = Vector512.Load((uint*)weights + 16);
                Vector512<float> x0 = Vector512.Create(row[2 * s]), x1 = Vector512.Create(row[2 * s + 1]);
                a = Vector512.FusedMultiplyAdd((v << 16).AsSingle(), x0, a);
                b = Vector512.FusedMultiplyAdd((u << 16).AsSingle(), x0, b);
                a = Vector512.FusedMultiplyAdd((v & high).AsSingle(), x1, a);
                b = Vector512.FusedMultiplyAdd((u & high).AsSingle(), x1, b);
            }
            a.Store(tile);
            b.Store(tile + 16);
        }
    }

    /// <summary>float32 weights, vectors of 256 bits.</summary>
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    public static void Vector256F32(byte* panel, byte* x, long stride, int tokens, int steps, float* tile)
    {
        for (int t = 0; t < tokens; t++, x += stride, tile += Rows)
        {
            float* row = (float*)x;
            float* at = (float*)panel;
            Vector256<float> a = default, b = default, c = default, d = default;
            for (int s = 0; s < steps; s++, at += Rows)
            {
                Vector256<float> x0 = Vector256.Create(row[s]);
                a = Vector256.FusedMultiplyAdd(Vector256.Load(at), x0, a);
                b = Vector256.FusedMultiplyAdd(Vector256.Load(at + 8), x0, b);
                c = Vector256.FusedMultiplyAdd(Vector256.Load(at + 16), x0, c);
                d = Vector256.FusedMultiplyAdd(Vector256.Load(at + 24), x0, d);
            }
            a.Store(tile);
            b.Store(tile + 8);
            c.Store(tile + 16);
            d.Store(tile + 24);
        }
    }

    /// <summary>bfloat16 weights, vectors of 256 bits.</summary>
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    public static void Vector256BF16(byte* panel, byte* x, long stride, int tokens, int steps, float* tile)
    {
        Vector256<uint> high = Vector256.Create(0xffff0000u);
        for (int t = 0; t < tokens; t++, x += stride, tile += Rows)
        {
            float* row = (float*)x;
            uint* at = (uint*)panel;
            Vector256<float> a = default, b = default, c = default, d = default;
            for (int s = 0; s < steps; s++, at += Rows)
            {
                Vector256<uint> v = Vector256.Load(at), u = Vector256.Load(at + 8), p = Vector256.Load(at + 16), q = Vector256.Load(at + 24);
                Vector256<float> x0 = Vector256.Create(row[2 * s]), x1 = Vector256.Create(row[2 * s + 1]);
                a = Vector256.FusedMultiplyAdd((v << 16).AsSingle(), x0, a);
                b = Vector256.FusedMultiplyAdd((u << 16).AsSingle(), x0, b);
                c = Vector256.FusedMultiplyAdd((p << 16).AsSingle(), x0, c);
                d = Vector256.FusedMultiplyAdd((q << 16).AsSingle(), x0, d);
                a = Vector256.FusedMultiplyAdd((v & high).AsSingle(), x1, a);
                b = Vector256.FusedMultiplyAdd((u & high).AsSingle(), x1, b);
                c = Vector256.FusedMultiplyAdd((p & high).AsSingle(), x1, c);
                d = Vector256.FusedMultiplyAdd((q & high).AsSingle(), x1, d);
            }
            a.Store(tile);
            b.Store(tile + 8);
            c.Store(tile + 16);
            d.Store(tile + 24);
        }
    }

    /// <summary>float32 weights, no vectors.</summary>
    public static void ScalarF32(byte* panel, byte* x, long stride, int tokens, int steps, float* tile)
    {
        new Span<float>(tile, tokens * Rows).Clear();
        for (int t = 0; t < tokens; t++, x += stride, tile += Rows)
        {
            float* weights = (float*)panel;
            for (int s = 0; s < steps; s++, weights += Rows)
            {
                for (int lane = 0; lane < Rows; lane++)
                {
                    tile[lane] = MathF.FusedMultiplyAdd(weights[lane], ((float*)x)[s], tile[lane]);
                }
            }
        }
    }

    /// <summary>bfloat16 weights, no vectors.</summary>
    public static void ScalarBF16(byte* panel, byte* x, long stride, int tokens, int steps, float* tile)
    {
        new Span<float>(tile, tokens * Rows).Clear();
        for (int t = 0; t < tokens; t++, x += stride, tile += Rows)
        {
            uint* weights = (uint*)panel;
            for (int s = 0; s < steps; s++, weights += Rows)
            {
                for (int lane = 0; lane < Rows; lane++)
                {
                    uint pair = weights[lane];
                    tile[lane] = MathF.FusedMultiplyAdd(Bf16.ToSingle((ushort)pair), ((float*)x)[2 * s], tile[lane]);
                    tile[lane] = MathF.FusedMultiplyAdd(Bf16.ToSingle((ushort)(pair >> 16)), ((float*)x)[2 * s + 1], tile[lane]);
                }
            }
        }
    }
}
