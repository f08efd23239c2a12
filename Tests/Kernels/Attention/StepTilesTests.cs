using Llama4Kernels.Kernels.Attention;
using Llama4Kernels.Kernels.Contracts;
using Llama4Kernels.Tests.Kernels.Backends;

namespace Llama4Kernels.Tests.Kernels.Attention;

/// <summary>How a step is cut into tiles: rows of one sequence each, also where some decode and others are a prompt.</summary>
public sealed unsafe class StepTilesTests
{
    private const int BlockTokens = 64;

    private static readonly AttentionShape s_shape = new(8, 2, 32);

    [Theory]
    [InlineData(KvFormat.F32)]
    [InlineData(KvFormat.BF16)]
    public void DecodeRowsBesideAPromptHaveTilesOfTheirOwn(KvFormat format)
    {
        KvLayout layout = CpuKvStep.LayoutOf(BlockTokens, 1, s_shape, format);
        using var memory = new CpuMemory(8 * layout.BlockBytes);
        using var step = new CpuKvStep(layout, memory, 0, 8);
        // Two that decode, behind 70 and 5 tokens, and 40 tokens of a prompt.
        step.Set(42, [new KvSegment(0, 1, 70, 0), new KvSegment(1, 1, 5, 2), new KvSegment(2, 40, 0, 3)], [0, 1, 2, 3]);
        // 64 rows of four heads each, and 16 tokens.
        Assert.Equal(16, PagedSequence.Exact.For(layout).TileTokens(s_shape.Heads / s_shape.KvHeads));
        AttentionTile* tiles = stackalloc AttentionTile[5];
        PagedAttention.FillTiles(step, 16, tiles);
        Assert.Equal([(0, 1, 71), (1, 1, 6), (2, 16, 1), (18, 16, 17), (34, 8, 33)],
            new ReadOnlySpan<AttentionTile>(tiles, 5).ToArray().Select(tile => (tile.Row, tile.Tokens, tile.FirstCount)));
    }
}
