using Llama4Kernels.Kernels.MatMul;
using Llama4Kernels.Kernels.Threading;

namespace Llama4Kernels.Kernels.Quantization;

internal static unsafe partial class CodedProduct
{
    private const int PanelRows = AffineLayout.PanelRows;

    /// <summary>Rows of x that an item takes: their outputs of a panel stay in the second-level cache.</summary>
    private const int MostRows = 512;

    /// <summary>Columns of a panel that all rows take before the next ones: they stay in the first-level cache, their scales too.</summary>
    private const int SliceColumns = 512;

    /// <summary>Bytes between what is read and what is prefetched where a single tile streams a panel: two pages.</summary>
    private const int FarBytes = 8192;

    /// <param name="workspace">Threads and memory.</param>
    /// <param name="o">Operands.</param>
    /// <param name="tile">A method of <see cref="CodedTiles"/>; null for assembled ones.</param>
    private static void Run(CpuWorkspace workspace, in CpuOperands o, delegate*<in CodedSpan, byte*, byte*, float*, int, int, float*, void> tile)
    {
        var w = (AffineMatrix)o.Weights;
        var span = new CodedSpan(w.Panels);
        int items = (o.Tokens + MostRows - 1) / MostRows;
        // Whole tiles, so that only the last item has a smaller one.
        int rows = ((o.Tokens + items - 1) / items + Int8Operand.TileRows - 1) / Int8Operand.TileRows * Int8Operand.TileRows;
        items = (o.Tokens + rows - 1) / rows;
        int sliceSpans = SliceColumns / span.Columns;
        var sizes = new Sizes(Whole(sliceSpans * Math.Max(span.Floats, span.RunFloats) * sizeof(float)), Whole(span.Bytes), rows * PanelRows * sizeof(float));
        long operandBytes = (Int8Operand.Bytes(o.Tokens, w.Columns, span.Operand) + 63) & ~63L;
        byte* memory = workspace.Operand.Require(operandBytes + (long)workspace.Team.Threads * sizes.Worker);
        Int8Operand.Quantise(workspace.Team, o.X, o.Tokens, w.Columns, span.Operand, memory);
        int perItem = CpuLinear.PanelsPerItem(w.Panels.PanelBytes, w.PanelCount, Math.Min(o.Tokens, rows), workspace.Team);
        var job = new PanelJob(
            w.Panel(0), w.PanelCount, w.Panels, span, w.Rows, tile, tile == null ? AssembledCoded.Get(w.Panels, span) : default,
            memory, o.Tokens, memory + operandBytes, sizes, rows, items, perItem, o.Bias, o.Y);
        workspace.Team.Run(checked((w.PanelCount + perItem - 1) / perItem * items), job);
        GC.KeepAlive(w);
    }

    private static int Whole(int bytes) => (bytes + 63) & ~63;

    /// <summary>A worker's memory: scales of a slice, the last span if it is not whole, outputs.</summary>
    private readonly record struct Sizes(int Scales, int Tail, int Tile)
    {
        public int Worker => Scales + Tail + Tile;
    }

    /// <summary>Multiplies some rows of x with a few panels. Items of the same panels follow each other.</summary>
    private readonly struct PanelJob(
        byte* data, int panels, AffineLayout layout, CodedSpan span, int outputs, delegate*<in CodedSpan, byte*, byte*, float*, int, int, float*, void> run,
        AssembledCoded.Entries assembled, byte* x, int tokens, byte* workers, Sizes sizes, int rowsPerItem, int items, int panelsPerItem, float* bias, float* y) : ITeamJob
    {
        private readonly int _groups = Int8Operand.Groups(layout.Columns), _groupBytes = span.Operand.GroupBytes;

        public void Execute(int item, int worker)
        {
            byte* memory = workers + (long)worker * sizes.Worker;
            float* tile = (float*)(memory + sizes.Scales + sizes.Tail);
            int first = item % items * rowsPerItem, rows = Math.Min(rowsPerItem, tokens - first);
            byte* operand = x + (long)first * _groups * _groupBytes;
            int from = item / items * panelsPerItem, end = Math.Min(panels, from + panelsPerItem);
            for (int panel = from; panel < end; panel++)
            {
                new Span<float>(tile, Int8Operand.TiledRows(rows) * PanelRows).Clear();
                Multiply(data + panel * layout.PanelBytes, operand, rows, memory, tile);
                PanelOutputs.Store(tile, PanelRows, rows, bias, y + (long)first * outputs, outputs, panel * PanelRows);
            }
        }

        private void Multiply(byte* panel, byte* operand, int rows, byte* memory, float* tile)
        {
            float* scales = (float*)memory;
            byte* codes = span.IsRow ? panel + layout.CodesAt : panel;
            int whole = layout.Columns / span.Columns, atOnce = SliceColumns / span.Columns;
            for (int s = 0; s < whole; s += atOnce)
            {
                int count = Math.Min(atOnce, whole - s);
                // Assembled tiles read scales themselves.
                if (span.IsRow ? s == 0 : run != null)
                {
                    CodedParameters.Read(layout, span, panel, s * span.Columns, (s + count) * span.Columns, scales);
                }
                Slice(codes + (long)s * span.Bytes, operand, s, count, rows, scales, tile, isTail: false);
            }
            if (whole * span.Columns < layout.Columns)
            {
                // Codes beyond the matrix are multiplied with zero, but must be there.
                byte* from = codes + (long)whole * span.Bytes, last = memory + sizes.Scales;
                Buffer.MemoryCopy(from, last, sizes.Tail, Math.Min(span.Bytes, panel + layout.PanelBytes - from));
                CodedParameters.Read(layout, span, panel, whole * span.Columns, (whole + 1) * span.Columns, scales);
                Slice(last, operand, whole, 1, rows, scales, tile, isTail: true);
            }
        }

        private void Slice(byte* codes, byte* operand, int first, int count, int rows, float* scales, float* tile, bool isTail)
        {
            // One tile asks for what it will stream itself, the first of several for the next slice.
            bool isOnly = Int8Operand.RowsAt(0, rows) >= rows;
            long ahead = isOnly ? FarBytes : (long)count * span.Bytes;
            int height;
            for (int row = 0; row < rows; row += height)
            {
                height = Int8Operand.RowsAt(row, rows);
                byte* of = operand + ((long)row * _groups + (long)first * span.Groups * height) * _groupBytes;
                float* to = tile + row * PanelRows;
                if (run != null)
                {
                    run(span, codes, of, scales, height, count, to);
                }
                else
                {
                    assembled.Tile(height, isTail || row > 0 ? TileTurn.Further : isOnly ? TileTurn.Only : TileTurn.First)(codes, of, scales, to, count, ahead);
                }
            }
        }
    }
}
