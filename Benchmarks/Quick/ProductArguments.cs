using System.Globalization;

namespace Llama4Kernels.Benchmarks.Quick;

/// <summary>What may follow the format's name: threads, OUTxIN, the end of a record's name.</summary>
internal sealed record ProductArguments(int Threads, (int Outputs, int Inputs) Shape, string? Only)
{
    /// <summary>The arguments, Scout's gate and up by default; null if they cannot be read.</summary>
    public static ProductArguments? Parse(ReadOnlySpan<string> given)
    {
        int threads = 0, outputs = 16384, inputs = 5120;
        if (given.Length > 0 && !int.TryParse(given[0], CultureInfo.InvariantCulture, out threads))
        {
            return null;
        }
        if (given.Length > 1)
        {
            string[] sides = given[1].Split('x');
            if (sides.Length != 2 || !int.TryParse(sides[0], CultureInfo.InvariantCulture, out outputs) || !int.TryParse(sides[1], CultureInfo.InvariantCulture, out inputs))
            {
                return null;
            }
        }
        return new ProductArguments(threads, (outputs, inputs), given.Length > 2 ? given[2] : null);
    }
}
