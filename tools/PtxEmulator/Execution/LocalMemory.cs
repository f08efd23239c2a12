using System.Runtime.InteropServices;

namespace Llama4Kernels.PtxEmulator.Execution;

/// <summary>Stacks of the 32 threads of a warp.</summary>
internal sealed unsafe class LocalMemory : IDisposable
{
    private readonly byte* _data;

    public LocalMemory(int bytes)
    {
        Bytes = bytes;
        _data = bytes == 0 ? null : (byte*)NativeMemory.AlignedAlloc((nuint)bytes * 64, 16);
        if (_data != null)
        {
            new Span<byte>(_data, bytes * 32).Fill(0xFF);
            new Span<byte>(_data + (bytes * 32), bytes * 32).Clear();
        }
    }

    /// <summary>Bytes of one thread.</summary>
    public int Bytes { get; }

    public byte* Address(int lane, long offset) => _data + ((long)lane * Bytes) + offset;

    /// <summary>A byte per byte: 1 if it was written.</summary>
    public byte* Defined(int lane, long offset) => Address(lane, offset) + ((long)Bytes * 32);

    /// <summary>Copies bytes and what is known of them inside the stacks of some lanes.</summary>
    public void Copy(uint mask, long from, long to, long bytes)
    {
        for (int lane = 0; lane < 32; lane++)
        {
            if ((mask >> lane & 1) != 0)
            {
                Buffer.MemoryCopy(Address(lane, from), Address(lane, to), bytes, bytes);
                Buffer.MemoryCopy(Defined(lane, from), Defined(lane, to), bytes, bytes);
            }
        }
    }

    public void Dispose() => NativeMemory.AlignedFree(_data);
}
