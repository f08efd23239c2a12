using System.Runtime.CompilerServices;
using System.Runtime.Intrinsics;
using Llama4Kernels.Kernels.Contracts;
using Llama4Kernels.Kernels.Numerics;
using Llama4Kernels.Kernels.Threading;

namespace Llama4Kernels.Kernels.MatMul;

public sealed unsafe partial class MatMul
{
    /// <summary>What a job needs of a <see cref="PackedMatrix"/>, without the reference.</summary>
    private readonly struct PanelView(PackedMatrix w)
    {
        public readonly byte* Data = w.Panel(0);
        public readonly long PanelBytes = w.PanelBytes;
        public readonly int Panels = w.Panels;
        public readonly int Steps = w.Steps;
        public readonly int Rows = w.Rows;
        public readonly bool Bf16 = w.Format == WeightFormat.BF16;
    }

    /// <summary>Rounds rows to bfloat16 and pads them to whole pairs.</summary>
    private readonly struct RoundJob(float* x, int columns, int steps, ushort* to) : ITeamJob
    {
        public void Execute(int item, int worker)
        {
            ushort* row = to + (long)item * steps * 2;
            Bf16.FromSingle(new ReadOnlySpan<float>(x + (long)item * columns, columns), new Span<ushort>(row, columns));
            if ((columns & 1) != 0)
            {
                row[columns] = 0;
            }
        }
    }

    /// <summary>Copies rows into padded ones, rounded to bfloat16 if asked for.</summary>
    private readonly struct PadJob(float* x, int columns, int padded, bool round, float* to) : ITeamJob
    {
        public void Execute(int item, int worker)
        {
            float* from = x + (long)item * columns;
            float* row = to + (long)item * padded;
            for (int c = 0; c < columns; c++)
            {
                row[c] = round ? Bf16.Round(from[c]) : from[c];
            }
            if (padded > columns)
            {
                row[columns] = 0;
            }
        }
    }

