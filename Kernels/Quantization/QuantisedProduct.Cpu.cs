using System.Runtime.CompilerServices;
using System.Runtime.Intrinsics;
using System.Runtime.Intrinsics.X86;
using Llama4Kernels.Kernels.Contracts;
using Llama4Kernels.Kernels.MatMul;
using Llama4Kernels.Kernels.Numerics;
using Llama4Kernels.Kernels.Threading;

namespace Llama4Kernels.Kernels.Quantization;

internal static unsafe partial class QuantisedProduct
{
    private const int TileTokens = 4;

    private const int HeaderBytes = PackedMatrix.PanelRows * sizeof(float);

    internal const float Exponent120 = 1.3292279957849159e36f; // 2¹²⁰

    private static void Run(CpuWorkspace workspace, in CpuOperands o, delegate*<byte*, float*, int, int, int, float*, void> block)
    {
        var w = (PackedMatrix)o.Weights;
        float* x = o.X, scales = null;
        if (w.Format.QuantisesActivations)
        {
            long values = (long)o.Tokens * w.Columns;
            float* rounded = (float*)workspace.Operand.Require((values + o.Tokens) * sizeof(float));
            scales = rounded + values;
            workspace.Team.Run(o.Tokens, new RoundJob(x, w.Columns, rounded, scales));
            x = rounded;
        }
        workspace.Team.Run(w.Panels, new PanelJob(w.Panel(0), w.BlockBytes, w.Blocks, w.Steps, w.Rows, w.Columns, block, x, scales, o.Tokens, o.Bias, o.Y));
        GC.KeepAlive(w);
    }

    /// <summary>The values of 16 E4M3 codes. The bits are those of a float32 whose exponent is 120 too small.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    internal static Vector512<float> DecodeFp8(Vector512<uint> codes)
    {
        Vector512<uint> magnitude = codes & Vector512.Create(0x7fu);
        Vector512<float> value = (magnitude << 20).AsSingle() * Vector512.Create(Exponent120);
        value = Vector512.ConditionalSelect(Vector512.Equals(magnitude, Vector512.Create(0x7fu)).AsSingle(), Vector512.Create(float.NaN), value);
        return (value.AsUInt32() | ((codes & Vector512.Create(0x80u)) << 24)).AsSingle();
    }

    /// <summary>16 bytes as numbers.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    internal static Vector512<uint> Widen(byte* from)
    {
        Vector128<byte> bytes = Vector128.Load(from);
        if (Avx512F.IsSupported)
        {
            return Avx512F.ConvertToVector512UInt32(bytes);
        }
        (Vector128<ushort> lower, Vector128<ushort> upper) = Vector128.Widen(bytes);
        (Vector256<uint> low, Vector256<uint> high) = Vector256.Widen(Vector256.Create(lower, upper));
        return Vector512.Create(low, high);
    }

    /// <summary>One item: a row of x becomes the values of its codes, and its scale.</summary>
    internal readonly struct RoundJob(float* x, int columns, float* rounded, float* scales) : ITeamJob
    {
        public void Execute(int item, int worker)
        {
            var from = new ReadOnlySpan<float>(x + (long)item * columns, columns);
            float* to = rounded + (long)item * columns;
            float scale = Quantiser.Fp8Scale(MathF.Min(Quantiser.MaxAbsolute(from), Quantiser.ActivationBound));
            scales[item] = scale;
            int c = 0;
            for (; c <= columns - Vector512<float>.Count; c += Vector512<float>.Count)
            {
                DecodeFp8(Fp8.FromSingle(Vector512.Create<float>(from[c..]) / Vector512.Create(scale))).Store(to + c);
            }
            for (; c < columns; c++)
            {
                to[c] = Fp8.ToSingle(Fp8.FromSingle(from[c] / scale));
            }
        }
    }

    /// <summary>One item: a panel times all tokens.</summary>
    private readonly struct PanelJob(
        byte* data, long blockBytes, int blocks, int steps, int rows, int columns, delegate*<byte*, float*, int, int, int, float*, void> run, float* x, float* scales, int tokens, float* bias, float* y) : ITeamJob
    {
        [SkipLocalsInit]
        public void Execute(int item, int worker)
        {
            float* tile = stackalloc float[TileTokens * PackedMatrix.PanelRows];
            byte* panel = data + item * blockBytes * blocks;
            int column = item * PackedMatrix.PanelRows;
            int width = Math.Min(PackedMatrix.PanelRows, rows - column);
            for (int first = 0; first < tokens; first += TileTokens)
            {
                int count = Math.Min(TileTokens, tokens - first);
                new Span<float>(tile, TileTokens * PackedMatrix.PanelRows).Clear();
                for (int b = 0; b < blocks; b++)
                {
                    run(panel + b * blockBytes, x + (long)first * columns + b * (columns / blocks), count, columns, steps, tile);
                }
                for (int t = 0; t < count; t++)
                {
                    float* to = y + (long)(first + t) * rows + column;
                    for (int i = 0; i < width; i++)
                    {
                        float sum = tile[t * PackedMatrix.PanelRows + i];
                        sum = scales == null ? sum : sum * scales[first + t];
                        to[i] = bias == null ? sum : sum + bias[column + i];
                    }
                }
            }
        }
    }

    // A block times up to four tokens, columns floats apart, is added to a tile [4, 32].
    private static void VectorInt4(byte* block, float* x, int count, int columns, int steps, float* tile)
    {
        HalfInt4(block, x, count, columns, steps, tile, 0);
        HalfInt4(block, x, count, columns, steps, tile, 16);
    }

