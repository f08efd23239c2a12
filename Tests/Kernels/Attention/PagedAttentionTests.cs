using Llama4Kernels.Kernels.Attention;
using Llama4Kernels.Kernels.Contracts;
using Llama4Kernels.Kernels.Numerics;
using Llama4Kernels.Kernels.Threading;
using Llama4Kernels.Tests.Kernels.Backends;
using Llama4Kernels.Tests.Oracles;

namespace Llama4Kernels.Tests.Kernels.Attention;

public sealed class PagedAttentionTests
{
    [Theory]
    [InlineData(1, 1, 1, 16, KvFormat.F32, 1)]
    [InlineData(2, 1, 7, 5, KvFormat.F32, 130)]
    [InlineData(5, 1, 128, 64, KvFormat.F32, 77)]
    [InlineData(6, 3, 20, 16, KvFormat.BF16, 200)]
    [InlineData(2, 2, 32, 48, KvFormat.F32, 1100)]
    public void AgreesWithTheOracle(int heads, int kvHeads, int dim, int pageTokens, KvFormat format, int tokens)
    {
        AttentionShape shape = new(heads, kvHeads, dim);
        using var team = new ThreadTeam(2);
        using var scratch = new CpuScratch();
        using var sequence = new PagedSequence(shape, PagedSequence.NewLayout(pageTokens, kvHeads, dim, format), tokens, 7);
        sequence.Step(team, scratch, 0, tokens);
        float[] qkv = sequence.Qkv.Values.ToArray();
        double Cached(int position, int column)
        {
            float value = qkv[position * shape.QkvColumns + shape.QueryColumns + column];
            return format == KvFormat.F32 ? value : Bf16.Round(value);
        }

        // The first, the last and some rows between: the oracle is slow.
        foreach (int row in Enumerable.Range(0, tokens).Where(t => t % 37 == 0 || t == tokens - 1))
        {
            for (int head = 0; head < heads; head++)
            {
                int kvHead = head / (heads / kvHeads);
                double[] expected = AttentionOracle.Attend(
                    qkv.AsSpan(row * shape.QkvColumns + head * dim, dim), row + 1,
                    (s, c) => Cached(s, kvHead * dim + c), (s, c) => Cached(s, (kvHeads + kvHead) * dim + c));
                Closeness.Check(expected, sequence.Output.Values.Slice(row * shape.QueryColumns + head * dim, dim), 3e-6);
            }
        }
    }

    [Theory]
    [InlineData(1)]
    [InlineData(2)]
    [InlineData(5)]
    public void CutsAndThreadsDoNotChangeABit(int threads)
    {
        AttentionShape shape = new(5, 1, 24);
        KvLayout layout = PagedSequence.NewLayout(32, 1, 24, KvFormat.BF16);
        using var one = new ThreadTeam(1);
        using var team = new ThreadTeam(threads);
        using var scratch = new CpuScratch();
        using var whole = new PagedSequence(shape, layout, 1200, 3);
        using var cut = new PagedSequence(shape, layout, 1200, 3);
        whole.Step(one, scratch, 0, 1200);
        int position = 0;
        foreach (int rows in new[] { 1, 63, 450, 3, 600 })
        {
            cut.Step(team, scratch, position, rows);
            position += rows;
        }
        for (; position < 1200; position++)
        {
            cut.Step(team, scratch, position, 1);
        }
        Assert.Equal(whole.Output.Values.ToArray(), cut.Output.Values.ToArray());
    }

    [Fact]
    public void SequencesOfOneBatchDoNotTouchEachOther()
    {
        AttentionShape shape = new(2, 1, 16);
        KvLayout layout = PagedSequence.NewLayout(16, 1, 16, KvFormat.F32);
        using var team = new ThreadTeam(2);
        using var scratch = new CpuScratch();
        using var first = new PagedSequence(shape, layout, 40, 1);
        using var second = new PagedSequence(shape, layout, 40, 2);
        first.Step(team, scratch, 0, 40);
        second.Step(team, scratch, 0, 40);
        // Both once more in one cache: each row by row beside the other, and the last ones of both in one step with a row between them.
        using var memory = new CpuMemory(6 * layout.BlockBytes);
        using var step = new CpuKvStep(layout, memory, 0, 6);
        int[] tables = [4, 0, 2, 1, 5, 3];
        using var qkv = new HostTensor(7, shape.QkvColumns);
        using var output = new HostTensor(7, shape.QueryColumns);
        for (int position = 0; position < 38; position++)
        {
            first.Qkv.Values.Slice(position * shape.QkvColumns, shape.QkvColumns).CopyTo(qkv.Values);
            second.Qkv.Values.Slice(position * shape.QkvColumns, shape.QkvColumns).CopyTo(qkv.Values[shape.QkvColumns..]);
            step.Set(2, [new(0, 1, position, 0), new(1, 1, position, 3)], tables);
            RotateNormAppend.Run(team, qkv.View.Slice(0, 2), shape, null, null, null, step, 2);
        }
        first.Qkv.Values[(37 * shape.QkvColumns)..].CopyTo(qkv.Values);
        second.Qkv.Values[(38 * shape.QkvColumns)..].CopyTo(qkv.Values[(4 * shape.QkvColumns)..]);
        step.Set(7, [new(0, 3, 37, 0), new(4, 2, 38, 3)], tables);
        RotateNormAppend.Run(team, qkv.View, shape, null, null, null, step, 2);
        PagedAttention.Run(team, scratch, PagedSequence.Exact, qkv.View, shape, step, 2, output.View);
        Assert.Equal(first.Output.Values[(37 * 32)..].ToArray(), output.Values[..(3 * 32)].ToArray());
        Assert.Equal(second.Output.Values[(38 * 32)..].ToArray(), output.Values[(4 * 32)..(6 * 32)].ToArray());
        Assert.Equal(new float[32], output.Values[(3 * 32)..(4 * 32)].ToArray());
    }