    /// <summary>
    /// Multiplies a block of tokens with a few panels. Items of the same panels follow each other, so that the panels stay in
    /// the shared cache while the blocks go by.
    /// </summary>
    private readonly struct PanelJob(
        PanelView w, MatMulStrategy strategy, bool dot, byte* x, long stride, int tokens, float* bias, float* y, int panelsPerItem, int block, int blocks) : ITeamJob
    {
        public void Execute(int item, int worker)
        {
            float* tile = stackalloc float[AssembledTile.MaxTokens * PackedMatrix.PanelRows];
            int group = item / blocks;
            int from = item % blocks * block;
            int to = Math.Min(tokens, from + block);
            int end = Math.Min(w.Panels, (group + 1) * panelsPerItem);
            // Tiles of equal height: a low one at the end would wait for its weights.
            int tiles = (to - from + AssembledTile.MaxTokens - 1) / AssembledTile.MaxTokens;
            int tileTokens = (to - from + tiles - 1) / tiles;
            for (int panel = group * panelsPerItem; panel < end; panel++)
            {
                int width = Math.Min(PackedMatrix.PanelRows, w.Rows - panel * PackedMatrix.PanelRows);
                for (int first = from; first < to; first += tileTokens)
                {
                    int count = Math.Min(tileTokens, to - first);
                    Tile(w.Data + panel * w.PanelBytes, x + first * stride, count, tile);
                    Store(tile, first, count, panel * PackedMatrix.PanelRows, width);
                }
            }
        }

        private void Tile(byte* panel, byte* rows, int count, float* tile)
        {
            if (strategy == MatMulStrategy.Assembled)
            {
                AssembledTiles.Get(count, w.Bf16 ? ElementType.BF16 : ElementType.F32, dot)(
                    panel, rows, stride, tile, PackedMatrix.PanelRows * sizeof(float), w.Steps);
                return;
            }
            for (int t = 0; t < count; t++)
            {
                float* row = (float*)(rows + t * stride);
                float* to = tile + t * PackedMatrix.PanelRows;
                switch (strategy)
                {
                    case MatMulStrategy.Vector512:
                        Row512(panel, row, to);
                        break;
                    case MatMulStrategy.Vector256:
                        Row256(panel, row, to);
                        break;
                    default:
                        RowScalar(panel, row, to);
                        break;
                }
            }
        }

        private void Row512(byte* panel, float* row, float* to)
        {
            Vector512<float> a = default, b = default;
            if (w.Bf16)
            {
                Vector512<uint> high = Vector512.Create(0xffff0000u);
                for (int s = 0; s < w.Steps; s++, panel += 128)
                {
                    Vector512<uint> v = Vector512.Load((uint*)panel), u = Vector512.Load((uint*)panel + 16);
                    Vector512<float> x0 = Vector512.Create(row[2 * s]), x1 = Vector512.Create(row[2 * s + 1]);
                    a = Vector512.FusedMultiplyAdd((v << 16).AsSingle(), x0, a);
                    b = Vector512.FusedMultiplyAdd((u << 16).AsSingle(), x0, b);
                    a = Vector512.FusedMultiplyAdd((v & high).AsSingle(), x1, a);
                    b = Vector512.FusedMultiplyAdd((u & high).AsSingle(), x1, b);
                }
            }
            else
            {
                for (int s = 0; s < w.Steps; s++, panel += 128)
                {
                    Vector512<float> x0 = Vector512.Create(row[s]);
                    a = Vector512.FusedMultiplyAdd(Vector512.Load((float*)panel), x0, a);
                    b = Vector512.FusedMultiplyAdd(Vector512.Load((float*)panel + 16), x0, b);
                }
            }
            a.Store(to);
            b.Store(to + 16);
        }

        private void Row256(byte* panel, float* row, float* to)
        {
            Vector256<float> a = default, b = default, c = default, d = default;
            if (w.Bf16)
            {
                Vector256<uint> high = Vector256.Create(0xffff0000u);
                for (int s = 0; s < w.Steps; s++, panel += 128)
                {
                    uint* at = (uint*)panel;
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
            }
            else
            {
                for (int s = 0; s < w.Steps; s++, panel += 128)
                {
                    float* at = (float*)panel;
                    Vector256<float> x0 = Vector256.Create(row[s]);
                    a = Vector256.FusedMultiplyAdd(Vector256.Load(at), x0, a);
                    b = Vector256.FusedMultiplyAdd(Vector256.Load(at + 8), x0, b);
                    c = Vector256.FusedMultiplyAdd(Vector256.Load(at + 16), x0, c);
                    d = Vector256.FusedMultiplyAdd(Vector256.Load(at + 24), x0, d);
                }
            }
            a.Store(to);
            b.Store(to + 8);
            c.Store(to + 16);
            d.Store(to + 24);
        }

        private void RowScalar(byte* panel, float* row, float* to)
        {
            new Span<float>(to, PackedMatrix.PanelRows).Clear();
            for (int s = 0; s < w.Steps; s++, panel += 128)
            {
                for (int lane = 0; lane < PackedMatrix.PanelRows; lane++)
                {
                    if (w.Bf16)
                    {
                        uint pair = ((uint*)panel)[lane];
                        to[lane] = MathF.FusedMultiplyAdd(Bf16.ToSingle((ushort)pair), row[2 * s], to[lane]);
                        to[lane] = MathF.FusedMultiplyAdd(Bf16.ToSingle((ushort)(pair >> 16)), row[2 * s + 1], to[lane]);
                    }
                    else
                    {
                        to[lane] = MathF.FusedMultiplyAdd(((float*)panel)[lane], row[s], to[lane]);
                    }
                }
            }
        }

        private void Store(float* tile, int first, int count, int column, int width)
        {
            for (int t = 0; t < count; t++)
            {
                float* from = tile + t * PackedMatrix.PanelRows;
                float* to = y + (long)(first + t) * w.Rows + column;
                if (width == PackedMatrix.PanelRows && Vector512.IsHardwareAccelerated)
                {
                    Vector512<float> low = Vector512.Load(from), high = Vector512.Load(from + 16);
                    if (bias != null)
                    {
                        low += Vector512.Load(bias + column);
                        high += Vector512.Load(bias + column + 16);
                    }
                    low.Store(to);
                    high.Store(to + 16);
                    continue;
                }
                for (int i = 0; i < width; i++)
                {
                    to[i] = bias == null ? from[i] : from[i] + bias[column + i];
                }
            }
        }
    }
}
