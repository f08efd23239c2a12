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
        ArenaPlan plan = Plan(c, maxRows, maxLogitRows);
        _arena = backend.Allocate(plan.Bytes);
        _hidden = plan.View(_arena, 0);
        _normed = plan.View(_arena, 1);
        _qkv = plan.View(_arena, 2);
        _heads = plan.View(_arena, 3);
        _block = plan.View(_arena, 4);
        _gateUp = plan.View(_arena, 5);
        _gated = plan.View(_arena, 6);
        _routerLogits = plan.View(_arena, 7);
        _angles = plan.View(_arena, 8);
        _queryScales = plan.View(_arena, 9);
        Logits = plan.View(_arena, 10);
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
    public static long Bytes(TextConfig c, int maxRows, int maxLogitRows) => Plan(c, maxRows, maxLogitRows).Bytes;

    // In the order in which the constructor takes them.
    private static ArenaPlan Plan(TextConfig c, int maxRows, int maxLogitRows)
    {
        var shape = new AttentionShape(c.Heads, c.KvHeads, c.HeadDim);
        int widest = c.LayerKinds.Max(l => l.IsMoe ? c.IntermediateSize : c.IntermediateSizeMlp);
        return new ArenaPlan(
            (maxRows, c.HiddenSize),
            (maxRows, c.HiddenSize),
            (maxRows, shape.QkvColumns),
            (maxRows, shape.QueryColumns),
            (maxRows, c.HiddenSize),
            (maxRows, 2 * widest),
            (maxRows, widest),
            (maxRows, Math.Max(c.Experts, 1)),
            (maxRows, c.HeadDim),
            (maxRows, 1),
            (maxLogitRows, c.VocabSize));
    }
}
