using System.Runtime.Intrinsics;
using Llama4Kernels.Kernels.Activation;
using Llama4Kernels.Kernels.Threading;
using Llama4Kernels.Tests.Kernels.Backends;
using Llama4Kernels.Tests.Oracles;

namespace Llama4Kernels.Tests.Kernels.Activation;

public sealed class ActivationTests
{
    [Fact]
    public void ExpIsRightTo2e7Relative()
    {
        for (double x = -87; x <= 88.7; x += 0.00137)
        {
            float argument = (float)x;
            double expected = Math.Exp(argument);
            Assert.True(Math.Abs(VectorMath.Exp(argument) / expected - 1) < 2e-7, $"exp({argument}) = {VectorMath.Exp(argument)}, expected {expected}.");
        }
    }

    [Fact]
    public void ExpKeepsSpecialValues()
    {
        Assert.Equal(1f, VectorMath.Exp(0f));
        Assert.Equal(0f, VectorMath.Exp(float.NegativeInfinity));
        Assert.Equal(0f, VectorMath.Exp(-1e30f));
        Assert.Equal(float.PositiveInfinity, VectorMath.Exp(89f));
        Assert.Equal(float.PositiveInfinity, VectorMath.Exp(float.PositiveInfinity));
        Assert.True(float.IsNaN(VectorMath.Exp(float.NaN)));
        Assert.Equal(Math.Exp(-100), VectorMath.Exp(-100f), 1e-44);
    }

    [Fact]
    public void GeluIsRightToFloatAccuracy()
    {
        for (double x = -12; x <= 12; x += 0.000713)
        {
            float argument = (float)x;
            double expected = ActivationOracle.Gelu(argument);
            double error = Math.Abs(VectorMath.Gelu(Vector512.Create(argument)).ToScalar() - expected);
            Assert.True(error <= 1e-7 + 1.5e-7 * Math.Abs(expected), $"gelu({argument}) is off by {error}.");
        }
        Assert.Equal(-0.0, VectorMath.Gelu(Vector512.Create(-1000f)).ToScalar(), 1e-30);
        Assert.Equal(1000f, VectorMath.Gelu(Vector512.Create(1000f)).ToScalar());
        Assert.Equal(float.PositiveInfinity, VectorMath.Gelu(Vector512.Create(float.PositiveInfinity)).ToScalar());
        Assert.True(float.IsNaN(VectorMath.Gelu(Vector512.Create(float.NaN)).ToScalar()));
    }

    [Theory]
    [InlineData(1, 1)]
    [InlineData(5, 17)]
    [InlineData(3, 4099)]
    [InlineData(1, 16384)]
    public void SwiGluAgreesWithTheOracle(int rows, int width)
    {
        using var team = new ThreadTeam(3);
        using HostTensor gateUp = HostTensor.Random(rows, 2 * width, 1, 20f);
        using var y = new HostTensor(rows, width);
        SwiGlu.Run(team, gateUp.View, y.View);
        for (int row = 0; row < rows; row++)
        {
            for (int c = 0; c < width; c++)
            {
                double up = gateUp.Values[row * 2 * width + width + c];
                double expected = ActivationOracle.Silu(gateUp.Values[row * 2 * width + c]) * up;
                Assert.True(Math.Abs(y.Values[row * width + c] - expected) <= 1e-6 * Math.Abs(expected) + 1e-37);
            }
        }
        Assert.Throws<ArgumentException>(() => SwiGlu.Run(team, y.View, y.View));
    }

    [Theory]
    [InlineData(1, 1)]
    [InlineData(3, 5003)]
    public void GeluAndAddCoverEveryElement(int rows, int columns)
    {
        using var team = new ThreadTeam(2);
        using HostTensor x = HostTensor.Random(rows, columns, 1);
        using HostTensor sum = HostTensor.Random(rows, columns, 2);
        float[] before = x.Values.ToArray();
        float[] added = sum.Values.ToArray();
        ResidualAdd.Run(team, x.View, sum.View);
        Gelu.Run(team, x.View);
        for (int i = 0; i < before.Length; i++)
        {
            Assert.Equal(before[i] + added[i], sum.Values[i]);
            Assert.Equal(ActivationOracle.Gelu(before[i]), x.Values[i], 1.2e-7);
        }
    }
}
