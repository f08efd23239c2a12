using Llama4Kernels.Kernels.Attention;
using Llama4Kernels.Kernels.Backends;
using Llama4Kernels.Kernels.Contracts;
using Llama4Kernels.Kernels.MatMul;
using Llama4Kernels.Kernels.Numerics;
using Llama4Kernels.Kernels.Threading;
using Llama4Kernels.Tests.Kernels.Backends;
using Llama4Kernels.Tests.Oracles;

namespace Llama4Kernels.Tests.Kernels.Attention;

/// <summary>Attention over keys and values in pairs, by every form that this processor can run.</summary>
public sealed class PairAttentionTests
{
    public static TheoryData<string> Names() =>
        [.. AttentionForms.All.Where(record => record.InPairs && record.Lack(CpuLimits.This) is null).Select(record => record.Name)];

    /// <summary>Heads, key/value heads, d, slots of a block, tokens: odd sizes, several panels, blocks beside and below a tile's 128 positions, groups of many heads, heads of more than 128 components.</summary>
    private static readonly (int Heads, int KvHeads, int Dim, int Block, int Tokens)[] s_cases =
    [
        (5, 1, 128, 64, 300), (10, 2, 128, 128, 150), (4, 2, 64, 64, 131), (2, 1, 7, 5, 130), (3, 1, 80, 200, 410), (1, 1, 1, 1, 9),
        (8, 1, 20, 3, 140), (6, 3, 136, 16, 70), (11, 1, 32, 96, 200), (2, 2, 300, 33, 40),
    ];

    /// <summary>In float64 over the same bits of the cache, and of the queries where the form rounds them; then weights have eight bits.</summary>
    [Theory]
    [MemberData(nameof(Names))]
    public void AgreesWithTheOracle(string name)
    {
        AttentionForms forms = new(ActivationPrecision.BFloat16, name);
        foreach ((int heads, int kvHeads, int dim, int block, int tokens) in s_cases)
        {
            AttentionShape shape = new(heads, kvHeads, dim);
            using var team = new ThreadTeam(2);
            using var scratch = new CpuScratch();
            using var sequence = new PagedSequence(shape, PagedSequence.NewLayout(block, kvHeads, dim, KvFormat.BF16), tokens, dim);
            sequence.Step(team, scratch, 0, tokens, forms);
            bool rounds = forms.For(sequence.Layout).Operands != ActivationPrecision.Float32;
            float[] qkv = sequence.Qkv.Values.ToArray();
            double Cached(int position, int column) => Bf16.Round(qkv[position * shape.QkvColumns + shape.QueryColumns + column]);
            foreach (int row in Enumerable.Range(0, tokens).Where(t => t % 29 == 0 || t == tokens - 1))
            {
                for (int head = 0; head < heads; head++)
                {
                    int kvHead = head / (heads / kvHeads);
                    float[] query = qkv[(row * shape.QkvColumns + head * dim)..][..dim];
                    float[] operand = rounds ? Array.ConvertAll(query, Bf16.Round) : query;
                    double[] expected = AttentionOracle.Attend(operand, row + 1, (s, c) => Cached(s, kvHead * dim + c), (s, c) => Cached(s, (kvHeads + kvHead) * dim + c));
                    ReadOnlySpan<float> actual = sequence.Output.Values.Slice(row * shape.QueryColumns + head * dim, dim);
                    if (!rounds)
                    {
                        Closeness.Check(expected, actual, 3e-6);
                        continue;
                    }
                    // Each weight is off by half a unit of its eight bits at the most, and by what the polynomial is.
                    double[] sizes = AttentionOracle.Attend(operand, row + 1, (s, c) => Cached(s, kvHead * dim + c), (s, c) => Math.Abs(Cached(s, (kvHeads + kvHead) * dim + c)));
                    for (int c = 0; c < dim; c++)
                    {
                        Assert.True(Math.Abs(expected[c] - actual[c]) <= (1 / 512.0 + 3e-4) * sizes[c], $"{(heads, kvHeads, dim, block, tokens)}, row {row}, head {head}, component {c}: {actual[c]}, expected {expected[c]} of {sizes[c]}");
                    }
                }
            }
        }
    }

