using Llama4Kernels.Kernels.Contracts;
using Llama4Kernels.Kernels.Threading;

namespace Llama4Kernels.Kernels.Attention;

internal static unsafe partial class PagedAttention
{
    private static void RunCpu(ThreadTeam team, CpuScratch scratch, Tensor qkv, AttentionShape shape, CpuKvStep cache, int layer, Tensor output, AttentionRecord form)
    {
        int tileTokens = form.TileTokens(shape.Heads / shape.KvHeads);
        int tileCount = 0;
        int maxKeys = 0;
        foreach (KvSegment segment in cache.Segments)
        {
            tileCount += (segment.Rows + tileTokens - 1) / tileTokens;
            maxKeys = Math.Max(maxKeys, segment.LocalPosition + segment.Rows);
        }
        if (tileCount == 0)
        {
            return;
        }
        AttentionPlan plan = Plan(qkv, shape, cache, layer, output, tileTokens);
        long workBytes = form.ScratchBytes(team, plan, tileCount, maxKeys);
        byte* memory = scratch.Require(workBytes + (long)tileCount * sizeof(AttentionTile));
        AttentionTile* tiles = (AttentionTile*)(memory + workBytes);
        FillTiles(cache, tileTokens, tiles);
        form.Run(team, plan, tiles, tileCount, maxKeys, (float*)memory);
    }

    /// <summary>Where the step's operands lie.</summary>
    private static AttentionPlan Plan(Tensor qkv, AttentionShape shape, CpuKvStep cache, int layer, Tensor output, int tileTokens)
    {
        int group = shape.Heads / shape.KvHeads, largest = 0;
        foreach (KvSegment segment in cache.Segments)
        {
            largest = Math.Max(largest, segment.Rows);
        }
        KvLayout layout = cache.Layout;
        AttentionPlan plan = new()
        {
            Queries = qkv.Pointer,
            QueryColumns = qkv.Columns,
            Output = output.Pointer,
            OutputColumns = output.Columns,
            KvHeads = shape.KvHeads,
            Group = group,
            HeadDim = shape.HeadDim,
            BlockTokens = layout.BlockTokens,
            Blocks = (byte*)cache.Layer(layer),
            BlockBytes = layout.BlockBytes,
            HeadStride = layout.HeadStride,
            TileRows = Math.Min(tileTokens, largest) * group,
        };
        return layout.InPairs
            ? plan with { KeyPanels = layout.KeyPanels, ValuePanels = layout.ValuePanels }
            : plan with { ValueOffset = layout.ValueOffset, KeyTokenStride = layout.KeyTokenStride, KeyDimStride = layout.KeyDimStride, ValueTokenStride = layout.ValueTokenStride };
    }

    /// <summary>Cuts the step: a tile has rows of one sequence, so that one that decodes has its own, whatever else is in the step.</summary>
    internal static void FillTiles(CpuKvStep cache, int tileTokens, AttentionTile* tiles)
    {
        foreach (KvSegment segment in cache.Segments)
        {
            for (int row = 0; row < segment.Rows; row += tileTokens)
            {
                int tokens = Math.Min(tileTokens, segment.Rows - row);
                *tiles++ = new AttentionTile(segment.FirstRow + row, tokens, segment.LocalPosition + row + 1, 1, (nint)cache.Table(segment));
            }
        }
    }
}
