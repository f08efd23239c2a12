using System.Runtime.CompilerServices;
using System.Runtime.Intrinsics;
using Llama4Kernels.Kernels.Contracts;
using Llama4Kernels.Kernels.MatMul;
using Llama4Kernels.Kernels.Threading;

namespace Llama4Kernels.Kernels.Quantization;

internal static unsafe partial class AffineProduct
{
    private const int Rows = AffineLayout.PanelRows;

    /// <summary>Columns that are summed in one accumulator, and decoded at once: 16 KiB of float32, which stay in the first-level cache.</summary>
    private const int ChunkColumns = AffineChunks.Columns;

    /// <summary>Tokens that share a decoded chunk.</summary>
    private const int BlockTokens = 8 * AssembledTile.MaxTokens;

    /// <summary>Values of codes of four bits.</summary>
    private const int TableValues = 16;

    /// <summary>
    /// Ways to read codes, of which the first that fits is taken. Where one instruction looks 16 values up, codes of four bits and
    /// less are all looked up.
    /// </summary>
    private static readonly Reader[] s_readers =
    [
        new Reader<EvenCodes<Two, Looked>>(2, looks: true),
        new Reader<EvenCodes<Two, Counted>>(2, looks: false),
        new Reader<ThreeBitCodes<Looked>>(3, looks: true),
        new Reader<ThreeBitCodes<Counted>>(3, looks: false),
        new Reader<EvenCodes<Four, Looked>>(4, looks: true),
        new Reader<EvenCodes<Four, Counted>>(4, looks: false),
        new Reader<FiveBitCodes<Counted>>(5),
        new Reader<SixBitCodes<Counted>>(6),
        new Reader<EvenCodes<Eight, Floating>>(8, encoding: WeightEncoding.E4M3),
        new Reader<EvenCodes<Eight, Counted>>(8),
    ];

    private static void Run<TL, TF, TU>(CpuWorkspace workspace, in CpuOperands o, delegate*<byte*, byte*, long, int, int, float*, void> tile)
        where TL : struct, IAffineLanes<TF, TU>
        where TF : unmanaged
        where TU : unmanaged
    {
        var w = (AffineMatrix)o.Weights;
        ref readonly AffineLayout layout = ref w.Panels;
        float* x = o.X;
        if (layout.Padded > layout.Columns)
        {
            x = (float*)workspace.Operand.Require((long)o.Tokens * layout.Padded * sizeof(float));
            for (int t = 0; t < o.Tokens; t++)
            {
                new ReadOnlySpan<float>(o.X + (long)t * layout.Columns, layout.Columns).CopyTo(new Span<float>(x + (long)t * layout.Padded, layout.Columns));
                new Span<float>(x + (long)t * layout.Padded + layout.Columns, layout.Padded - layout.Columns).Clear();
            }
        }
        var work = new Work(w.Panel(0), layout, w.Rows, x, o.Tokens, o.Bias, o.Y, tile);
        bool looks = CodeFormats.IsTable(layout.Encoding) || TL.Count == Vector512<float>.Count;
        foreach (Reader reader in s_readers)
        {
            if (reader.Fits(layout, looks))
            {
                reader.Run<TL, TF, TU>(workspace.Team, w.PanelCount, work);
                break;
            }
        }
        GC.KeepAlive(w);
    }

    private static void Run<TL, TF, TU, TCodes>(ProductTeam team, int panels, Work work)
        where TL : struct, IAffineLanes<TF, TU>
        where TF : unmanaged
        where TU : unmanaged
        where TCodes : unmanaged, IAffineCodes
    {
        int items = panels * work.Blocks;
        if (work.Layout.Offset == OffsetKind.Zero)
        {
            team.Run(items, new PanelJob<TL, TF, TU, TCodes, ZeroPoint>(work));
        }
        else
        {
            team.Run(items, new PanelJob<TL, TF, TU, TCodes, AddedOffset>(work));
        }
    }

    /// <summary>A way to read codes.</summary>
    private abstract class Reader(int bits, bool? looks, WeightEncoding? encoding)
    {
        public bool Fits(in AffineLayout layout, bool wantsLooks) =>
            layout.Bits == bits && (looks ?? wantsLooks) == wantsLooks && (encoding ?? layout.Encoding) == layout.Encoding;

        public abstract void Run<TL, TF, TU>(ProductTeam team, int panels, Work work)
            where TL : struct, IAffineLanes<TF, TU>
            where TF : unmanaged
            where TU : unmanaged;
    }

    private sealed class Reader<TCodes>(int bits, bool? looks = null, WeightEncoding? encoding = null) : Reader(bits, looks, encoding)
        where TCodes : unmanaged, IAffineCodes
    {
        public override void Run<TL, TF, TU>(ProductTeam team, int panels, Work work) => AffineProduct.Run<TL, TF, TU, TCodes>(team, panels, work);
    }

