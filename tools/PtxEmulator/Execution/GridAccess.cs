using System.Runtime.InteropServices;

namespace Llama4Kernels.PtxEmulator.Execution;

/// <summary>What a grid did to a byte.</summary>
[Flags]
internal enum Access
{
    None = 0,
    Read = 1,
    Write = 2,
}

/// <summary>Bytes of device memory that a grid touched: planes of flags, one byte per byte, that cost nothing where nobody writes.</summary>
internal sealed unsafe class GridAccess : IDisposable
{
    private readonly Lock _gate = new();
    private volatile Planes[] _planes = [];

    /// <summary>Marks bytes as read or written.</summary>
    public void Mark(Allocation allocation, nint address, int bytes, Access access)
    {
        Planes planes = Find(allocation) ?? Add(allocation);
        // Stores of a constant: blocks on several cores may mark the same byte.
        byte* plane = access == Access.Write ? planes.Written : planes.Read;
        NativeMemory.Fill(plane + (address - allocation.Start), (nuint)bytes, 1);
    }

    /// <summary>What was done to any of these bytes.</summary>
    public Access Of(Allocation allocation, nint address, int bytes)
    {
        if (Find(allocation) is not Planes planes)
        {
            return Access.None;
        }
        nint offset = address - allocation.Start;
        return (Any(planes.Read + offset, bytes) ? Access.Read : Access.None) | (Any(planes.Written + offset, bytes) ? Access.Write : Access.None);
    }

    public void Dispose()
    {
        lock (_gate)
        {
            foreach (Planes planes in _planes)
            {
                planes.Release();
            }
            _planes = [];
        }
    }

    private static bool Any(byte* flags, int bytes) => new ReadOnlySpan<byte>(flags, bytes).IndexOfAnyExcept((byte)0) >= 0;

    private Planes? Find(Allocation allocation)
    {
        foreach (Planes planes in _planes)
        {
            if (planes.Allocation == allocation)
            {
                return planes;
            }
        }
        return null;
    }

    private Planes Add(Allocation allocation)
    {
        lock (_gate)
        {
            if (Find(allocation) is Planes found)
            {
                return found;
            }
            var added = new Planes(allocation);
            _planes = [.. _planes, added];
            return added;
        }
    }

    private sealed class Planes(Allocation allocation)
    {
        public Allocation Allocation { get; } = allocation;

        public byte* Read { get; } = (byte*)NativeMemory.AllocZeroed((nuint)Math.Max(allocation.Bytes, 1));

        public byte* Written { get; } = (byte*)NativeMemory.AllocZeroed((nuint)Math.Max(allocation.Bytes, 1));

        public void Release()
        {
            NativeMemory.Free(Read);
            NativeMemory.Free(Written);
        }
    }
}
