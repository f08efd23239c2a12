using System.Runtime.CompilerServices;
using System.Runtime.InteropServices;

namespace Llama4Kernels.Interop.Cuda;

/// <summary>Names an allocation to other processes of this host (CUipcMemHandle): 64 bytes to send as they are.</summary>
[StructLayout(LayoutKind.Sequential)]
public struct CudaIpcHandle
{
    private Words _words;

    /// <summary>The 64 bytes.</summary>
    [System.Diagnostics.CodeAnalysis.UnscopedRef]
    public Span<byte> Bytes => MemoryMarshal.AsBytes((Span<ulong>)_words);

    [InlineArray(8)]
    private struct Words
    {
        private ulong _first;
    }
}
