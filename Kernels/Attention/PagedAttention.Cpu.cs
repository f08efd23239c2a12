using Llama4Kernels.Kernels.Contracts;
using Llama4Kernels.Kernels.Threading;

namespace Llama4Kernels.Kernels.Attention;

internal static unsafe partial class PagedAttention
{
    private static void RunCpu(ThreadTeam team, CpuScratch scratch, Tensor qkv, AttentionShape shape, KvLayout layout, ReadOnlySpan<KvSegment> segments, Tensor output)
    {
        int group = shape.Heads / shape.KvHeads;
        int tileTokens = TiledAttention.TileTokens(group);
        int tileCount = 0;
        int largest = 0;
        int maxKeys = 0;
        foreach (KvSegment segment in segments)
        {
            tileCount += (segment.Rows + tileTokens - 1) / tileTokens;
            largest = Math.Max(largest, segment.Rows);
            maxKeys = Math.Max(maxKeys, segment.Rows == 0 ? 0 : segment.LocalPosition + segment.Rows);
        }
        if (tileCount == 0)
        {
            return;
        }
        AttentionPlan plan = new()
        {
            Queries = qkv.Pointer,
            QueryColumns = qkv.Columns,
            Output = output.Pointer,
            OutputColumns = output.Columns,
            KvHeads = shape.KvHeads,
            Group = group,
            HeadDim = shape.HeadDim,
            PageTokens = layout.PageTokens,
            KeyOffset = 0,
            ValueOffset = (long)layout.KvHeads * layout.PageTokens * layout.HeadDim,
            HeadStride = (long)layout.PageTokens * layout.HeadDim,
            KeyTokenStride = 1,
            KeyDimStride = layout.PageTokens,
            ValueTokenStride = layout.HeadDim,
            IsBf16 = layout.Format == KvFormat.BF16,
            TileRows = Math.Min(tileTokens, largest) * group,
        };
        long workBytes = TiledAttention.ScratchBytes(team, plan, tileCount, maxKeys);
        byte* memory = scratch.Require(workBytes + (long)tileCount * sizeof(AttentionTile));
        AttentionTile* tiles = (AttentionTile*)(memory + workBytes);
        FillTiles(segments, tileTokens, tiles);
        TiledAttention.Run(team, plan, tiles, tileCount, maxKeys, (float*)memory);
    }

    private static void FillTiles(ReadOnlySpan<KvSegment> segments, int tileTokens, AttentionTile* tiles)
    {
        foreach (KvSegment segment in segments)
        {
            for (int row = 0; row < segment.Rows; row += tileTokens)
            {
                int tokens = Math.Min(tileTokens, segment.Rows - row);
                *tiles++ = new AttentionTile(segment.FirstRow + row, tokens, segment.LocalPosition + row + 1, 1, segment.PageTable);
            }
        }
    }
}
