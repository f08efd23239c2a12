namespace Llama4Kernels.Kernels.Contracts;

/// <summary>Amounts of memory for people.</summary>
public static class ByteSize
{
    private static readonly string[] s_units = ["B", "KiB", "MiB", "GiB", "TiB"];

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
