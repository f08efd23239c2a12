namespace Llama4Kernels.Kernels.Contracts;

/// <summary>Element type of cached keys and values.</summary>
public enum KvFormat
{
    /// <summary>float32: the reference mode.</summary>
    F32,

    /// <summary>bfloat16: half the memory, the default of the fast mode.</summary>
    BF16,
}

/// <summary>What follows from a cache's format.</summary>
internal static class KvFormats
{
    /// <summary>Bytes of one element.</summary>
    public static int ElementBytes(this KvFormat format) => format switch
    {
        KvFormat.F32 => 4,
        KvFormat.BF16 => 2,
        _ => throw new ArgumentOutOfRangeException(nameof(format), format, "There is no such cache format."),
    };

    /// <summary>How names of device kernels end that read or write the format.</summary>
    public static string Suffix(this KvFormat format) => format switch
    {
        KvFormat.F32 => "f32",
        KvFormat.BF16 => "bf16",
        _ => throw new ArgumentOutOfRangeException(nameof(format), format, "There is no such cache format."),
    };
}
