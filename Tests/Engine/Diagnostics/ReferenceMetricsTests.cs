using Llama4Kernels.Engine.Diagnostics;

namespace Llama4Kernels.Tests.Engine.Diagnostics;

public sealed class ReferenceMetricsTests
{
    [Fact]
    public void ErrorsAreSharesOfTheReferenceRange()
    {
        float[] reference = [-1, 0, 3];
        Assert.Equal(0, ReferenceMetrics.Relative(reference, reference));
        Assert.Equal(0.5, ReferenceMetrics.Relative([-1, 2, 3], reference), 1e-12);
        Assert.Equal(2, ReferenceMetrics.MaxAbsolute([-1, 2, 3], reference), 1e-12);
        Assert.Equal(double.PositiveInfinity, ReferenceMetrics.MaxAbsolute([-1, float.NaN, 3], reference));
        Assert.Throws<ArgumentException>(() => ReferenceMetrics.MaxAbsolute([1], reference));
    }

    [Fact]
    public void DivergenceIsThatOfTheDefinition()
    {
        float half = MathF.Log(0.5f);
        // KL of (1/2, 1/2) from (1/4, 3/4), and of equal rows shifted by a constant.
        double expected = (0.5 * Math.Log(2)) + (0.5 * Math.Log(2.0 / 3));
        Assert.Equal(expected, ReferenceMetrics.MeanKl([MathF.Log(0.25f), MathF.Log(0.75f)], [half, half], 2), 1e-6);
        Assert.Equal(0, ReferenceMetrics.MeanKl([7, 7], [half, half], 2), 1e-6);
        Assert.Equal(expected / 2, ReferenceMetrics.MeanKl([MathF.Log(0.25f), MathF.Log(0.75f), 1, 1], [half, half, half, half], 2), 1e-6);
    }

    [Fact]
    public void RowsThatAreNoNumbersAreFar()
    {
        var divergence = LogitDivergence.Of([0, 1, float.NaN, 1, 0, 1], [0, 1, 0, 1, 0, 1], 2);
        Assert.Equal((3, 1), (divergence.Rows, divergence.RowsAbove001));
    }

    [Fact]
    public void TopTokenIsTheFirstOfEquals() =>
        Assert.Equal((1, 1), (ReferenceMetrics.Top([0, 2, 2]), ReferenceMetrics.SameTop1([0, 1, 1, 0], [0, 1, 0, 1], 2)));
}
