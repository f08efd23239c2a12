using Llama4Kernels.Kernels.Contracts;
using Llama4Kernels.Kernels.Threading;

namespace Llama4Kernels.Kernels.Attention;

internal static unsafe partial class PagedAttention
{
    private static void RunCpu(ThreadTeam team, CpuScratch scratch, Tensor qkv, AttentionShape shape, CpuKvStep cache, int layer, Tensor output)
    {
        int tileTokens = TiledAttention.TileTokens(shape.Heads / shape.KvHeads);
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
        AttentionPlan plan = Plan(qkv, shape, cache, layer, output);
        long workBytes = TiledAttention.ScratchBytes(team, plan, tileCount, maxKeys);
        byte* memory = scratch.Require(workBytes + (long)tileCount * sizeof(AttentionTile));
        AttentionTile* tiles = (AttentionTile*)(memory + workBytes);
        FillTiles(cache, tileTokens, tiles);
        KvCodecs.Use(cache.Layout.Format, new Attend(team, plan, tiles, tileCount, maxKeys, (float*)memory));
    }

    /// <summary>Where the step's operands lie.</summary>
    internal static AttentionPlan Plan(Tensor qkv, AttentionShape shape, CpuKvStep cache, int layer, Tensor output)
    {
        int group = shape.Heads / shape.KvHeads, largest = 0;
        foreach (KvSegment segment in cache.Segments)
        {
            largest = Math.Max(largest, segment.Rows);
        }
        KvLayout layout = cache.Layout;
        return new AttentionPlan
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
            KeyOffset = 0,
            ValueOffset = layout.ValueOffset,
            HeadStride = layout.HeadStride,
            KeyTokenStride = layout.KeyTokenStride,
            KeyDimStride = layout.KeyDimStride,
            ValueTokenStride = layout.ValueTokenStride,
            TileRows = Math.Min(TiledAttention.TileTokens(group), largest) * group,
        };
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

    private readonly struct Attend(ThreadTeam team, AttentionPlan plan, AttentionTile* tiles, int count, int maxKeys, float* scratch) : IKvUse
    {
        public void Run<TCodec>()
            where TCodec : struct, IKvCodec => TiledAttention.Run<TCodec>(team, plan, tiles, count, maxKeys, scratch);
    }
}
