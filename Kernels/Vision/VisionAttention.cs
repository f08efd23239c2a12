using Llama4Kernels.Kernels.Attention;
using Llama4Kernels.Kernels.Contracts;
using Llama4Kernels.Kernels.Rope;
using Llama4Kernels.Kernels.Threading;

namespace Llama4Kernels.Kernels.Vision;

/// <summary>
/// Bidirectional attention within each tile. qkv [tiles·n, 3·H·d], its q and k rotated in place by angles [n, d]; output
/// [tiles·n, H·d]. 4·H·d·n FLOPs per row. Shares the tiled core of text attention: a tile is a cache of one block whose
/// keys lie among the projections.
/// </summary>
internal static unsafe partial class VisionAttention
{
    /// <summary>Queries that share one transposition of the keys, which here is dearer than in a paged cache.</summary>
    private const int MaxTileTokens = 160;

    /// <summary>Rotates, then attends.</summary>
    /// <exception cref="ArgumentException">Shapes differ or the head size is odd.</exception>
    public static void Run(ThreadTeam team, CpuScratch scratch, Tensor qkv, int tiles, int heads, Tensor angles, Tensor output)
    {
        int tokens = angles.Rows;
        int dim = angles.Columns;
        Check(MemoryPlace.Host, qkv, tiles, heads, angles, output);
        if (tiles == 0)
        {
            return;
        }
        team.Run(qkv.Rows, new RotateJob(qkv, 2 * heads, angles));
        int perTile = (tokens + MaxTileTokens - 1) / MaxTileTokens;
        int tileTokens = (tokens + perTile - 1) / perTile;
        AttentionPlan plan = new()
        {
            Queries = qkv.Pointer,
            QueryColumns = qkv.Columns,
            Output = output.Pointer,
            OutputColumns = output.Columns,
            KvHeads = heads,
            Group = 1,
            HeadDim = dim,
            BlockTokens = tokens,
            Blocks = (byte*)qkv.Pointer,
            BlockBytes = (long)tokens * qkv.Columns * sizeof(float),
            KeyOffset = (long)heads * dim,
            ValueOffset = 2L * heads * dim,
            HeadStride = dim,
            KeyTokenStride = qkv.Columns,
            KeyDimStride = 1,
            ValueTokenStride = qkv.Columns,
            TileRows = tileTokens,
        };
        long workBytes = TiledAttention.ScratchBytes<PlainAttention>(team, plan, tiles * perTile, tokens);
        byte* memory = scratch.Require(workBytes + (long)tiles * perTile * sizeof(AttentionTile) + (long)tiles * sizeof(int));
        AttentionTile* table = (AttentionTile*)(memory + workBytes);
        int* blocks = (int*)(table + tiles * perTile);
        for (int tile = 0; tile < tiles; tile++)
        {
            blocks[tile] = tile;
            for (int part = 0; part < perTile; part++)
            {
                int row = part * tileTokens;
                table[tile * perTile + part] = new AttentionTile(tile * tokens + row, Math.Min(tileTokens, tokens - row), tokens, 0, (nint)(blocks + tile));
            }
        }
        TiledAttention.Run<PlainAttention>(team, plan, table, tiles * perTile, tokens, (float*)memory);
    }

    internal static void Check(MemoryPlace place, Tensor qkv, int tiles, int heads, Tensor angles, Tensor output)
    {
        int tokens = angles.Rows;
        int dim = angles.Columns;
        ShapeCheck.Require(tiles >= 0 && heads > 0 && tokens > 0, "Tiles, heads or tokens are negative or none.", nameof(tiles));
        ShapeCheck.Require(dim > 0 && dim % 2 == 0, "The head size is odd; rotation works on pairs.", nameof(angles));
        ShapeCheck.Require(angles, place, tokens, dim, nameof(angles));
        ShapeCheck.Require(qkv, place, tiles * tokens, 3 * heads * dim, nameof(qkv));
        ShapeCheck.Require(output, place, tiles * tokens, heads * dim, nameof(output));
    }

    private readonly struct RotateJob(Tensor qkv, int vectors, Tensor angles) : ITeamJob
    {
        public void Execute(int item, int worker)
        {
            float* row = qkv.Pointer + (long)item * qkv.Columns;
            float* pairs = angles.Pointer + (long)(item % angles.Rows) * angles.Columns;
            for (int vector = 0; vector < vectors; vector++)
            {
                Rotation.Apply(row + (long)vector * angles.Columns, pairs, angles.Columns);
            }
        }
    }
}
