using System.Globalization;
using Llama4Kernels.PtxEmulator.Parsing;

namespace Llama4Kernels.PtxEmulator.Checking;

/// <summary>What an immediate may be: <c>0..15</c>, <c>24..256%8</c>, <c>%16</c>, <c>4/8/16</c>, or a name of a rule with words of its own.</summary>
internal static class ImmediateLimit
{
    private const int Warp = 32;

    private const int Barriers = 16;

    /// <summary>Whether a value is the same number, signed or unsigned, in so many bits; predicates take any.</summary>
    public static bool Fits(ulong value, int bits) =>
        bits is 1 or >= 64 || value >> bits == 0 || (long)value >> (bits - 1) == -1;

    public static void Check(string? limit, PtxOperand operand, int index, string name, Action<string> report)
    {
        long value = (long)operand.Bits;
        switch (limit)
        {
            case null:
                return;
            case "barrier":
                if (value is < 0 or >= Barriers)
                {
                    report($"Barrier number '{value}' out of range, expected to be in range [0..{Barriers - 1}]");
                }
                return;
            case "threads":
                if (value % Warp != 0)
                {
                    report("Number of threads participating in barrier must be in multiple of warp size");
                }
                return;
        }
        if (limit.Contains('/') || !limit.AsSpan().ContainsAny('.', '%'))
        {
            string[] allowed = limit.Split('/');
            if (!allowed.Contains(value.ToString(CultureInfo.InvariantCulture)))
            {
                report($"Argument {index} of instruction '{name}': unexpected value '{value}', expected to be {string.Join(" or ", allowed)}");
            }
            return;
        }
        string[] halves = limit.Split('%');
        string[] range = halves[0].Split("..");
        if (halves.Length == 2 && value % long.Parse(halves[1], CultureInfo.InvariantCulture) != 0)
        {
            report($"Argument {index} of instruction '{name}': unexpected value '{value}', expected to be multiple of {halves[1]}");
        }
        else if (range.Length == 2 && (value < long.Parse(range[0], CultureInfo.InvariantCulture) || value > long.Parse(range[1], CultureInfo.InvariantCulture)))
        {
            report($"Argument {index} of instruction '{name}': value '{value}' out of range, expected to be in range [{halves[0]}]");
        }
    }
}
