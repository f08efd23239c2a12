using System.Globalization;

namespace Llama4Kernels.Tests;

/// <summary>How long the fuzz tests run: in a test run a moment, with LLAMA4_FUZZ a multiple of it.</summary>
internal static class Fuzzing
{
    /// <summary>Environment variable with the factor.</summary>
    public const string Variable = "LLAMA4_FUZZ";

    /// <summary>The iterations of a fuzz test that runs so many by default.</summary>
    public static long Iterations(long byDefault) =>
        double.TryParse(Environment.GetEnvironmentVariable(Variable), NumberStyles.Float, CultureInfo.InvariantCulture, out double factor)
            ? (long)Math.Max(1, byDefault * factor)
            : byDefault;
}
