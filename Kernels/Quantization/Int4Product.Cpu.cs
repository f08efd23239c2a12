using Llama4Kernels.Kernels.MatMul;
using Llama4Kernels.Kernels.Threading;

namespace Llama4Kernels.Kernels.Quantization;

internal static unsafe partial class Int4Product
{
    private const int PanelRows = Int4Panels.PanelRows;

    /// <summary>Rows of x that an item takes: their outputs of a panel stay in the second-level cache.</summary>
    private const int MostRows = 512;

    /// <summary>Blocks of a panel that all rows take before the next ones: they stay in the first-level cache.</summary>
    private const int BlocksAtOnce = 4;

    /// <summary>Bytes between what is read and what is prefetched where a single tile streams a panel: two pages.</summary>
    private const int FarBytes = 8192;

    private static void Run(CpuWorkspace workspace, in CpuOperands o, delegate*<byte*, byte*, int, int, float*, Lookahead, void> tile)
    {
        var w = (Int4Panels)o.Weights;
        int items = (o.Tokens + MostRows - 1) / MostRows;
        // Whole tiles, so that only the last item has a smaller one.
        int rows = ((o.Tokens + items - 1) / items + Int8Operand.TileRows - 1) / Int8Operand.TileRows * Int8Operand.TileRows;
        items = (o.Tokens + rows - 1) / rows;
        long operandBytes = (Int8Operand.Bytes(o.Tokens, w.Columns, Int4Panels.Operand) + 63) & ~63L;
        byte* memory = workspace.Operand.Require(operandBytes + (long)workspace.Team.Threads * rows * PanelRows * sizeof(float));
        workspace.Team.Run(Int8Operand.TiledRows(o.Tokens), new Int8Operand.QuantiseJob(o.X, o.Tokens, w.Columns, Int4Panels.Operand, memory));
        int perItem = CpuLinear.PanelsPerItem(w.PanelBytes, w.Panels, Math.Min(o.Tokens, rows), workspace.Team);
        var job = new PanelJob(
            w.Panel(0), w.PanelBytes, w.Panels, w.Groups, w.Rows, tile, memory, o.Tokens, (float*)(memory + operandBytes), rows, items, perItem, o.Bias, o.Y);
        workspace.Team.Run(checked((w.Panels + perItem - 1) / perItem * items), job);
        GC.KeepAlive(w);
    }

    /// <summary>Multiplies some rows of x with a few panels. Items of the same panels follow each other.</summary>
    private readonly struct PanelJob(
        byte* data, long panelBytes, int panels, int groups, int outputs, delegate*<byte*, byte*, int, int, float*, Lookahead, void> run,
        byte* x, int tokens, float* tiles, int rowsPerItem, int items, int panelsPerItem, float* bias, float* y) : ITeamJob
    {
        public void Execute(int item, int worker)
        {
            float* tile = tiles + (long)worker * rowsPerItem * PanelRows;
            int first = item % items * rowsPerItem, rows = Math.Min(rowsPerItem, tokens - first);
            byte* operand = x + (long)first * groups * Int4Panels.Operand.GroupBytes;
            int from = item / items * panelsPerItem, end = Math.Min(panels, from + panelsPerItem);
            for (int panel = from; panel < end; panel++)
            {
                new Span<float>(tile, Int8Operand.TiledRows(rows) * PanelRows).Clear();
                Multiply(data + panel * panelBytes, operand, rows, tile);
                PanelOutputs.Store(tile, PanelRows, rows, bias, y + (long)first * outputs, outputs, panel * PanelRows);
            }
        }

        private void Multiply(byte* panel, byte* operand, int rows, float* tile)
        {
            int whole = Int8Operand.TiledRows(rows) / Int8Operand.TileRows;
            int atOnce = Int8Operand.RowsAt(0, rows) >= rows ? groups : BlocksAtOnce;
            // The tiles that bring the next blocks nearer, and their lines of each four.
            int helpers = whole >= 4 ? 4 : whole == 3 ? 2 : whole;
            for (int g = 0; g < groups; g += atOnce)
            {
                int count = Math.Min(atOnce, groups - g);
                byte* blocks = panel + (long)g * Int4Panels.BlockBytes, next = blocks + count * Int4Panels.BlockBytes;
                int height;
                for (int row = 0; row < rows; row += height)
                {
                    height = Int8Operand.RowsAt(row, rows);
                    int helper = row / Int8Operand.TileRows;
                    Lookahead ahead = height < Int8Operand.TileRows || helper >= helpers ? default
                        : helpers == 1 ? new Lookahead((nint)blocks + FarBytes, 4, true)
                        : new Lookahead((nint)next + helper * (count * Int4Panels.BlockBytes / helpers), 4 / helpers, helpers == 2 && helper == 0);
                    byte* rowsOfX = operand + (long)row * groups * Int4Panels.Operand.GroupBytes + g * height * Int4Panels.Operand.GroupBytes;
                    run(blocks, rowsOfX, height, count, tile + row * PanelRows, ahead);
                }
            }
        }
    }
}