    /// <summary>Several splits, tiles of several tokens, parts of a group: a row's bits are those of the row decoded alone.</summary>
    [Theory]
    [MemberData(nameof(Names))]
    public void CutsAndThreadsDoNotChangeABit(string name)
    {
        AttentionForms forms = new(ActivationPrecision.BFloat16, name);
        const int Tokens = 4500;
        AttentionShape shape = new(6, 1, 24);
        KvLayout layout = PagedSequence.NewLayout(48, 1, 24, KvFormat.BF16);
        using var one = new ThreadTeam(1);
        using var team = new ThreadTeam(3);
        using var scratch = new CpuScratch();
        using var whole = new PagedSequence(shape, layout, Tokens, 3);
        using var cut = new PagedSequence(shape, layout, Tokens, 3);
        whole.Step(one, scratch, 0, Tokens, forms);
        int position = 0;
        foreach (int rows in new[] { 1, 63, 450, 3, 1500, 31, 2000 })
        {
            cut.Step(team, scratch, position, rows, forms);
            position += rows;
        }
        for (; position < Tokens; position++)
        {
            cut.Step(position % 2 == 0 ? team : one, scratch, position, 1, forms);
        }
        Assert.Equal(whole.Output.Values.ToArray(), cut.Output.Values.ToArray());
    }

    /// <summary>Vectors of any length have the same sums in the same order.</summary>
    [Fact]
    public void FormsInFloat32HaveTheSameBits()
    {
        AttentionShape shape = new(6, 2, 40);
        using var team = new ThreadTeam(2);
        using var scratch = new CpuScratch();
        float[][] outputs = [.. AttentionForms.All.Where(record => record.InPairs && record.Operands == ActivationPrecision.Float32 && record.Lack(CpuLimits.This) is null).Select(record =>
        {
            using var sequence = new PagedSequence(shape, PagedSequence.NewLayout(48, 2, 40, KvFormat.BF16), 333, 7);
            sequence.Step(team, scratch, 0, 333, new AttentionForms(ActivationPrecision.Float32, record.Name));
            return sequence.Output.Values.ToArray();
        })];
        Assert.All(outputs, output => Assert.Equal(outputs[0], output));
        Assert.Contains(outputs[0], value => value != 0);
    }

    /// <summary>Rows after one with NaN are appended beside it, in the same pairs and tiles; those before it do not see it.</summary>
    [Theory]
    [MemberData(nameof(Names))]
    public void NaNReachesOnlyRowsThatSeeIt(string name)
    {
        AttentionForms forms = new(ActivationPrecision.BFloat16, name);
        AttentionShape shape = new(2, 1, 16);
        using var team = new ThreadTeam(1);
        using var scratch = new CpuScratch();
        foreach (int column in new[] { 0, 32, 48 })
        {
            foreach (int bad in new[] { 40, 41, 64, 127, 128 })
            {
                using var sequence = new PagedSequence(shape, PagedSequence.NewLayout(16, 1, 16, KvFormat.BF16), 150, 5);
                sequence.Qkv.Values[bad * shape.QkvColumns + column] = float.NaN;
                sequence.Step(team, scratch, 0, 150, forms);
                for (int row = 0; row < 150; row++)
                {
                    // A query's is its own head's; a key's and a value's everybody's behind it.
                    Assert.Equal(column == 0 ? row == bad : row >= bad, float.IsNaN(sequence.Output.Values[row * 32]));
                }
            }
        }
    }

    /// <summary>What a block held before, for instance of a model whose numbers overflowed, has no influence.</summary>
    [Theory]
    [MemberData(nameof(Names))]
    public unsafe void WhatABlockHeldBeforeHasNoInfluence(string name)
    {
        AttentionForms forms = new(ActivationPrecision.BFloat16, name);
        AttentionShape shape = new(2, 1, 20);
        KvLayout layout = PagedSequence.NewLayout(16, 1, 20, KvFormat.BF16);
        using var team = new ThreadTeam(2);
        using var scratch = new CpuScratch();
        using var clean = new PagedSequence(shape, layout, 45, 9);
        using var dirty = new PagedSequence(shape, layout, 45, 9);
        dirty.Blocks.Fill(0xff);
        clean.Step(team, scratch, 0, 45, forms);
        foreach ((int first, int rows) in new[] { (0, 3), (3, 1), (4, 40), (44, 1) })
        {
            dirty.Step(team, scratch, first, rows, forms);
        }
        Assert.Equal(clean.Output.Values.ToArray(), dirty.Output.Values.ToArray());
        Assert.DoesNotContain(clean.Output.Values.ToArray(), float.IsNaN);
    }

