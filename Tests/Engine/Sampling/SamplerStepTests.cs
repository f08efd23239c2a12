using Llama4Kernels.Engine.Sampling;

namespace Llama4Kernels.Tests.Engine.Sampling;

/// <summary>What the reference rows do not reach: large vocabularies, argument checks, extreme values.</summary>
public class SamplerStepTests
{
    private const float Removed = float.NegativeInfinity;

    [Theory]
    [InlineData(0f)]
    [InlineData(-1f)]
    [InlineData(float.NaN)]
    [InlineData(float.PositiveInfinity)]
    public void TemperatureMustBeFiniteAndPositive(float value) =>
        Assert.Throws<ArgumentException>("temperature", () => new TemperatureStep(value));

    [Theory]
    [InlineData(0f)]
    [InlineData(-0.1f)]
    [InlineData(1.01f)]
    [InlineData(float.NaN)]
    public void TopPMustBeAShare(float value) => Assert.Throws<ArgumentException>("p", () => new TopPStep(value));

    [Theory]
    [InlineData(-0.1f)]
    [InlineData(1.01f)]
    [InlineData(float.NaN)]
    public void MinPMustBeAShare(float value) => Assert.Throws<ArgumentException>("minP", () => new MinPStep(value));

    [Theory]
    [InlineData(0)]
    [InlineData(-3)]
    public void TopKMustBePositive(int value) => Assert.Throws<ArgumentException>("k", () => new TopKStep(value));

    [Theory]
    [InlineData(0f)]
    [InlineData(-1f)]
    [InlineData(float.NaN)]
    [InlineData(float.PositiveInfinity)]
    public void RepetitionPenaltyMustBeFiniteAndPositive(float value) =>
        Assert.Throws<ArgumentException>("penalty", () => new RepetitionPenaltyStep(value));

    [Theory]
    [InlineData(float.NaN)]
    [InlineData(float.NegativeInfinity)]
    public void AdditivePenaltiesMustBeFinite(float value)
    {
        Assert.Throws<ArgumentException>("penalty", () => new PresencePenaltyStep(value));
        Assert.Throws<ArgumentException>("penalty", () => new FrequencyPenaltyStep(value));
    }

    [Fact]
    public void BiasesAreAddedAndLeaveRemovedTokensRemoved()
    {
        float[] logits = [2, -2, 1, Removed];
        Apply(new LogitBiasStep(new Dictionary<int, float> { [0] = -100, [2] = 0.5f, [3] = 100 }), logits, 0, 0);
        Assert.Equal([-98, -2, 1.5f, Removed], logits);
        Assert.Throws<ArgumentException>("biases", () => new LogitBiasStep(new Dictionary<int, float> { [1] = float.NaN }));
    }

    [Fact]
    public void ATinyTemperatureLeavesTheBestToken()
    {
        float[] logits = [3, 90, 50, Removed];
        Apply(new TemperatureStep(1e-38f), logits);
        Assert.Equal([Removed, 0, Removed, Removed], logits);
    }

    [Fact]
    public void RepetitionPenaltyCountsATokenOnceAndMovesBothSignsDown()
    {
        float[] logits = [2, -2, 1, Removed];
        Apply(new RepetitionPenaltyStep(2), logits, 0, 1, 0, 3, 1);
        Assert.Equal([1, -4, 1, Removed], logits);
    }

    [Fact]
    public void PenaltiesLeaveTheWorkspaceCleanForTheNextToken()
    {
        var workspace = new SamplerWorkspace(3);
        var step = new FrequencyPenaltyStep(1);
        float[] first = [0, 0, 0];
        float[] second = [0, 0, 0];
        step.Apply(first, [1, 1, 2], workspace);
        step.Apply(second, [1], workspace);
        Assert.Equal([0, -2, -1], first);
        Assert.Equal([0, -1, 0], second);
    }

    [Theory]
    [InlineData(-1)]
    [InlineData(3)]
    public void AHistoryBeyondTheVocabularyIsAnError(int id)
    {
        var error = Assert.Throws<ArgumentException>("history", () => Apply(new PresencePenaltyStep(1), [0, 0, 0], 0, id));
        Assert.Contains($"token {id}", error.Message);
    }

    /// <summary>Selection and cut-off against a plain sort, over sizes, ties and removed tokens.</summary>
    [Theory]
    [InlineData(1)]
    [InlineData(2)]
    [InlineData(97)]
    [InlineData(5000)]
    public void TopKAndTopPAgreeWithSorting(int vocabulary)
    {
        var random = new Random(vocabulary);
        for (int repeat = 0; repeat < 50; repeat++)
        {
            // Coarse steps make ties; each fourth token is removed beforehand.
            float[] logits = [.. Enumerable.Range(0, vocabulary).Select(i => i % 4 == 3 ? Removed : random.Next(-40, 40) / 8f)];
            int k = random.Next(1, vocabulary + 2);
            float p = (float)(0.01 + (random.NextDouble() * 0.98));

            float[] topK = [.. logits];
            Apply(new TopKStep(k), topK);
            float kth = logits.OrderDescending().ElementAt(Math.Min(k, vocabulary) - 1);
            Assert.Equal(logits.Select(z => z >= kth ? z : Removed), topK);

            float[] topP = [.. logits];
            Apply(new TopPStep(p), topP);
            Assert.Equal(Nucleus(logits, p), Enumerable.Range(0, vocabulary).Where(i => topP[i] != Removed).ToHashSet());
        }
    }

    private static HashSet<int> Nucleus(float[] logits, float p)
    {
        double max = logits.Max();
        double sum = logits.Sum(z => Math.Exp(z - max));
        HashSet<int> kept = [];
        double before = 0;
        foreach (int id in Enumerable.Range(0, logits.Length).OrderByDescending(i => logits[i]).TakeWhile(_ => before <= p))
        {
            kept.Add(id);
            before += Math.Exp(logits[id] - max) / sum;
        }
        return kept;
    }

    private static void Apply(ISamplerStep step, float[] logits, params int[] history) =>
        step.Apply(logits, history, new SamplerWorkspace(logits.Length));
}
