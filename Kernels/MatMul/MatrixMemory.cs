using System.Runtime.InteropServices;
using Llama4Kernels.Interop.Memory;

namespace Llama4Kernels.Kernels.MatMul;

/// <summary>Memory of a packed matrix: its own, or mapped, with a reference to the mapping. It is given back when nobody holds it any more.</summary>
internal sealed unsafe class MatrixMemory : SafeHandle
{
    private readonly SafeHandle? _mapping;

    private MatrixMemory(nint address, SafeHandle? mapping)
        : base(0, ownsHandle: true)
    {
        _mapping = mapping;
        SetHandle(address);
    }

    /// <inheritdoc/>
    public override bool IsInvalid => handle == 0;

    /// <summary>Whether it is another's, mapped.</summary>
    public bool IsMapped => _mapping is not null;

    /// <summary>The first byte.</summary>
    public byte* Pointer => (byte*)handle;

    /// <summary>Memory that is not cleared, aligned to 64 bytes, or to a large page if it has one.</summary>
    /// <param name="bytes">How much.</param>
    /// <param name="inLargePages">Whether to ask for large pages.</param>
    public static MatrixMemory Allocate(long bytes, bool inLargePages)
    {
        var memory = new MatrixMemory((nint)NativeMemory.AlignedAlloc((nuint)Math.Max(bytes, 64), bytes >= HugePages.Bytes ? (nuint)HugePages.Bytes : 64), null);
        if (inLargePages)
        {
            HugePages.Advise(memory.handle, bytes);
        }
        return memory;
    }

    /// <summary>Memory within a mapping.</summary>
    /// <exception cref="ObjectDisposedException">It is mapped no longer.</exception>
    public static MatrixMemory Map(SafeHandle mapping, nint address)
    {
        bool isHeld = false;
        mapping.DangerousAddRef(ref isHeld);
        return new MatrixMemory(address, mapping);
    }

    /// <inheritdoc/>
    protected override bool ReleaseHandle()
    {
        if (_mapping is null)
        {
            NativeMemory.AlignedFree((void*)handle);
        }
        else
        {
            _mapping.DangerousRelease();
        }
        return true;
    }
}
