using Llama4Kernels.Kernels.Normalization;
using Llama4Kernels.Kernels.Threading;
using Llama4Kernels.Tests.Kernels.Backends;
using Llama4Kernels.Tests.Oracles;

namespace Llama4Kernels.Tests.Kernels.Normalization;

public sealed class NormTests
{
    [Theory]
    [InlineData(1, 1)]
    [InlineData(3, 15)]
    [InlineData(7, 17)]
    [InlineData(33, 1408)]
    [InlineData(2, 5120)]
    public void RmsNormAgreesWithTheOracle(int rows, int columns)
    {
        using var team = new ThreadTeam(2);
        using HostTensor x = HostTensor.Random(rows, columns, 1, 3f);
        using HostTensor weight = HostTensor.Random(1, columns, 2);
        using var y = new HostTensor(rows, columns);
        RmsNorm.Run(team, x.View, weight.View, 1e-5f, y.View);
        Closeness.Check(NormOracle.RmsNorm(x.Values, weight.Values, 1e-5f), y.Values, 3e-7);
        RmsNorm.Run(team, x.View, weight.View, 1e-5f, x.View);
        Assert.True(x.Values.SequenceEqual(y.Values), "In place differs.");
    }

    [Theory]
    [InlineData(1, 1)]
    [InlineData(3, 15)]
    [InlineData(7, 17)]
    [InlineData(33, 1408)]
    public void LayerNormAgreesWithTheOracleFarFromZero(int rows, int columns)
    {
        using var team = new ThreadTeam(2);
        using HostTensor x = HostTensor.Random(rows, columns, 1);
        foreach (ref float value in x.Values)
        {
            value += 100f;
        }
        using HostTensor weight = HostTensor.Random(1, columns, 2);
        using HostTensor bias = HostTensor.Random(1, columns, 3);
        using var y = new HostTensor(rows, columns);
        LayerNorm.Run(team, x.View, weight.View, bias.View, 1e-5f, y.View);
        // The mean is rounded to float32: 4e-6 at 100, divided by a deviation of 0.6.
        Closeness.Check(NormOracle.LayerNorm(x.Values, weight.Values, bias.Values, 1e-5f), y.Values, 1e-5);
    }

    [Fact]
    public void WrongShapesAreNamed()
    {
        using var team = new ThreadTeam(1);
        using var x = new HostTensor(2, 8);
        using var weight = new HostTensor(1, 7);
        ArgumentException error = Assert.Throws<ArgumentException>(() => RmsNorm.Run(team, x.View, weight.View, 1e-5f, x.View));
        Assert.Contains("[1, 7]", error.Message, StringComparison.Ordinal);
        Assert.Contains("[1, 8]", error.Message, StringComparison.Ordinal);
        Assert.Throws<ArgumentException>(() => LayerNorm.Run(team, x.View, weight.View, weight.View, 1e-5f, x.View));
    }

    [Fact]
    public void NaNStaysInItsRow()
    {
        using var team = new ThreadTeam(2);
        using HostTensor x = HostTensor.Random(3, 40, 1);
        using HostTensor weight = HostTensor.Random(1, 40, 2);
        x.Values[45] = float.NaN;
        RmsNorm.Run(team, x.View, weight.View, 1e-5f, x.View);
        Assert.True(float.IsNaN(x.Values[40]));
        Assert.DoesNotContain(float.NaN, x.Values[..40].ToArray());
        Assert.DoesNotContain(float.NaN, x.Values[80..].ToArray());
    }
}