    private static void VectorFp8(byte* block, float* x, int count, int columns, int steps, float* tile)
    {
        HalfFp8(block, x, count, columns, steps, tile, 0);
        HalfFp8(block, x, count, columns, steps, tile, 16);
    }

    /// <summary>16 rows of a block; a missing token repeats the first and is not stored.</summary>
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    private static void HalfInt4(byte* block, float* from, int count, int columns, int steps, float* tile, int lane)
    {
        float* x1 = count > 1 ? from + columns : from, x2 = count > 2 ? from + 2L * columns : from, x3 = count > 3 ? from + 3L * columns : from;
        Vector512<float> s0 = default, s1 = default, s2 = default, s3 = default;
        byte* codes = block + HeaderBytes + lane;
        for (int s = 0; s < steps; s++, codes += PackedMatrix.PanelRows)
        {
            Vector512<int> pair = Widen(codes).AsInt32();
            Vector512<float> even = Vector512.ConvertToSingle((pair << 28) >> 28), odd = Vector512.ConvertToSingle((pair << 24) >> 28);
            s0 = Vector512.FusedMultiplyAdd(odd, Vector512.Create(from[2 * s + 1]), Vector512.FusedMultiplyAdd(even, Vector512.Create(from[2 * s]), s0));
            s1 = Vector512.FusedMultiplyAdd(odd, Vector512.Create(x1[2 * s + 1]), Vector512.FusedMultiplyAdd(even, Vector512.Create(x1[2 * s]), s1));
            s2 = Vector512.FusedMultiplyAdd(odd, Vector512.Create(x2[2 * s + 1]), Vector512.FusedMultiplyAdd(even, Vector512.Create(x2[2 * s]), s2));
            s3 = Vector512.FusedMultiplyAdd(odd, Vector512.Create(x3[2 * s + 1]), Vector512.FusedMultiplyAdd(even, Vector512.Create(x3[2 * s]), s3));
        }
        Add(s0, s1, s2, s3, Vector512.Load((float*)block + lane), tile + lane);
    }

    /// <summary>As <see cref="HalfInt4"/>.</summary>
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    private static void HalfFp8(byte* block, float* from, int count, int columns, int steps, float* tile, int lane)
    {
        float* x1 = count > 1 ? from + columns : from, x2 = count > 2 ? from + 2L * columns : from, x3 = count > 3 ? from + 3L * columns : from;
        Vector512<float> s0 = default, s1 = default, s2 = default, s3 = default;
        byte* codes = block + HeaderBytes + lane;
        for (int s = 0; s < steps; s++, codes += PackedMatrix.PanelRows)
        {
            Vector512<float> value = DecodeFp8(Widen(codes));
            s0 = Vector512.FusedMultiplyAdd(value, Vector512.Create(from[s]), s0);
            s1 = Vector512.FusedMultiplyAdd(value, Vector512.Create(x1[s]), s1);
            s2 = Vector512.FusedMultiplyAdd(value, Vector512.Create(x2[s]), s2);
            s3 = Vector512.FusedMultiplyAdd(value, Vector512.Create(x3[s]), s3);
        }
        Add(s0, s1, s2, s3, Vector512.Load((float*)block + lane), tile + lane);
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static void Add(Vector512<float> s0, Vector512<float> s1, Vector512<float> s2, Vector512<float> s3, Vector512<float> scale, float* to)
    {
        Vector512.FusedMultiplyAdd(s0, scale, Vector512.Load(to)).Store(to);
        Vector512.FusedMultiplyAdd(s1, scale, Vector512.Load(to + PackedMatrix.PanelRows)).Store(to + PackedMatrix.PanelRows);
        Vector512.FusedMultiplyAdd(s2, scale, Vector512.Load(to + 2 * PackedMatrix.PanelRows)).Store(to + 2 * PackedMatrix.PanelRows);
        Vector512.FusedMultiplyAdd(s3, scale, Vector512.Load(to + 3 * PackedMatrix.PanelRows)).Store(to + 3 * PackedMatrix.PanelRows);
    }

    private static void ScalarInt4(byte* block, float* x, int count, int columns, int steps, float* tile)
    {
        for (int t = 0; t < count; t++, x += columns, tile += PackedMatrix.PanelRows)
        {
            for (int lane = 0; lane < PackedMatrix.PanelRows; lane++)
            {
                byte* code = block + HeaderBytes + lane;
                float sum = 0;
                for (int s = 0; s < steps; s++, code += PackedMatrix.PanelRows)
                {
                    sum = MathF.FusedMultiplyAdd((sbyte)(*code << 4) >> 4, x[2 * s], sum);
                    sum = MathF.FusedMultiplyAdd((sbyte)*code >> 4, x[2 * s + 1], sum);
                }
                tile[lane] = MathF.FusedMultiplyAdd(sum, ((float*)block)[lane], tile[lane]);
            }
        }
    }

    private static void ScalarFp8(byte* block, float* x, int count, int columns, int steps, float* tile)
    {
        for (int t = 0; t < count; t++, x += columns, tile += PackedMatrix.PanelRows)
        {
            for (int lane = 0; lane < PackedMatrix.PanelRows; lane++)
            {
                byte* code = block + HeaderBytes + lane;
                float sum = 0;
                for (int s = 0; s < steps; s++, code += PackedMatrix.PanelRows)
                {
                    sum = MathF.FusedMultiplyAdd(Fp8.ToSingle(*code), x[s], sum);
                }
                tile[lane] = MathF.FusedMultiplyAdd(sum, ((float*)block)[lane], tile[lane]);
            }
        }
    }
}
