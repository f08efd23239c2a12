using System.Runtime.CompilerServices;
using Llama4Kernels.Kernels.Threading;

namespace Llama4Kernels.Kernels.MatMul;

/// <summary>
/// Multiplies packed activations by panels. An item is a group of panels and a range of token blocks; it alone writes its
/// outputs, so results do not depend on the number of threads.
/// </summary>
internal readonly unsafe struct PanelJob<TTiles> : ITeamJob
    where TTiles : ITiles
{
    private const int PanelRows = PackedMatrix.PanelRows;

    // A cut of a panel stays in the L1 cache while all token blocks pass over it.
    private const int CutBytes = 32 * 1024;

    // Items below this many bytes of weights are joined: the shared counter then costs nothing.
    private const int MinItemBytes = 64 * 1024;

    private readonly byte* _x;
    private readonly byte* _w;
    private readonly float* _bias;
    private readonly float* _y;
    private readonly long _panelBytes;
    private readonly int _yStride;
    private readonly int _tokens;
    private readonly int _rows;
    private readonly int _steps;
    private readonly int _stepBytes;
    private readonly int _panels;
    private readonly int _groupPanels;
    private readonly int _splits;

    public PanelJob(byte* x, int tokens, PackedMatrix w, float* bias, float* y, int yStride, int threads)
    {
        _x = x;
        _w = w.Data;
        _bias = bias;
        _y = y;
        _yStride = yStride;
        _tokens = tokens;
        (_rows, _steps, _panels, _panelBytes) = (w.Rows, w.Steps, w.Panels, w.PanelBytes);
        _stepBytes = (int)(_panelBytes / _steps);
        int wanted = 4 * threads;
        _groupPanels = (int)Math.Clamp(MinItemBytes / _panelBytes, 1, Math.Max(1, _panels / wanted));
        _splits = Math.Clamp((wanted + Groups - 1) / Groups, 1, Blocks);
    }

    private int Blocks => (_tokens + TTiles.MaxTokens - 1) / TTiles.MaxTokens;

    private int Groups => (_panels + _groupPanels - 1) / _groupPanels;

    public int Items => checked(Groups * _splits);

    public void Execute(int item, int worker)
    {
        int group = item / _splits;
        int split = item % _splits;
        int firstBlock = (int)((long)Blocks * split / _splits);
        int endBlock = (int)((long)Blocks * (split + 1) / _splits);
        int end = Math.Min((group + 1) * _groupPanels, _panels);
        for (int panel = group * _groupPanels; panel < end; panel++)
        {
            Panel(panel, firstBlock, endBlock);
        }
    }

    private void Panel(int panel, int firstBlock, int endBlock)
    {
        byte* w = _w + panel * _panelBytes;
        int row = panel * PanelRows;
        int whole = _rows - row >= PanelRows ? Math.Min(endBlock, _tokens / TTiles.MaxTokens) : firstBlock;
        int cut = whole - firstBlock > 1 ? CutBytes / _stepBytes : _steps;
        for (int step = 0; step < _steps && whole > firstBlock; step += cut)
        {
            int steps = Math.Min(cut, _steps - step);
            for (int block = firstBlock; block < whole; block++)
            {
                TTiles.Run(TTiles.MaxTokens, Activations(block, TTiles.MaxTokens, step), w + (long)step * _stepBytes, steps,
                    Output(block, row), _yStride, step > 0);
            }
        }
        if (_bias != null)
        {
            for (int t = firstBlock * TTiles.MaxTokens; t < whole * TTiles.MaxTokens; t++)
            {
                float* y = _y + (long)t * _yStride + row;
                for (int r = 0; r < PanelRows; r++)
                {
                    y[r] += _bias[row + r];
                }
            }
        }
        // Blocks that end beyond the last token or row go through a buffer; their sums are the same.
        for (int block = Math.Max(whole, firstBlock); block < endBlock; block++)
        {
            Ragged(w, row, block);
        }
    }

    private void Ragged(byte* w, int row, int block)
    {
        float* buffer = stackalloc float[TTiles.MaxTokens * PanelRows];
        int tokens = Math.Min(TTiles.MaxTokens, _tokens - block * TTiles.MaxTokens);
        int width = TTiles.Fit(tokens);
        TTiles.Run(width, Activations(block, width, 0), w, _steps, buffer, PanelRows, false);
        int columns = Math.Min(PanelRows, _rows - row);
        float* y = Output(block, row);
        for (int t = 0; t < tokens; t++)
        {
            for (int r = 0; r < columns; r++)
            {
                float sum = buffer[t * PanelRows + r];
                y[(long)t * _yStride + r] = _bias != null ? sum + _bias[row + r] : sum;
            }
        }
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private byte* Activations(int block, int width, int step)
    {
        int bytes = TTiles.Bf16Pairs ? 4 : 8;
        return _x + ((long)block * TTiles.MaxTokens * _steps + (long)step * width) * bytes;
    }

    private float* Output(int block, int row) => _y + (long)block * TTiles.MaxTokens * _yStride + row;
}
