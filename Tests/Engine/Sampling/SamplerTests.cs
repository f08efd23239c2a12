using Llama4Kernels.Engine;
using Llama4Kernels.Engine.Generation;
using Llama4Kernels.Engine.Sampling;

namespace Llama4Kernels.Tests.Engine.Sampling;

public class SamplerTests
{
    private static readonly SamplerChain s_greedy = SamplerChain.Create(new GenerationOptions { Temperature = 0 });
    private static readonly SamplerChain s_plain = new([]);

    [Theory]
    [InlineData(new float[] { 1, 5, 5, 2 }, 1)]
    [InlineData(new float[] { -3, -1, -2 }, 1)]
    [InlineData(new float[] { float.NegativeInfinity, -7 }, 1)]
    public void GreedyTakesTheLargestAndOfEqualsTheLowest(float[] logits, int expected)
    {
        var random = new SeededRandom(1);
        Assert.Equal(expected, new Sampler(s_greedy, logits.Length).Sample(logits, [], ref random));
        Assert.Equal(0UL, random.Position);
    }

    [Fact]
    public void ZerosOfBothSignsAreEqual()
    {
        Assert.Equal(0, Sample(s_greedy, -0f, 0f));
        Assert.Equal(0, Sample(s_greedy, 0f, -0f));
    }

    [Fact]
    public void PenaltiesApplyWhenGreedy()
    {
        var chain = SamplerChain.Create(new GenerationOptions { Temperature = 0, PresencePenalty = 2 });
        var random = new SeededRandom(1);
        Assert.Equal(1, new Sampler(chain, 2).Sample([3, 2], [0], ref random));
    }

    [Fact]
    public void GreedyProbabilitiesAreOneHot()
    {
        float[] probabilities = new float[3];
        new Sampler(s_greedy, 3).Probabilities([1, 3, 2], [], probabilities);
        Assert.Equal([0, 1, 0], probabilities);
    }

    [Theory]
    [InlineData(float.NaN)]
    [InlineData(float.PositiveInfinity)]
    public void ABrokenLogitIsATypedErrorThatNamesTheToken(float value)
    {
        foreach (SamplerChain chain in new[] { s_greedy, s_plain, SamplerChain.Create(new GenerationOptions { TopK = 1 }) })
        {
            var error = Assert.Throws<InvalidLogitsException>(() => Sample(chain, 0, value, 1));
            Assert.Equal(1, error.TokenId);
        }
    }

    [Fact]
    public void NothingLeftIsATypedError()
    {
        var error = Assert.Throws<InvalidLogitsException>(() => Sample(s_plain, float.NegativeInfinity, float.NegativeInfinity));
        Assert.Null(error.TokenId);
    }

    [Fact]
    public void TheNumberOfLogitsMustBeTheVocabulary()
    {
        var error = Assert.Throws<ArgumentException>("logits", () =>
        {
            var random = new SeededRandom(1);
            new Sampler(s_plain, 4).Sample(new float[3], [], ref random);
        });
        Assert.Contains("3 logits", error.Message);
        Assert.Contains("vocabulary of 4", error.Message);
        Assert.Throws<ArgumentException>("probabilities", () => new Sampler(s_plain, 4).Probabilities(new float[4], [], new float[5]));
        Assert.Throws<ArgumentOutOfRangeException>(() => new Sampler(s_plain, 0));
    }

    /// <summary>χ² of 100,000 draws with 4 degrees of freedom: 23.5 is passed with probability 1e-4 (the seed is fixed).</summary>
    [Fact]
    public void DrawsFollowTheProbabilities()
    {
        const int Draws = 100_000;
        float[] logits = [0.5f, -1, 2, float.NegativeInfinity, 0, 1.5f];
        float[] probabilities = new float[logits.Length];
        var sampler = new Sampler(s_plain, logits.Length);
        sampler.Probabilities([.. logits], [], probabilities);

        int[] counts = new int[logits.Length];
        var random = new SeededRandom(7);
        for (int i = 0; i < Draws; i++)
        {
            counts[sampler.Sample([.. logits], [], ref random)]++;
        }

        Assert.Equal(0, counts[3]);
        double chiSquare = Enumerable.Range(0, logits.Length).Where(i => i != 3)
            .Sum(i => Math.Pow(counts[i] - (Draws * (double)probabilities[i]), 2) / (Draws * (double)probabilities[i]));
        Assert.InRange(chiSquare, 0, 23.5);
    }

