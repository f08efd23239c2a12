using System.Globalization;

namespace Llama4Kernels.Kernels.Contracts;

/// <summary>Amounts of memory for people.</summary>
public static class ByteSize
{
    private static readonly string[] s_units = ["B", "KiB", "MiB", "GiB", "TiB"];

    /// <summary>
    /// Reads what <see cref="Text"/> writes, with or without a space: a number, its decimals behind a point, and a unit (B, KiB,
    /// MiB, GiB, TiB, in either case; none is bytes). False for anything else, and for parts of a byte.
    /// </summary>
    public static bool TryParse(string text, out long bytes)
    {
        ArgumentNullException.ThrowIfNull(text);
        int digits = text.AsSpan().IndexOfAnyExcept("0123456789.") is >= 0 and int end ? end : text.Length;
        ReadOnlySpan<char> unit = text.AsSpan(digits).Trim();
        int power = unit.IsEmpty ? 0 : Array.FindIndex(s_units, name => name.Equals(text[digits..].Trim(), StringComparison.OrdinalIgnoreCase));
        bytes = 0;
        if (power < 0 || !decimal.TryParse(text.AsSpan(0, digits), NumberStyles.AllowDecimalPoint, CultureInfo.InvariantCulture, out decimal value))
        {
            return false;
        }
        for (int i = 0; i < power && value <= long.MaxValue; i++)
        {
            value *= 1024;
        }
        if (value > long.MaxValue || value != decimal.Truncate(value))
        {
            return false;
        }
        bytes = (long)value;
        return true;
    }

    /// <summary>Bytes in the largest unit that leaves a number above one.</summary>
    public static string Text(long bytes)
    {
        double value = bytes;
        int unit = 0;
        while (value >= 1024 && unit < s_units.Length - 1)
        {
            value /= 1024;
            unit++;
        }
        return FormattableString.Invariant($"{value:0.##} {s_units[unit]}");
    }
}
