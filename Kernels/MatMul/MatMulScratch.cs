using System.Runtime.InteropServices;

namespace Llama4Kernels.Kernels.MatMul;

/// <summary>Memory for packed activations, one growing block per calling thread, so that steady calls allocate nothing.</summary>
internal sealed unsafe class MatMulScratch
{
    [ThreadStatic]
    private static MatMulScratch? t_current;

    private byte* _data;
    private long _length;

    ~MatMulScratch() => NativeMemory.AlignedFree(_data);

    public static MatMulScratch Current => t_current ??= new MatMulScratch();

    /// <summary>At least <paramref name="bytes"/> bytes, aligned to 64; earlier contents are lost.</summary>
    public byte* Reserve(long bytes)
    {
        if (bytes > _length)
        {
            NativeMemory.AlignedFree(_data);
            _data = null;
            _length = 0;
            _data = (byte*)NativeMemory.AlignedAlloc((nuint)bytes, 64);
            _length = bytes;
        }
        return _data;
    }
}