    [Fact]
    public void TwoSequencesInOneWorkspaceGetWhatEachGetsAlone()
    {
        var chain = SamplerChain.Create(new GenerationOptions { Temperature = 1.2f, TopK = 40, MinP = 0.01f, FrequencyPenalty = 0.3f });
        var workspace = new SamplerWorkspace(200);
        var first = new Sampler(chain, workspace);
        var second = new Sampler(chain, workspace);
        var randomA = new SeededRandom(1);
        var randomB = new SeededRandom(2);
        List<int> a = [];
        List<int> b = [];
        for (int i = 0; i < 50; i++)
        {
            a.Add(first.Sample(Logits(i), [.. a], ref randomA));
            b.Add(second.Sample(Logits(1000 + i), [.. b], ref randomB));
        }

        var alone = new SeededRandom(2);
        List<int> expected = [];
        for (int i = 0; i < 50; i++)
        {
            expected.Add(new Sampler(chain, 200).Sample(Logits(1000 + i), [.. expected], ref alone));
        }
        Assert.Equal(expected, b);
        Assert.NotEqual(a, b);
    }

    [Fact]
    public void SamplingAllocatesNothing()
    {
        var chain = SamplerChain.Create(new GenerationOptions
        {
            Temperature = 0.8f,
            TopK = 50,
            MinP = 0.01f,
            RepetitionPenalty = 1.1f,
            PresencePenalty = 0.1f,
            FrequencyPenalty = 0.1f,
            LogitBias = new Dictionary<int, float> { [7] = 0.5f, [8] = -0.5f },
        });
        Assert.Equal(8, chain.Steps.Count);
        var sampler = new Sampler(chain, 3000);
        var random = new SeededRandom(3);
        float[] logits = Logits(5, 3000);
        float[] copy = new float[logits.Length];
        int[] history = [1, 2, 3, 2];
        sampler.Sample([.. logits], history, ref random);

        long before = GC.GetAllocatedBytesForCurrentThread();
        for (int i = 0; i < 100; i++)
        {
            logits.CopyTo(copy, 0);
            sampler.Sample(copy, history, ref random);
        }
        Assert.Equal(0, GC.GetAllocatedBytesForCurrentThread() - before);
    }

    [Fact]
    public void OptionsMakeTheChainInOrder()
    {
        Assert.Equal(
            [typeof(TemperatureStep), typeof(TopPStep)],
            SamplerChain.Create(new GenerationOptions()).Steps.Select(step => step.GetType()));
        Assert.Empty(SamplerChain.Create(new GenerationOptions { Temperature = 1, TopP = 1, MinP = 0 }).Steps);
        Assert.True(s_greedy.IsGreedy);
        Assert.Empty(s_greedy.Steps);
        Assert.Equal(
            [
                typeof(LogitBiasStep), typeof(RepetitionPenaltyStep), typeof(PresencePenaltyStep), typeof(FrequencyPenaltyStep), typeof(TemperatureStep),
                typeof(TopKStep), typeof(TopPStep), typeof(MinPStep),
            ],
            SamplerChain.Create(new GenerationOptions
            {
                TopK = 3,
                MinP = 0.1f,
                RepetitionPenalty = 2,
                PresencePenalty = 1,
                FrequencyPenalty = 1,
                LogitBias = new Dictionary<int, float> { [0] = 1 },
            }).Steps.Select(step => step.GetType()));
    }

    private static float[] Logits(int seed, int vocabulary = 200)
    {
        var random = new Random(seed);
        return [.. Enumerable.Range(0, vocabulary).Select(_ => (float)((random.NextDouble() * 8) - 4))];
    }

    private static int Sample(SamplerChain chain, params float[] logits)
    {
        var random = new SeededRandom(1);
        return new Sampler(chain, logits.Length).Sample(logits, [], ref random);
    }
}