    /// <summary>What a job needs.</summary>
    private readonly struct Work(byte* data, AffineLayout layout, int rows, float* x, int tokens, float* bias, float* y, delegate*<byte*, byte*, long, int, int, float*, void> tile)
    {
        public readonly byte* Data = data;
        public readonly AffineLayout Layout = layout;
        public readonly int OutputRows = rows;
        public readonly float* X = x;
        public readonly int Tokens = tokens;
        public readonly float* Bias = bias;
        public readonly float* Y = y;

        /// <summary>Adds decoded weights times some rows of x to a tile.</summary>
        public readonly delegate*<byte*, byte*, long, int, int, float*, void> Tile = tile;

        /// <summary>Blocks of tokens.</summary>
        public int Blocks => (Tokens + BlockTokens - 1) / BlockTokens;
    }

    /// <summary>One item: a panel times a block of tokens. Blocks of one panel follow each other, so that it stays in the cache.</summary>
    private readonly struct PanelJob<TL, TF, TU, TCodes, TMap>(Work work) : ITeamJob
        where TL : struct, IAffineLanes<TF, TU>
        where TF : unmanaged
        where TU : unmanaged
        where TCodes : struct, IAffineCodes
        where TMap : struct, IAffineMap
    {
        [SkipLocalsInit]
        public void Execute(int item, int worker)
        {
            int panel = item / work.Blocks, block = item % work.Blocks;
            int size = (work.Tokens + work.Blocks - 1) / work.Blocks;
            int from = block * size, count = Math.Min(size, work.Tokens - from);
            float* sums = stackalloc float[BlockTokens * Rows + TableValues + AffineChunks.MemoryFloats];
            float* table = sums + BlockTokens * Rows;
            for (int i = 0; i < TableValues; i++)
            {
                table[i] = Value(i);
            }
            new Span<float>(sums, count * Rows).Clear();
            var chunks = new AffineChunks(work.Layout, work.Data + panel * work.Layout.PanelBytes, table + TableValues);
            float* x = work.X + (long)from * work.Layout.Padded;
            switch (count)
            {
                case 1:
                    Vector(ref chunks, x, table, sums);
                    break;
                case 2:
                    Vectors(ref chunks, x, table, sums);
                    break;
                case <= 4 when TL.Count == Vector512<float>.Count:
                    Four(ref chunks, x, count, table, sums);
                    break;
                default:
                    Tiles(ref chunks, x, count, table, sums);
                    break;
            }
            int row = panel * Rows;
            int width = Math.Min(Rows, work.OutputRows - row);
            for (int t = 0; t < count; t++)
            {
                float* to = work.Y + (long)(from + t) * work.OutputRows + row;
                for (int i = 0; i < width; i++)
                {
                    to[i] = work.Bias == null ? sums[t * Rows + i] : sums[t * Rows + i] + work.Bias[row + i];
                }
            }
        }

        /// <summary>One token: weights go from registers into the sums.</summary>
        private void Vector(ref AffineChunks chunks, float* x, float* table, float* sums)
        {
            for (int column = 0; column < work.Layout.Padded; column += ChunkColumns)
            {
                chunks.Advance(Math.Min(ChunkColumns, work.Layout.Padded - column));
                for (int lane = 0; lane < Rows; lane += 2 * TL.Count)
                {
                    DotSink<TL, TF, TU> sink = Weights(ref chunks, lane, table, new DotSink<TL, TF, TU>(x + column));
                    Add(sink.First, sink.Second, sums + lane);
                }
            }
        }

        /// <summary>Two tokens.</summary>
        private void Vectors(ref AffineChunks chunks, float* x, float* table, float* sums)
        {
            for (int column = 0; column < work.Layout.Padded; column += ChunkColumns)
            {
                chunks.Advance(Math.Min(ChunkColumns, work.Layout.Padded - column));
                for (int lane = 0; lane < Rows; lane += 2 * TL.Count)
                {
                    Add(Weights(ref chunks, lane, table, Two(x + column, x + column + work.Layout.Padded)), sums + lane, 2);
                }
            }
        }

        /// <summary>Three tokens or four, where there are registers for the sums of all; a missing one repeats the first.</summary>
        private void Four(ref AffineChunks chunks, float* x, int count, float* table, float* sums)
        {
            float* b = x + work.Layout.Padded, c = b + work.Layout.Padded, d = count > 3 ? c + work.Layout.Padded : x;
            for (int column = 0; column < work.Layout.Padded; column += ChunkColumns)
            {
                chunks.Advance(Math.Min(ChunkColumns, work.Layout.Padded - column));
                for (int lane = 0; lane < Rows; lane += 2 * TL.Count)
                {
                    FourDots<TL, TF, TU> dots = Weights(ref chunks, lane, table, new FourDots<TL, TF, TU>(x + column, b + column, c + column, d + column));
                    float* to = sums + lane;
                    Add(dots.A0, dots.A1, to);
                    Add(dots.B0, dots.B1, to + Rows);
                    Add(dots.C0, dots.C1, to + 2 * Rows);
                    if (count > 3)
                    {
                        Add(dots.D0, dots.D1, to + 3 * Rows);
                    }
                }
            }
        }

        /// <summary>Several tokens: a chunk of columns is decoded once for all of them.</summary>
        [SkipLocalsInit]
        [MethodImpl(MethodImplOptions.AggressiveOptimization)]
        private void Tiles(ref AffineChunks chunks, float* x, int count, float* table, float* sums)
        {
            byte* memory = stackalloc byte[ChunkColumns * Rows * sizeof(float) + 64];
            float* chunk = (float*)(((nint)memory + 63) & -64);
            float* tile = stackalloc float[AssembledTile.MaxTokens * Rows];
            int tiles = (count + AssembledTile.MaxTokens - 1) / AssembledTile.MaxTokens;
            int tokens = (count + tiles - 1) / tiles;
            for (int column = 0; column < work.Layout.Padded; column += ChunkColumns)
            {
                int columns = Math.Min(ChunkColumns, work.Layout.Padded - column);
                chunks.Advance(columns);
                for (int lane = 0; lane < Rows; lane += 2 * TL.Count)
                {
                    Weights(ref chunks, lane, table, new StoreSink<TL, TF, TU>(chunk + lane));
                }
                for (int first = 0; first < count; first += tokens)
                {
                    int rows = Math.Min(tokens, count - first);
                    float* from = x + (long)first * work.Layout.Padded + column;
                    new Span<float>(tile, rows * Rows).Clear();
                    work.Tile((byte*)chunk, (byte*)from, (long)work.Layout.Padded * sizeof(float), rows, columns, tile);
                    Add(tile, rows * Rows, sums + first * Rows);
                }
            }
        }

        private static Both<TF, DotSink<TL, TF, TU>, DotSink<TL, TF, TU>> Two(float* first, float* second) => new(new(first), new(second));

        /// <summary>Adds the sums of two tokens, or of as many of them as there are.</summary>
        [MethodImpl(MethodImplOptions.AggressiveInlining)]
        private static void Add(in Both<TF, DotSink<TL, TF, TU>, DotSink<TL, TF, TU>> tokens, float* to, int count)
        {
            if (count > 0)
            {
                Add(tokens.A.First, tokens.A.Second, to);
            }
            if (count > 1)
            {
                Add(tokens.B.First, tokens.B.Second, to + Rows);
            }
        }

        [MethodImpl(MethodImplOptions.AggressiveInlining)]
        private static void Add(TF first, TF second, float* to)
        {
            TL.Store(TL.Add(TL.Load(to), first), to);
            TL.Store(TL.Add(TL.Load(to + TL.Count), second), to + TL.Count);
        }

        private static void Add(float* from, int count, float* to)
        {
            for (int i = 0; i < count; i += TL.Count)
            {
                TL.Store(TL.Add(TL.Load(to + i), TL.Load(from + i)), to + i);
            }
        }

        /// <summary>Hands the weights of a chunk to a sink, for two vectors of rows.</summary>
        [MethodImpl(MethodImplOptions.AggressiveOptimization)]
        private TSink Weights<TSink>(ref AffineChunks chunks, int lane, float* table, TSink given)
            where TSink : struct, IAffineSink<TF>
        {
            // A copy whose address nobody takes stays in registers.
            TSink sink = given;
            TF low = TL.Load(table), high = TL.Load(table + (TL.Count < TableValues ? TL.Count : 0));
            var values = new AffineValues<TF>(low, high, TL.Spread(AffineCodes.Minus(work.Layout.Encoding, work.Layout.Bits)), table);
            int column = 0;
            for (int i = 0; i < chunks.Runs; i++)
            {
                AffineRun run = chunks[i];
                float* parameters = chunks.Parameters(i) + lane;
                TF scale0 = TL.Load(parameters), scale1 = TL.Load(parameters + TL.Count);
                TF offset0 = TL.Load(parameters + Rows), offset1 = TL.Load(parameters + Rows + TL.Count);
                uint* words = run.Words + lane;
                for (int c = 0; c < run.Count; c += TCodes.Columns)
                {
                    TCodes.Step<TL, TF, TU, TMap, TSink>(words, run.Column + c, column + c, values, scale0, scale1, offset0, offset1, ref sink);
                }
                column += run.Count;
            }
            return sink;
        }

        private float Value(int i) => CodeFormats.Value(work.Layout.Encoding, work.Layout.Bits, i & ((1 << work.Layout.Bits) - 1));
    }
}
