using Llama4Kernels.Engine.Sampling;

namespace Llama4Kernels.Tests.Engine.Sampling;

public class SeededRandomTests
{
    /// <summary>The known answers that the generator's authors publish for Philox 4x32-10.</summary>
    [Theory]
    [InlineData(0x00000000u, 0x00000000u, 0x00000000u, 0x00000000u, 0x00000000u, 0x00000000u, 0x6627e8d5u, 0xe169c58du, 0xbc57ac4cu, 0x9b00dbd8u)]
    [InlineData(0xffffffffu, 0xffffffffu, 0xffffffffu, 0xffffffffu, 0xffffffffu, 0xffffffffu, 0x408f276du, 0x41c83b0eu, 0xa20bc7c6u, 0x6d5451fdu)]
    [InlineData(0x243f6a88u, 0x85a308d3u, 0x13198a2eu, 0x03707344u, 0xa4093822u, 0x299f31d0u, 0xd16cfe09u, 0x94fdccebu, 0x5001e420u, 0x24126ea1u)]
    public void BlocksAreThoseOfPhilox(uint c0, uint c1, uint c2, uint c3, uint k0, uint k1, uint x0, uint x1, uint x2, uint x3) =>
        Assert.Equal((x0, x1, x2, x3), SeededRandom.Block(c0, c1, c2, c3, k0, k1));

    [Fact]
    public void ADrawDependsOnSeedAndPositionAlone()
    {
        var whole = new SeededRandom(42);
        double[] draws = [.. Enumerable.Range(0, 10).Select(_ => whole.NextDouble())];
        var resumed = new SeededRandom(42, position: 6);
        Assert.Equal(draws[6], resumed.NextDouble());
        Assert.Equal(7UL, resumed.Position);
        Assert.Equal(10, draws.Distinct().Count());
        var other = new SeededRandom(43);
        Assert.NotEqual(draws[0], other.NextDouble());
    }

    [Fact]
    public void DrawsAreUniform()
    {
        const int Draws = 100_000;
        var random = new SeededRandom(1);
        double[] draws = [.. Enumerable.Range(0, Draws).Select(_ => random.NextDouble())];
        Assert.All(draws, draw => Assert.True(draw is >= 0 and < 1));
        // Standard deviation of the mean: 0.2887 / sqrt(100,000) = 0.00091.
        Assert.InRange(draws.Average(), 0.5 - 0.004, 0.5 + 0.004);
        Assert.InRange(draws.Count(draw => draw < 0.1), 10_000 - 400, 10_000 + 400);
    }

    [Fact]
    public void WithoutSeedStreamsDiffer()
    {
        var first = SeededRandom.Create(null);
        var second = SeededRandom.Create(null);
        Assert.NotEqual(first.NextDouble(), second.NextDouble());
        var seeded = SeededRandom.Create(5);
        var same = new SeededRandom(5);
        Assert.Equal(same.NextDouble(), seeded.NextDouble());
    }
}
