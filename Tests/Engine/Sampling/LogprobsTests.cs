using Llama4Kernels.Engine;
using Llama4Kernels.Engine.Generation;
using Llama4Kernels.Engine.Sampling;

namespace Llama4Kernels.Tests.Engine.Sampling;

public class LogprobsTests
{
    [Fact]
    public void AgreesWithTheDefinitionAndListsTheBest()
    {
        var random = new Random(3);
        float[] logits = [.. Enumerable.Range(0, 500).Select(_ => random.Next(-30, 30) / 4f), float.NegativeInfinity];
        double sum = logits.Sum(z => Math.Exp(z));
        double Logprob(int id) => Math.Log(Math.Exp(logits[id]) / sum);

        for (int topN = 0; topN <= 25; topN += 5)
        {
            TokenLogprob actual = Logprobs.Compute(logits, 17, topN);
            Assert.Equal(Logprob(17), actual.Logprob, 1e-12);
            Assert.Equal(
                Enumerable.Range(0, logits.Length).OrderByDescending(id => logits[id]).Take(topN),
                actual.Top.Select(candidate => candidate.TokenId));
            Assert.All(actual.Top, candidate => Assert.Equal(Logprob(candidate.TokenId), candidate.Logprob, 1e-12));
        }
        Assert.Equal(double.NegativeInfinity, Logprobs.Compute(logits, 500, 0).Logprob);
        Assert.Equal(501, Logprobs.Compute(logits, 0, 501).Top.Select(candidate => candidate.TokenId).Distinct().Count());
    }

    [Fact]
    public void LargeLogitsDoNotOverflow() => Assert.Equal(-Math.Log(2), Logprobs.Compute([3e38f, 3e38f, 0], 0, 0).Logprob, 1e-12);

    [Fact]
    public void WrongArgumentsAndLogitsAreErrors()
    {
        Assert.Throws<ArgumentOutOfRangeException>("chosen", () => Logprobs.Compute([1, 2], 2, 0));
        Assert.Throws<ArgumentOutOfRangeException>("chosen", () => Logprobs.Compute([1, 2], -1, 0));
        Assert.Throws<ArgumentOutOfRangeException>("topN", () => Logprobs.Compute([1, 2], 0, 3));
        Assert.Throws<ArgumentOutOfRangeException>("topN", () => Logprobs.Compute([1, 2], 0, -1));
        Assert.Throws<InvalidLogitsException>(() => Logprobs.Compute([1, float.NaN], 0, 1));
    }
}