    [Theory]
    [MemberData(nameof(Names))]
    public void LargeScoresDoNotOverflow(string name)
    {
        AttentionForms forms = new(ActivationPrecision.BFloat16, name);
        AttentionShape shape = new(1, 1, 8);
        using var team = new ThreadTeam(1);
        using var scratch = new CpuScratch();
        using var sequence = new PagedSequence(shape, PagedSequence.NewLayout(64, 1, 8, KvFormat.BF16), 200, 5);
        foreach (ref float value in sequence.Qkv.Values)
        {
            value *= 1e4f;
        }
        sequence.Step(team, scratch, 0, 200, forms);
        Assert.All(sequence.Output.Values.ToArray(), value => Assert.True(float.IsFinite(value)));
    }

    [Fact]
    public void TheChoiceFollowsPrecisionMachineAndForce()
    {
        KvLayout pairs = PagedSequence.NewLayout(64, 1, 64, KvFormat.BF16), plain = PagedSequence.NewLayout(64, 1, 64, KvFormat.F32);
        CpuLimits all = new(512, true, true, null), noDot = all with { Avx512Bf16 = false }, half = new(256, false, false, null), small = new(128, false, false, null);
        string Name(ActivationPrecision precision, CpuLimits limits, string? forced = null) => new AttentionForms(precision, forced, limits).For(pairs).Name;
        Assert.Equal("attention_bf16_dot", Name(ActivationPrecision.BFloat16, all));
        Assert.Equal("attention_bf16_dot", Name(ActivationPrecision.Int8, all));
        Assert.Equal("attention_bf16_vector512", Name(ActivationPrecision.Float32, all));
        Assert.Equal("attention_bf16_vector512", Name(ActivationPrecision.BFloat16, noDot));
        Assert.Equal("attention_bf16_vector512", Name(ActivationPrecision.BFloat16, all with { AssemblyFault = "refused" }));
        Assert.Equal("attention_bf16_vector256", Name(ActivationPrecision.BFloat16, half));
        Assert.Equal("attention_bf16_vector128", Name(ActivationPrecision.BFloat16, small));
        Assert.Equal("attention_bf16_vector128", Name(ActivationPrecision.BFloat16, all, "attention_bf16_vector128"));
        Assert.Equal("attention_f32_vector512", new AttentionForms(ActivationPrecision.BFloat16, "attention_bf16_vector128", all).For(plain).Name);
        Assert.Contains("attention_bf16_dot", Assert.Throws<PlatformNotSupportedException>(() => new AttentionForms(ActivationPrecision.BFloat16, "attention_bf16_dot", noDot)).Message);
        Assert.Contains("attention_bf16_vector128", Assert.Throws<ArgumentException>(() => new CpuBackend(new CpuBackendOptions { Threads = 1, Attention = "fastest" })).Message);
        using var backend = new CpuBackend(new CpuBackendOptions { Threads = 1, Attention = "attention_bf16_vector128" });
        Assert.Contains("attention_bf16_vector128", backend.Description);
    }

    [Fact]
    public void AnotherBackendsLayoutIsRefused()
    {
        using var memory = new CpuMemory(1 << 16);
        Assert.Throws<ArgumentException>(() => new CpuKvStep(new KvLayout(16, 1, 1, 16, KvFormat.BF16), memory, 0, 1));
        Assert.Throws<ArgumentException>(() => new CpuKvStep(new KvLayout(16, 1, 1, 16, KvFormat.F32, InPairs: true), memory, 0, 1));
        Assert.Throws<InvalidOperationException>(() => new KvLayout(16, 1, 1, 16, KvFormat.BF16, InPairs: true).KeyDimStride);
    }
}
