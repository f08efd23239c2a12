namespace Llama4Kernels.Kernels.Contracts;

/// <summary>Element type of cached keys and values.</summary>
public enum KvFormat
{
    /// <summary>float32: the reference mode.</summary>
    F32,

    /// <summary>bfloat16: half the memory, the default of the fast mode.</summary>
    BF16,
}

/// <summary>
/// What follows from a cache's format: a row each. A further format is a row here, a form of attention on the processor and a codec on
/// devices (IlgpuKernels); layouts, records of kernels and checks follow.
/// </summary>
public static class KvFormats
{
    private static readonly (KvFormat Format, string Name, int ElementBytes, bool DotsPairs)[] s_rows =
    [
        (KvFormat.F32, "f32", sizeof(float), false),
        (KvFormat.BF16, "bf16", sizeof(ushort), true),
    ];

    /// <summary>All of them.</summary>
    public static IReadOnlyList<KvFormat> All { get; } = [.. s_rows.Select(row => row.Format)];

    /// <summary>Its name, in reports and in names of kernels.</summary>
    /// <exception cref="ArgumentOutOfRangeException">There is no such format.</exception>
    public static string Name(this KvFormat format) => Row(format).Name;

    /// <summary>Bytes of one element.</summary>
    /// <exception cref="ArgumentOutOfRangeException">There is no such format.</exception>
    public static int ElementBytes(this KvFormat format) => Row(format).ElementBytes;

    /// <summary>Name of a device kernel for the format.</summary>
    /// <exception cref="ArgumentOutOfRangeException">There is no such format.</exception>
    public static string KernelName(this KvFormat format, string operation) => $"{operation}_{format.Name()}";

    /// <summary>Whether processors have dot products of pairs of its elements, and so keep them in pairs (<see cref="KvLayout.InPairs"/>).</summary>
    /// <exception cref="ArgumentOutOfRangeException">There is no such format.</exception>
    public static bool DotsPairs(this KvFormat format) => Row(format).DotsPairs;

    private static (KvFormat Format, string Name, int ElementBytes, bool DotsPairs) Row(KvFormat format)
    {
        foreach ((KvFormat Format, string Name, int ElementBytes, bool DotsPairs) row in s_rows)
        {
            if (row.Format == format)
            {
                return row;
            }
        }
        throw new ArgumentOutOfRangeException(nameof(format), format, "There is no such cache format.");
    }
}
