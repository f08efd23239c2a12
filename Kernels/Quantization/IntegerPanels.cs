using Llama4Kernels.Kernels.MatMul;
using Llama4Kernels.Kernels.Threading;

namespace Llama4Kernels.Kernels.Quantization;

/// <summary>
/// Panels of weights for products of integers, each a stream of blocks of 128 columns, and how such products run: rows of x are
/// quantised (<see cref="Int8Operand"/>), then each panel meets all tiles of them. A single tile streams the panel; several take some
/// blocks at a time, which stay in the first-level cache, and the first of them prefetch the next blocks.
/// </summary>
/// <param name="data">The first panel.</param>
/// <param name="panels">How many.</param>
/// <param name="panelRows">Rows of weights of a panel.</param>
/// <param name="groups">Blocks of a panel.</param>
/// <param name="blockBytes">Bytes of a block.</param>
/// <param name="operand">What products want of x.</param>
internal readonly unsafe struct IntegerPanels(byte* data, int panels, int panelRows, int groups, int blockBytes, Int8Form operand)
{
    /// <summary>Rows of x that an item takes: their outputs of a panel stay in the second-level cache.</summary>
    private const int MostRows = 512;

    /// <summary>Blocks of a panel that all rows take before the next ones: they stay in the first-level cache.</summary>
    private const int BlocksAtOnce = 4;

    /// <summary>Bytes between what is read and what is prefetched where a single tile streams a panel: three pages.</summary>
    private const int FarBytes = 12288;

    private byte* Data => data;

    private int Panels => panels;

    private int PanelRows => panelRows;

    private int Groups => groups;

    private int BlockBytes => blockBytes;

    private int GroupBytes => operand.GroupBytes;

    private long PanelBytes => (long)groups * blockBytes;

    /// <summary>Computes a product.</summary>
    /// <param name="workspace">Threads and memory.</param>
    /// <param name="o">Operands.</param>
    /// <param name="w">The weights.</param>
    /// <param name="tile">Adds blocks times a tile of x (rows, blocks) to a tile [rows, panelRows].</param>
    public static void Run(CpuWorkspace workspace, in CpuOperands o, IntegerPanels w, delegate*<byte*, byte*, int, int, float*, Lookahead, void> tile) =>
        w.Run(workspace, o, tile);

    private void Run(CpuWorkspace workspace, in CpuOperands o, delegate*<byte*, byte*, int, int, float*, Lookahead, void> tile)
    {
        int items = (o.Tokens + MostRows - 1) / MostRows;
        // Whole tiles, so that only the last item has a smaller one.
        int rows = ((o.Tokens + items - 1) / items + Int8Operand.TileRows - 1) / Int8Operand.TileRows * Int8Operand.TileRows;
        items = (o.Tokens + rows - 1) / rows;
        long operandBytes = (Int8Operand.Bytes(o.Tokens, o.Weights.Columns, operand) + 63) & ~63L;
        byte* memory = workspace.Operand.Require(operandBytes + (long)workspace.Team.Threads * rows * panelRows * sizeof(float));
        Int8Operand.Quantise(workspace.Team, o.X, o.Tokens, o.Weights.Columns, operand, memory);
        int perItem = CpuLinear.PanelsPerItem(PanelBytes, panels, Math.Min(o.Tokens, rows), workspace.Team);
        var job = new PanelJob(this, o.Weights.Rows, tile, memory, o.Tokens, (float*)(memory + operandBytes), rows, items, perItem, o.Bias, o.Y);
        workspace.Team.Run(checked((panels + perItem - 1) / perItem * items), job);
    }

    /// <summary>Multiplies some rows of x with a few panels. Items of the same panels follow each other.</summary>
    private readonly struct PanelJob(
        IntegerPanels w, int outputs, delegate*<byte*, byte*, int, int, float*, Lookahead, void> run,
        byte* x, int tokens, float* tiles, int rowsPerItem, int items, int panelsPerItem, float* bias, float* y) : ITeamJob
    {
        private readonly byte* _data = w.Data;
        private readonly int _panels = w.Panels, _panelRows = w.PanelRows, _groups = w.Groups, _blockBytes = w.BlockBytes, _groupBytes = w.GroupBytes;

        public void Execute(int item, int worker)
        {
            float* tile = tiles + (long)worker * rowsPerItem * _panelRows;
            int first = item % items * rowsPerItem, rows = Math.Min(rowsPerItem, tokens - first);
            byte* operand = x + (long)first * _groups * _groupBytes;
            int from = item / items * panelsPerItem, end = Math.Min(_panels, from + panelsPerItem);
            for (int panel = from; panel < end; panel++)
            {
                new Span<float>(tile, Int8Operand.TiledRows(rows) * _panelRows).Clear();
                Multiply(_data + panel * ((long)_groups * _blockBytes), operand, rows, tile);
                PanelOutputs.Store(tile, _panelRows, rows, bias, y + (long)first * outputs, outputs, panel * _panelRows);
            }
        }

        private void Multiply(byte* panel, byte* operand, int rows, float* tile)
        {
            int whole = Int8Operand.TiledRows(rows) / Int8Operand.TileRows;
            bool isOnly = Int8Operand.RowsAt(0, rows) >= rows;
            int atOnce = isOnly ? _groups : BlocksAtOnce;
            // The tiles that bring the next blocks nearer, and their lines of each four.
            int helpers = whole >= 4 ? 4 : whole == 3 ? 2 : whole;
            for (int g = 0; g < _groups; g += atOnce)
            {
                int count = Math.Min(atOnce, _groups - g);
                byte* blocks = panel + (long)g * _blockBytes, next = blocks + count * _blockBytes;
                int height;
                for (int row = 0; row < rows; row += height)
                {
                    height = Int8Operand.RowsAt(row, rows);
                    int helper = row / Int8Operand.TileRows;
                    Lookahead ahead = isOnly || (helpers == 1 && helper == 0) ? new Lookahead((nint)blocks + FarBytes, 4, true)
                        : height < Int8Operand.TileRows || helper >= helpers ? default
                        : new Lookahead((nint)next + helper * (count * _blockBytes / helpers), 4 / helpers, helpers == 2 && helper == 0);
                    byte* rowsOfX = operand + (long)row * _groups * _groupBytes + g * height * _groupBytes;
                    run(blocks, rowsOfX, height, count, tile + row * _panelRows, ahead);
                }
            }
        }
    }
}
