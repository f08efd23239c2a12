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
    /// <summary>Tokens that share decoded weights.</summary>
    private const int BlockTokens = 8 * AssembledTile.MaxTokens;

    /// <summary>Columns that are decoded at once: 16 KiB of float32, which stay in the first-level cache.</summary>
    private const int SliceColumns = 128;

    /// <summary>Bytes between what is read and what is prefetched: two pages.</summary>
    private const int FarBytes = 8192;

    private const int Rows = PackedMatrix.PanelRows, HeaderBytes = Rows * sizeof(float);

    internal const float Exponent120 = 1.3292279957849159e36f; // 2¹²⁰

    private static void Run<TL, TF, TU, TCodes>(CpuWorkspace workspace, in CpuOperands o, delegate*<byte*, byte*, long, int, int, float*, void> tile)
        where TL : struct, IAffineLanes<TF, TU>
        where TF : unmanaged
        where TU : unmanaged
        where TCodes : unmanaged, IPanelCodes
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
        workspace.Team.Run(w.Panels, new PanelJob<TL, TF, TU, TCodes>(w.Panel(0), w.BlockBytes, w.Blocks, w.Rows, w.Columns, tile, x, scales, o.Tokens, o.Bias, o.Y));
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

    /// <summary>
    /// One item: a panel times all tokens. One token meets weights in registers, up to four too; more share a slice of columns that is
    /// decoded once and multiplied by the tiles of float32 weights.
    /// </summary>
    private readonly struct PanelJob<TL, TF, TU, TCodes>(
        byte* data, long blockBytes, int blocks, int outputs, int columns, delegate*<byte*, byte*, long, int, int, float*, void> run, float* x, float* scales, int tokens, float* bias, float* y) : ITeamJob
        where TL : struct, IAffineLanes<TF, TU>
        where TF : unmanaged
        where TU : unmanaged
        where TCodes : unmanaged, IPanelCodes
    {
        private readonly int _inBlock = columns / blocks;

        [SkipLocalsInit]
        public void Execute(int item, int worker)
        {
            byte* memory = stackalloc byte[(2 * BlockTokens + SliceColumns) * Rows * sizeof(float) + 64];
            // Assembled tiles want lines of decoded weights.
            float* slice = (float*)(((nint)memory + 63) & -64), sums = slice + SliceColumns * Rows, totals = sums + BlockTokens * Rows;
            byte* panel = data + item * blockBytes * blocks;
            for (int first = 0; first < tokens; first += BlockTokens)
            {
                int count = Math.Min(BlockTokens, tokens - first);
                new Span<float>(totals, count * Rows).Clear();
                for (int b = 0; b < blocks; b++)
                {
                    byte* block = panel + b * blockBytes;
                    new Span<float>(sums, count * Rows).Clear();
                    Multiply(block + HeaderBytes, x + (long)first * columns + b * _inBlock, count, slice, sums);
                    Scale(sums, count, (float*)block, totals);
                }
                Store(totals, first, count, item * Rows);
            }
        }

        /// <summary>Codes of a block times some tokens are added to sums.</summary>
        private void Multiply(byte* codes, float* from, int count, float* slice, float* sums)
        {
            for (int column = 0; column < _inBlock; column += SliceColumns, codes += SliceColumns / TCodes.Columns * Rows, from += SliceColumns)
            {
                int width = Math.Min(SliceColumns, _inBlock - column), steps = width / TCodes.Columns;
                // The processor's own prefetching begins anew with every page.
                new Lookahead((nint)codes + FarBytes, 4, false).Ask(0, steps * Rows, 0, 1, 1);
                bool areFinite = TCodes.AreFinite(codes, steps * Rows);
                if (count == 1)
                {
                    One(codes, from, steps, areFinite, sums);
                }
                else if (count <= 4)
                {
                    Four(codes, from, count, steps, areFinite, sums);
                }
                else
                {
                    Tiles(codes, from, count, width, areFinite, slice, sums);
                }
            }
        }

        private static void One(byte* codes, float* from, int steps, bool areFinite, float* sums)
        {
            for (int lane = 0; lane < Rows; lane += 2 * TL.Count)
            {
                float* to = sums + lane;
                DotSink<TL, TF, TU> dot = Take(codes + lane, steps, areFinite, new DotSink<TL, TF, TU>(from) { First = TL.Load(to), Second = TL.Load(to + TL.Count) });
                TL.Store(dot.First, to);
                TL.Store(dot.Second, to + TL.Count);
            }
        }

        /// <summary>A missing token repeats the first and is not stored.</summary>
        private void Four(byte* codes, float* from, int count, int steps, bool areFinite, float* sums)
        {
            float* third = count > 2 ? from + 2L * columns : from, fourth = count > 3 ? from + 3L * columns : from;
            for (int lane = 0; lane < Rows; lane += 2 * TL.Count)
            {
                var dots = new FourDots<TL, TF, TU>(from, from + columns, third, fourth);
                dots.Begin(sums + lane, Rows, count);
                Take(codes + lane, steps, areFinite, dots).End(sums + lane, Rows, count);
            }
        }

        private void Tiles(byte* codes, float* from, int count, int width, bool areFinite, float* slice, float* sums)
        {
            for (int lane = 0; lane < Rows; lane += 2 * TL.Count)
            {
                Take(codes + lane, width / TCodes.Columns, areFinite, new StoreSink<TL, TF, TU>(slice + lane));
            }
            int tiles = (count + AssembledTile.MaxTokens - 1) / AssembledTile.MaxTokens, height = (count + tiles - 1) / tiles;
            for (int t = 0; t < count; t += height)
            {
                run((byte*)slice, (byte*)(from + (long)t * columns), (long)columns * sizeof(float), Math.Min(height, count - t), width, sums + t * Rows);
            }
        }

        /// <summary>Hands the weights of a slice to a sink, for two vectors of rows.</summary>
        [MethodImpl(MethodImplOptions.AggressiveOptimization)]
        private static TSink Take<TSink>(byte* codes, int steps, bool areFinite, TSink given)
            where TSink : struct, IAffineSink<TF>
        {
            // A copy whose address nobody takes stays in registers.
            TSink sink = given;
            if (!areFinite)
            {
                for (int s = 0; s < steps; s++, codes += Rows)
                {
                    TCodes.StepOfAny<TL, TF, TU, TSink>(codes, s, ref sink);
                }
                return sink;
            }
            for (int s = 0; s < steps; s++, codes += Rows)
            {
                TCodes.Step<TL, TF, TU, TSink>(codes, s, ref sink);
            }
            return sink;
        }

        /// <summary>totals += sums · scales of their rows.</summary>
        private static void Scale(float* sums, int count, float* scales, float* totals)
        {
            for (int lane = 0; lane < Rows; lane += TL.Count)
            {
                TF own = TL.Load(scales + lane);
                for (int i = lane; i < count * Rows; i += Rows)
                {
                    TL.Store(TL.MultiplyAdd(TL.Load(sums + i), own, TL.Load(totals + i)), totals + i);
                }
            }
        }

        private void Store(float* totals, int first, int count, int column)
        {
            int width = Math.Min(Rows, outputs - column);
            for (int t = 0; t < count; t++, totals += Rows)
            {
                float* to = y + (long)(first + t) * outputs + column;
                for (int i = 0; i < width; i++)
                {
                    float sum = scales == null ? totals[i] : totals[i] * scales[first + t];
                    to[i] = bias == null ? sum : sum + bias[column + i];
                }
            }
        }
    }
}