    [Fact]
    public void LargeScoresDoNotOverflowAndNaNStaysInItsRow()
    {
        AttentionShape shape = new(1, 1, 8);
        using var team = new ThreadTeam(1);
        using var scratch = new CpuScratch();
        using var sequence = new PagedSequence(shape, PagedSequence.NewLayout(16, 1, 8, KvFormat.F32), 100, 5);
        foreach (ref float value in sequence.Qkv.Values)
        {
            value *= 1e4f;
        }
        sequence.Qkv.Values[50 * shape.QkvColumns] = float.NaN;
        sequence.Step(team, scratch, 0, 100);
        for (int row = 0; row < 100; row++)
        {
            Assert.Equal(row == 50, float.IsNaN(sequence.Output.Values[row * 8]));
        }
    }

    [Fact]
    public void WrongCallsAreRefused()
    {
        using var team = new ThreadTeam(1);
        using var scratch = new CpuScratch();
        using var qkv = new HostTensor(4, 40);
        using var output = new HostTensor(4, 24);
        AttentionShape shape = new(3, 1, 8);
        KvLayout layout = new(16, 1, 1, 8, KvFormat.F32);
        using var memory = new CpuMemory(2 * layout.BlockBytes);
        using var step = new CpuKvStep(layout, memory, 0, 2);
        step.Set(4, [], []);
        PagedAttention.Run(team, scratch, PagedSequence.Exact, qkv.View, shape, step, 0, output.View);
        Assert.Throws<ArgumentException>(() => PagedAttention.Run(team, scratch, PagedSequence.Exact, qkv.View, new AttentionShape(3, 2, 8), step, 0, output.View));
        Assert.Throws<ArgumentException>(() => PagedAttention.Run(team, scratch, PagedSequence.Exact, qkv.View, new AttentionShape(1, 1, 16), step, 0, output.View));
        Assert.Throws<ArgumentException>(() => PagedAttention.Run(team, scratch, PagedSequence.Exact, qkv.View, shape, step, 0, qkv.View));
        step.Set(3, [], []);
        Assert.Throws<ArgumentException>(() => PagedAttention.Run(team, scratch, PagedSequence.Exact, qkv.View, shape, step, 0, output.View));
        step.Set(4, [new KvSegment(0, 4, 0, 0)], [1]);
        Assert.Throws<ArgumentOutOfRangeException>(() => PagedAttention.Run(team, scratch, PagedSequence.Exact, qkv.View, shape, step, 1, output.View));
    }

    public static TheoryData<int, int, int, int, int[]> WrongSteps() => new()
    {
        { 2, 3, 0, 0, [0] },
        { 0, 1, 0, 0, [] },
        { 0, 1, 16, 0, [0] },
        { 0, 1, 0, 1, [0] },
        { 0, 1, -1, 0, [0] },
        { 0, 1, int.MaxValue, 0, [0] },
        { 0, 0, 0, 0, [0] },
        { 0, 1, 0, 0, [2] },
        { 0, 1, 0, 0, [-1] },
    };

    [Theory]
    [MemberData(nameof(WrongSteps))]
    public void AStepThatReachesBeyondItsRowsOrBlocksIsRefused(int firstRow, int rows, int position, int table, int[] tables)
    {
        KvLayout layout = new(16, 1, 1, 8, KvFormat.F32);
        using var memory = new CpuMemory(2 * layout.BlockBytes);
        using var step = new CpuKvStep(layout, memory, 0, 2);
        Assert.Throws<ArgumentException>(() => step.Set(4, [new KvSegment(firstRow, rows, position, table)], tables));
    }

    [Theory]
    [InlineData(0, 1, 1, 8)]
    [InlineData(16, 0, 1, 8)]
    [InlineData(16, 1, -1, 8)]
    [InlineData(16, 1, 1, 0)]
    public void ALayoutHasPositiveNumbers(int blockTokens, int layers, int kvHeads, int dim) =>
        Assert.Throws<ArgumentOutOfRangeException>(() => new KvLayout(blockTokens, layers, kvHeads, dim, KvFormat.F32));
}
