using System.Runtime.CompilerServices;
using System.Runtime.InteropServices;

namespace Llama4Kernels.Interop.Cuda;

/// <summary>
/// A tensor map as the hardware reads it (CUtensorMap): 128 opaque bytes. It must lie at a multiple of 64 bytes where a
/// kernel receives it; <see cref="CudaKernelArguments"/> sees to that.
/// </summary>
[StructLayout(LayoutKind.Sequential)]
public struct CudaTensorMap
{
    /// <summary>Alignment that the driver and kernels demand, bytes.</summary>
    public const int Alignment = 64;

    private Words _words;

    /// <summary>The 128 bytes.</summary>
    [System.Diagnostics.CodeAnalysis.UnscopedRef]
    public Span<byte> Bytes => MemoryMarshal.AsBytes((Span<ulong>)_words);

    [InlineArray(16)]
    private struct Words
    {
        private ulong _first;
    }
}

/// <summary>Element types of tensor maps (CUtensorMapDataType).</summary>
public enum CudaTensorType
{
    /// <summary>8-bit, also FP8.</summary>
    UInt8 = 0,

    /// <summary>16-bit unsigned.</summary>
    UInt16 = 1,

    /// <summary>32-bit unsigned.</summary>
    UInt32 = 2,

    /// <summary>32-bit signed.</summary>
    Int32 = 3,

    /// <summary>64-bit unsigned.</summary>
    UInt64 = 4,

    /// <summary>64-bit signed.</summary>
    Int64 = 5,

    /// <summary>IEEE half.</summary>
    Float16 = 6,

    /// <summary>IEEE single.</summary>
    Float32 = 7,

    /// <summary>IEEE double.</summary>
    Float64 = 8,

    /// <summary>bfloat16.</summary>
    BFloat16 = 9,
}

/// <summary>How rows are permuted in shared memory (CUtensorMapSwizzle).</summary>
public enum CudaTensorSwizzle
{
    /// <summary>Not at all.</summary>
    None = 0,

    /// <summary>Within 32 bytes.</summary>
    Bytes32 = 1,

    /// <summary>Within 64 bytes.</summary>
    Bytes64 = 2,

    /// <summary>Within 128 bytes.</summary>
    Bytes128 = 3,
}

/// <summary>Granularity of prefetching into the second-level cache (CUtensorMapL2promotion).</summary>
public enum CudaTensorPromotion
{
    /// <summary>None.</summary>
    None = 0,

    /// <summary>64 bytes.</summary>
    Bytes64 = 1,

    /// <summary>128 bytes.</summary>
    Bytes128 = 2,

    /// <summary>256 bytes.</summary>
    Bytes256 = 3,
}
