namespace Llama4Kernels.Tests.Oracles;

/// <summary>Comparison of float32 results with a float64 oracle.</summary>
internal static class Closeness
{
    /// <summary>Every element within <paramref name="tolerance"/> times the oracle's largest magnitude.</summary>
    public static void Check(ReadOnlySpan<double> expected, ReadOnlySpan<float> actual, double tolerance)
    {
        Assert.Equal(expected.Length, actual.Length);
        double range = 0;
        foreach (double value in expected)
        {
            range = Math.Max(range, Math.Abs(value));
        }
        for (int i = 0; i < expected.Length; i++)
        {
            Assert.True(Math.Abs(expected[i] - actual[i]) <= tolerance * range, $"Element {i}: {actual[i]}, expected {expected[i]} (range {range}).");
        }
    }
}
