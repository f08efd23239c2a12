using Llama4Kernels.Engine.Generation;
using Llama4Kernels.Engine.Sampling;
using Llama4Kernels.Kernels.Backends;
using Llama4Kernels.Kernels.Contracts;
using Llama4Kernels.Kernels.Sampling;
using Llama4Kernels.Tests.Kernels.Backends.Cuda;

namespace Llama4Kernels.Tests.Kernels.Sampling;

/// <summary>
/// Tokens drawn on the device against the host's sampler with the same random numbers. The rule: they are equal unless the number lies within
/// float32 rounding of a border between two tokens; one so near is looked at by itself.
/// </summary>
public sealed class TokenDrawTests : IDisposable
{
    private readonly EmulatedBackend _emulated = new();

    public void Dispose() => _emulated.Dispose();

    /// <summary>Rows with steps of their own beside each other, each with its own stream of numbers.</summary>
    [Theory]
    [InlineData(41)]
    [InlineData(1000)]
    public void ManySeedsGiveTheHostsTokens(int columns)
    {
        const int Rows = 16;
        var options = new GenerationOptions[Rows];
        for (int row = 0; row < Rows; row++)
        {
            options[row] = new GenerationOptions
            {
                Temperature = 0.6f + 0.4f * (row % 3),
                TopK = row % 4 == 1 ? 7 : null,
                TopP = row % 5 == 2 ? 1f : 0.85f,
                MinP = row % 7 == 3 ? 0.04f : null,
            };
        }
        HashSet<int> drawn = [];
        for (ulong seed = 0; seed < 12; seed++)
        {
            float[] logits = Numbers(Rows * columns, (int)seed, 4f);
            var rules = new DrawRule[Rows];
            var expected = new int[Rows];
            for (int row = 0; row < Rows; row++)
            {
                SeededRandom random = new(seed, (ulong)row), same = random;
                rules[row] = RuleOf(options[row], random.NextDouble());
                expected[row] = new Sampler(SamplerChain.Create(options[row]), columns).Sample(logits[(row * columns)..((row + 1) * columns)], [], ref same);
            }
            int[] actual = Draw(logits, rules, columns);
            for (int row = 0; row < Rows; row++)
            {
                drawn.Add(actual[row]);
                Assert.True(actual[row] == expected[row] || IsBetween(options[row], rules[row].Uniform, logits[(row * columns)..((row + 1) * columns)], actual[row], expected[row]),
                    $"seed {seed}, row {row}: {actual[row]}, the host drew {expected[row]}");
            }
        }
        Assert.True(drawn.Count > 20);
    }

    /// <summary>The number at a border between two tokens, and as far from it as rounding does not reach.</summary>
    [Fact]
    public void NearABorderOneOfItsTwoTokensIsDrawn()
    {
        const int Columns = 64;
        float[] logits = Numbers(Columns, 5, 3f);
        double[] weights = Array.ConvertAll(logits, logit => Math.Exp((double)logit - logits.Max()));
        double sum = weights.Sum(), before = 0;
        for (int id = 0; id < Columns - 1; id++)
        {
            before += weights[id];
            double border = before / sum;
            DrawRule At(double uniform) => new(1, 0, 1, 0, Math.Floor(uniform * (1L << 53)) / (1L << 53));
            int[] ids = Draw([.. logits, .. logits, .. logits], [At(border - 1e-6), At(border), At(border + 1e-6)], Columns);
            Assert.Equal((id, id + 1), (ids[0], ids[2]));
            Assert.InRange(ids[1], id, id + 1);
        }
    }

    [Fact]
    public void TheBestIsTheLowestOfEqualsAndNothingComesFromInvalidLogits()
    {
        const int Columns = 9;
        float[][] rows = [Numbers(Columns, 6, 1f), Numbers(Columns, 7, 1f), Numbers(Columns, 8, 1f), [.. Enumerable.Repeat(float.NegativeInfinity, Columns)]];
        rows[0][3] = rows[0][7] = 5f;
        rows[1][8] = float.NaN;
        rows[2][0] = float.PositiveInfinity;
        float[] logits = [.. rows.SelectMany(row => row)];
        Assert.Equal([3, -1, -1, -1], Draw(logits, [DrawRule.Best, DrawRule.Best, new DrawRule(0.7f, 3, 0.9f, 0.1f, 0.5), new DrawRule(0.7f, 3, 0.9f, 0.1f, 0.5)], Columns));
    }

