using System.Runtime.InteropServices;

namespace Llama4Kernels.PtxEmulator.Execution;

/// <summary>Accesses to a range of global memory, in sectors of 32 bytes.</summary>
/// <param name="Reads">Sectors that blocks read, each once a block.</param>
/// <param name="Writes">The same of writes, atomic operations among them.</param>
/// <param name="SectorsRead">Different sectors that were read.</param>
/// <param name="SectorsWritten">Different sectors that were written.</param>
/// <param name="End">Bytes from the range's start to the end of the last sector that was touched.</param>
public readonly record struct Traffic(long Reads, long Writes, long SectorsRead, long SectorsWritten, long End);

/// <summary>Which sectors of global memory a block touched, or several blocks and by how many of them each.</summary>
public sealed class Footprint
{
    private const int SectorBytes = 32;

    /// <summary>Eight sectors, 256 bytes: what allocations are aligned to.</summary>
    private const int ChunkSectors = 8;

    private const long ChunkBytes = ChunkSectors * SectorBytes;

    private readonly Dictionary<ulong, Chunk> _chunks = [];

    /// <summary>Accesses by the ranges that they fall into, the last for those outside of all.</summary>
    /// <param name="starts">Where ranges begin, each up to the next of them, the last to the end of memory; ascending.</param>
    public Traffic[] By(IReadOnlyList<nint> starts)
    {
        ArgumentNullException.ThrowIfNull(starts);
        var traffic = new Traffic[starts.Count + 1];
        foreach ((ulong number, Chunk chunk) in _chunks)
        {
            long start = (long)number * ChunkBytes;
            int range = starts.Count - 1;
            while (range >= 0 && start + ChunkBytes <= starts[range])
            {
                range--;
            }
            int index = range < 0 ? starts.Count : range;
            Traffic before = traffic[index];
            long last = start + ((64 - long.LeadingZeroCount((byte)(chunk.ReadMask | chunk.WriteMask))) * SectorBytes);
            traffic[index] = new Traffic(
                before.Reads + chunk.Reads, before.Writes + chunk.Writes,
                before.SectorsRead + byte.PopCount(chunk.ReadMask), before.SectorsWritten + byte.PopCount(chunk.WriteMask),
                Math.Max(before.End, range < 0 ? 0 : last - starts[range]));
        }
        return traffic;
    }

    /// <summary>Adds what other blocks touched.</summary>
    public void Add(Footprint other)
    {
        ArgumentNullException.ThrowIfNull(other);
        foreach ((ulong number, Chunk chunk) in other._chunks)
        {
            ref Chunk own = ref Of(number);
            own = new Chunk(own.Reads + chunk.Reads, own.Writes + chunk.Writes, (byte)(own.ReadMask | chunk.ReadMask), (byte)(own.WriteMask | chunk.WriteMask));
        }
    }

    /// <summary>The one block that this is of touched a sector, for the first time or again.</summary>
    internal void Touch(ulong sector, bool writes)
    {
        ref Chunk chunk = ref Of(sector / ChunkSectors);
        byte bit = (byte)(1 << (int)(sector % ChunkSectors));
        if (((writes ? chunk.WriteMask : chunk.ReadMask) & bit) == 0)
        {
            chunk = writes
                ? chunk with { Writes = chunk.Writes + 1, WriteMask = (byte)(chunk.WriteMask | bit) }
                : chunk with { Reads = chunk.Reads + 1, ReadMask = (byte)(chunk.ReadMask | bit) };
        }
    }

    private ref Chunk Of(ulong number) => ref CollectionsMarshal.GetValueRefOrAddDefault(_chunks, number, out _);

    private readonly record struct Chunk(int Reads, int Writes, byte ReadMask, byte WriteMask);
}
