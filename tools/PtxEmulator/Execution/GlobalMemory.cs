using System.Runtime.InteropServices;
using Llama4Kernels.Interop.Memory;

namespace Llama4Kernels.PtxEmulator.Execution;

/// <summary>An allocation: host memory, and a byte of state per byte that says whether it was written.</summary>
internal sealed unsafe class Allocation
{
    /// <summary>Nobody's bytes on both sides: an access that goes a little too far must not end in the next allocation.</summary>
    private const int RedZone = 4096;

    private readonly SparseMemory? _sparse;

    public Allocation(long bytes, bool isSparse)
    {
        Bytes = bytes;
        if (isSparse)
        {
            _sparse = SparseMemory.Allocate(bytes + (2 * RedZone));
            Start = _sparse.Address + RedZone;
            IsDefined = true;
            return;
        }
        Start = (nint)NativeMemory.AlignedAlloc((nuint)bytes + (2 * RedZone), GlobalMemory.Alignment) + RedZone;
        Defined = (byte*)NativeMemory.AllocZeroed((nuint)Math.Max(bytes, 1));
        // What nobody wrote shows at once: a quiet NaN in every float format.
        new Span<byte>((void*)Start, (int)Math.Min(bytes, int.MaxValue)).Fill(0xFF);
    }

    public nint Start { get; }

    public long Bytes { get; }

    public byte* Defined { get; private set; }

    /// <summary>Every byte was written: loads need not look.</summary>
    public bool IsDefined { get; set; }

    /// <summary>The bytes before this one were written by copies and fills, one after another.</summary>
    public long DefinedPrefix { get; set; }

    public void Release()
    {
        if (_sparse is not null)
        {
            _sparse.Dispose();
            return;
        }
        NativeMemory.AlignedFree((void*)(Start - RedZone));
        NativeMemory.Free(Defined);
        Defined = null;
    }
}

/// <summary>Device memory: allocations at host addresses.</summary>
/// <param name="isSparse">It takes the host's memory only where it is touched, is zero at first and counts as written.</param>
internal sealed unsafe class GlobalMemory(bool isSparse = false) : IDisposable
{
    public const int Alignment = 256;
    private readonly Lock _gate = new();
    private readonly List<Allocation> _kept = [];
    private Allocation[] _sorted = [];

    /// <summary>Bytes at a multiple of 256, undefined unless memory is sparse.</summary>
    public nint Allocate(long bytes)
    {
        ArgumentOutOfRangeException.ThrowIfNegative(bytes);
        var allocation = new Allocation(bytes, isSparse);
        lock (_gate)
        {
            _sorted = [.. _sorted.Append(allocation).OrderBy(a => a.Start)];
        }
        return allocation.Start;
    }

    /// <summary>False if no allocation begins at the address.</summary>
    /// <param name="address">Its first byte.</param>
    /// <param name="keep">Nothing else may get its place yet: an access that comes too late must not hit another allocation.</param>
    public bool Free(nint address, bool keep = false)
    {
        lock (_gate)
        {
            if (Find(address) is not Allocation allocation || allocation.Start != address)
            {
                return false;
            }
            _sorted = [.. _sorted.Where(a => a != allocation)];
            if (keep)
            {
                _kept.Add(allocation);
            }
            else
            {
                allocation.Release();
            }
            return true;
        }
    }

    /// <summary>Nobody can use freed memory any more.</summary>
    public void ReleaseKept()
    {
        lock (_gate)
        {
            _kept.ForEach(allocation => allocation.Release());
            _kept.Clear();
        }
    }

    /// <summary>Whether one allocation holds the whole range.</summary>
    public bool Contains(nint address, long bytes) =>
        bytes >= 0 && Find(address) is Allocation found && address - found.Start <= found.Bytes - bytes;

    /// <summary>A copy or a fill wrote these bytes.</summary>
    public void MarkDefined(nint address, long bytes)
    {
        if (Find(address) is Allocation found && !found.IsDefined)
        {
            long offset = address - found.Start;
            NativeMemory.Fill(found.Defined + offset, (nuint)bytes, 1);
            if (offset <= found.DefinedPrefix)
            {
                found.DefinedPrefix = Math.Max(found.DefinedPrefix, offset + bytes);
                found.IsDefined = found.DefinedPrefix == found.Bytes;
            }
        }
    }

    /// <summary>The state of a range moves with a copy inside the device.</summary>
    public void CopyDefined(nint destination, nint source, long bytes)
    {
        if (Find(source) is Allocation { IsDefined: false } from && Find(destination) is Allocation to)
        {
            to.IsDefined = false;
            to.DefinedPrefix = Math.Min(to.DefinedPrefix, destination - to.Start);
            Buffer.MemoryCopy(from.Defined + (source - from.Start), to.Defined + (destination - to.Start), bytes, bytes);
            return;
        }
        MarkDefined(destination, bytes);
    }

    /// <summary>The allocation around an address, or null.</summary>
    public Allocation? Find(nint address)
    {
        Allocation[] sorted = _sorted;
        int low = 0;
        int high = sorted.Length - 1;
        while (low <= high)
        {
            int middle = (low + high) >>> 1;
            Allocation candidate = sorted[middle];
            if (address < candidate.Start)
            {
                high = middle - 1;
            }
            else if (address >= candidate.Start + candidate.Bytes)
            {
                low = middle + 1;
            }
            else
            {
                return candidate;
            }
        }
        return null;
    }

    public void Dispose()
    {
        lock (_gate)
        {
            foreach (Allocation allocation in _sorted)
            {
                allocation.Release();
            }
            _sorted = [];
            ReleaseKept();
        }
    }
}
