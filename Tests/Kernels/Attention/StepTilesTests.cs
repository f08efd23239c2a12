using Llama4Kernels.Kernels.Attention;
using Llama4Kernels.Kernels.Contracts;
using Llama4Kernels.Tests.Kernels.Backends;

namespace Llama4Kernels.Tests.Kernels.Attention;

/// <summary>Rows that decode take the processor's way for few rows and those of a prompt that for many, also where both are in one step.</summary>
public sealed unsafe class StepTilesTests
{
    private const int BlockTokens = 64;

    private static readonly AttentionShape s_shape = new(8, 2, 32);

    /// <summary>Decoding reads keys and values where they lie, in the cache's format; a prompt decodes them once for many rows.</summary>
    [Fact]
    public void DecodeRowsBesideAPromptTakeTheirOwnWay()
    {
        var layout = new KvLayout(BlockTokens, 1, s_shape.KvHeads, s_shape.HeadDim, KvFormat.BF16);
        using var memory = new CpuMemory(8 * layout.BlockBytes);
        using var step = new CpuKvStep(layout, memory, 0, 8);
        // Two that decode, behind 70 and 5 tokens, and 40 tokens of a prompt.
        step.Set(42, [new KvSegment(0, 1, 70, 0), new KvSegment(1, 1, 5, 2), new KvSegment(2, 40, 0, 3)], [0, 1, 2, 3]);
        using var qkv = new HostTensor(42, s_shape.QkvColumns);
        using var output = new HostTensor(42, s_shape.QueryColumns);
        AttentionPlan plan = PagedAttention.Plan(qkv.View, s_shape, step, 0, output.View);
        int tileTokens = TiledAttention.TileTokens(plan.Group);
        AttentionTile* tiles = stackalloc AttentionTile[5];
        PagedAttention.FillTiles(step, tileTokens, tiles);
        Assert.Equal([(0, 1, 71), (1, 1, 6), (2, tileTokens, 1), (2 + tileTokens, tileTokens, 1 + tileTokens), (2 + 2 * tileTokens, 40 - 2 * tileTokens, 1 + 2 * tileTokens)],
            new ReadOnlySpan<AttentionTile>(tiles, 5).ToArray().Select(tile => (tile.Row, tile.Tokens, tile.FirstCount)));
        float[] keys = new float[AttentionCore.BlockKeys * plan.PaddedDim], values = new float[AttentionCore.BlockKeys * plan.PaddedDim];
        fixed (float* keyScratch = keys, valueScratch = values)
        {
            foreach (AttentionTile tile in new ReadOnlySpan<AttentionTile>(tiles, 5))
            {
                KeyValuePanels panels = KeyValueBlock.Get<Bf16KvCodec>(plan, tile.Table, 0, 0, Math.Min(AttentionCore.BlockKeys, tile.KeyCount), tile.Tokens * plan.Group, keyScratch, valueScratch);
                Assert.Equal(tile.Tokens == 1, panels.AreStored);
            }
        }
    }
}
