using Llama4Kernels.Interop.Cuda;

namespace Llama4Kernels.Kernels.Contracts.Cuda;

/// <summary>
/// Launches and copies that wait to be issued, their arguments as they lie in parameter space one after another, in memory
/// that does not move. A list is refilled at every step; equal lists do the same, so that a graph of one stands for the other.
/// </summary>
internal sealed unsafe class LaunchList
{
    /// <summary>What each launch's arguments begin at a multiple of: tensor maps demand it.</summary>
    public const int Alignment = 64;

    private readonly List<Launch> _launches = [];
    private byte[] _memory = [];
    private byte* _arguments;
    private int _capacity;
    private int _used;

    public int Count => _launches.Count;

    public Launch this[int index] => _launches[index];

    /// <summary>Memory that does not move, aligned for arguments.</summary>
    public static byte[] Allocate(int bytes, out byte* start)
    {
        byte[] memory = GC.AllocateArray<byte>(bytes + Alignment, pinned: true);
        start = (byte*)(((nint)System.Runtime.CompilerServices.Unsafe.AsPointer(ref memory[0]) + Alignment - 1) & -Alignment);
        return memory;
    }

    /// <summary>Address of a launch's arguments, until the next launch is added.</summary>
    public byte* Arguments(in Launch launch) => _arguments + launch.First;

    /// <param name="kernel">The kernel; null for a copy, whose arguments are destination, source and bytes as int64.</param>
    /// <param name="grid">Blocks.</param>
    /// <param name="block">Threads of a block.</param>
    /// <param name="arguments">Arguments, their holes zero; copied.</param>
    public void Add(CudaKernel? kernel, CudaDim3 grid, CudaDim3 block, ReadOnlySpan<byte> arguments)
    {
        int end = (_used + arguments.Length + Alignment - 1) & -Alignment;
        // Before anything of it is written: what lies beyond the bytes in use does not move along.
        Grow(end);
        arguments.CopyTo(new Span<byte>(_arguments + _used, arguments.Length));
        _launches.Add(new Launch(kernel, grid, block, _used, arguments.Length));
        new Span<byte>(_arguments + _used + arguments.Length, end - _used - arguments.Length).Clear();
        _used = end;
    }

    public bool Matches(LaunchList other)
    {
        if (Count != other.Count || !Bytes.SequenceEqual(other.Bytes))
        {
            return false;
        }
        for (int i = 0; i < Count; i++)
        {
            if (_launches[i] != other._launches[i])
            {
                return false;
            }
        }
        return true;
    }

    /// <summary>Equal lists have equal numbers.</summary>
    public int Hash()
    {
        var hash = default(HashCode);
        hash.AddBytes(Bytes);
        foreach (Launch launch in _launches)
        {
            hash.Add(launch);
        }
        return hash.ToHashCode();
    }

    public LaunchList Clone()
    {
        var copy = new LaunchList();
        copy.Grow(_used);
        Bytes.CopyTo(new Span<byte>(copy._arguments, _used));
        copy._used = _used;
        copy._launches.AddRange(_launches);
        return copy;
    }

    public void Clear()
    {
        _launches.Clear();
        _used = 0;
    }

    private ReadOnlySpan<byte> Bytes => new(_arguments, _used);

    private void Grow(int bytes)
    {
        if (bytes > _capacity)
        {
            int capacity = Math.Max(4096, 2 * bytes);
            byte[] memory = Allocate(capacity, out byte* start);
            Bytes.CopyTo(new Span<byte>(start, capacity));
            _memory = memory;
            _arguments = start;
            _capacity = capacity;
        }
    }

    internal readonly record struct Launch(CudaKernel? Kernel, CudaDim3 Grid, CudaDim3 Block, int First, int Bytes);
}
