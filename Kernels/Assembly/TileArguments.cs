using System.Runtime.InteropServices;

namespace Llama4Kernels.Kernels.Assembly;

/// <summary>Arguments of an assembled tile, six 8-byte fields in this order.</summary>
[StructLayout(LayoutKind.Sequential)]
internal unsafe struct TileArguments
{
    /// <summary>Packed activations.</summary>
    public byte* X;

    /// <summary>Steps of a panel.</summary>
    public byte* W;

    /// <summary>Number of steps.</summary>
    public long Steps;

    /// <summary>Sums.</summary>
    public float* C;

    /// <summary>Bytes between rows of sums.</summary>
    public long StrideBytes;

    /// <summary>Not 0: continue from the sums in C.</summary>
    public long Accumulate;
}
