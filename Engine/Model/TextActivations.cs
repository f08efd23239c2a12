using Llama4Kernels.Engine.Config;
using Llama4Kernels.Kernels.Backends;
using Llama4Kernels.Kernels.Contracts;

namespace Llama4Kernels.Engine.Model;

/// <summary>The activations of a step, in one arena sized when a runner is made; <see cref="Use"/> views T rows of it.</summary>
internal sealed class TextActivations : IDisposable
{
    private readonly DeviceMemory _arena;
    private readonly int _maxRows;
    private readonly Tensor _hidden, _normed, _qkv, _heads, _block, _gateUp, _gated, _routerLogits, _angles, _queryScales;
    private int _rows;

    public TextActivations(TextConfig c, IBackend backend, int maxRows, int maxLogitRows)
    {
        _maxRows = maxRows;
        int[] columns = Columns(c);
        _arena = backend.Allocate(Bytes(c, maxRows, maxLogitRows));
        long offset = 0;
        Tensor Take(int rows, int width)
        {
            Tensor view = _arena.View(rows, width, offset);
            offset += Aligned(view.Elements * sizeof(float));
            return view;
        }
        _hidden = Take(maxRows, columns[0]);
        _normed = Take(maxRows, columns[1]);
        _qkv = Take(maxRows, columns[2]);
        _heads = Take(maxRows, columns[3]);
        _block = Take(maxRows, columns[4]);
        _gateUp = Take(maxRows, columns[5]);
        _gated = Take(maxRows, columns[6]);
        _routerLogits = Take(maxRows, columns[7]);
        _angles = Take(maxRows, columns[8]);
        _queryScales = Take(maxRows, columns[9]);
        Logits = Take(maxLogitRows, c.VocabSize);
        Routing = backend.CreateRouting(maxRows, Math.Max(c.Experts, 1), Math.Max(c.ExpertsPerToken, 1));
    }

    /// <summary>Rows that there is room for in a step that gives the logits of each.</summary>
    public int MostDecodeRows => Math.Min(_maxRows, Logits.Rows);

    /// <summary>[T, D] residual stream</summary>
    public Tensor Hidden => _hidden.Slice(0, _rows);

    /// <summary>[T, D] input of a block</summary>
    public Tensor Normed => _normed.Slice(0, _rows);

    /// <summary>[T, (H+2K)·d]</summary>
    public Tensor Qkv => _qkv.Slice(0, _rows);

    /// <summary>[T, H·d] attention output</summary>
    public Tensor Heads => _heads.Slice(0, _rows);

    /// <summary>[T, D] output of a block</summary>
    public Tensor Block => _block.Slice(0, _rows);

    /// <summary>[T, E]</summary>
    public Tensor RouterLogits => _routerLogits.Slice(0, _rows);

    /// <summary>[T, d] cos and sin pairs</summary>
    public Tensor Angles => _angles.Slice(0, _rows);

    /// <summary>[T, 1]</summary>
    public Tensor QueryScales => _queryScales.Slice(0, _rows);

    /// <summary>[maxLogitRows, V]</summary>
    public Tensor Logits { get; }

    public Routing Routing { get; }

    /// <summary>[T, 2F]</summary>
    public Tensor GateUp(int width) => _gateUp.As(_rows, 2 * width);

    /// <summary>[T, F]</summary>
    public Tensor Gated(int width) => _gated.As(_rows, width);

    public void Use(int rows)
    {
        ArgumentOutOfRangeException.ThrowIfGreaterThan(rows, _maxRows);
        _rows = rows;
    }

    public void Dispose()
    {
        Routing.Dispose();
        _arena.Dispose();
    }

    /// <summary>Bytes of the arena.</summary>
    public static long Bytes(TextConfig c, int maxRows, int maxLogitRows) =>
        Aligned((long)maxLogitRows * c.VocabSize * sizeof(float)) + Columns(c).Sum(n => Aligned((long)maxRows * n * sizeof(float)));

    // In the order in which the constructor takes them.
    private static int[] Columns(TextConfig c)
    {
        var shape = new AttentionShape(c.Heads, c.KvHeads, c.HeadDim);
        int widest = c.LayerKinds.Max(l => l.IsMoe ? c.IntermediateSize : c.IntermediateSizeMlp);
        return [c.HiddenSize, c.HiddenSize, shape.QkvColumns, shape.QueryColumns, c.HiddenSize, 2 * widest, widest, Math.Max(c.Experts, 1), c.HeadDim, 1];
    }

    private static long Aligned(long bytes) => (bytes + 63) & ~63L;
}