    /// <summary>What other rows ask for changes nothing, nor do the logits: they can be read afterwards.</summary>
    [Fact]
    public void ARowIsDrawnAloneAsAmongOthersAndLogitsStay()
    {
        const int Columns = 131;
        float[] logits = Numbers(2 * Columns, 9, 4f);
        DrawRule plain = new(1, 0, 1, 0, 0.3), narrow = new(0.5f, 20, 0.7f, 0.01f, 0.9);
        int[] both = Draw(logits, [plain, narrow], Columns, out float[] after);
        Assert.Equal(logits, after);
        Assert.Equal(both[0], Draw(logits[..Columns], [plain], Columns)[0]);
        Assert.Equal(both[1], Draw(logits[Columns..], [narrow], Columns)[0]);
        Assert.Empty(_emulated.Driver.Findings);
    }

    [Fact]
    public void RulesAndIdsAreCheckedAndTheHostHasNone()
    {
        using DeviceMemory memory = _emulated.Backend.Allocate(12 * sizeof(float));
        Tensor x = memory.View(3, 4);
        DrawRule rule = new(1, 0, 1, 0, 0.5);
        Assert.Throws<ArgumentException>(() => _emulated.Backend.TryDraw(x, [rule, rule], new int[3]));
        Assert.Throws<ArgumentException>(() => _emulated.Backend.TryDraw(x, [rule, rule, rule], new int[2]));
        foreach (DrawRule wrong in (DrawRule[])[rule with { Temperature = 0 }, rule with { Temperature = float.NaN }, rule with { TopK = -1 }, rule with { TopP = 0 }, rule with { TopP = 1.5f }, rule with { MinP = -1 }, rule with { Uniform = 1 }, rule with { Uniform = double.NaN }])
        {
            Assert.Contains("No token can be drawn", Assert.Throws<ArgumentException>(() => _emulated.Backend.TryDraw(x, [rule, wrong, rule], new int[3])).Message, StringComparison.Ordinal);
        }
        Assert.True(_emulated.Backend.TryDraw(x.Slice(0, 0), [], []));
        using var cpu = new CpuBackend(new CpuBackendOptions { Threads = 1 });
        using DeviceMemory host = cpu.Allocate(12 * sizeof(float));
        Assert.False(cpu.TryDraw(host.View(3, 4), [rule, rule, rule], new int[3]));
    }

    private int[] Draw(float[] logits, DrawRule[] rules, int columns) => Draw(logits, rules, columns, out _);

    private int[] Draw(float[] logits, DrawRule[] rules, int columns, out float[] after)
    {
        using DeviceMemory memory = _emulated.Backend.Allocate(logits.Length * sizeof(float));
        Tensor x = memory.View(rules.Length, columns);
        _emulated.Backend.Upload(logits, x);
        int[] ids = new int[rules.Length];
        Assert.True(_emulated.Backend.TryDraw(x, rules, ids));
        after = new float[logits.Length];
        _emulated.Backend.Download(x, after);
        return ids;
    }

    private static DrawRule RuleOf(GenerationOptions options, double uniform) => new(options.Temperature, options.TopK ?? 0, options.TopP, options.MinP ?? 0, uniform);

    /// <summary>Whether the number is at the border between two tokens that the chain leaves beside each other.</summary>
    private static bool IsBetween(GenerationOptions options, double uniform, float[] logits, int one, int other)
    {
        var probabilities = new float[logits.Length];
        new Sampler(SamplerChain.Create(options), logits.Length).Probabilities(logits, [], probabilities);
        double before = probabilities.Take(Math.Max(one, other)).Sum(value => (double)value), between = probabilities.Skip(Math.Min(one, other) + 1).Take(Math.Abs(one - other) - 1).Sum(value => (double)value);
        return between == 0 && Math.Abs(before - uniform) < 1e-6;
    }

    private static float[] Numbers(int count, int seed, float range)
    {
        var random = new Random(seed);
        return [.. Enumerable.Range(0, count).Select(_ => (random.NextSingle() * 2f - 1f) * range)];
    }
}
