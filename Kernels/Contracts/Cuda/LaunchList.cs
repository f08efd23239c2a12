using Llama4Kernels.Interop.Cuda;

namespace Llama4Kernels.Kernels.Contracts.Cuda;

/// <summary>
/// Launches and copies that wait to be issued, their arguments packed one after another. A list is refilled at every step;
/// equal lists do the same, so that a graph of one stands for the other.
/// </summary>
internal sealed class LaunchList
{
    private readonly List<Launch> _launches = [];
    private byte[] _arguments = [];
    private int _used;

    public int Count => _launches.Count;

    public ReadOnlySpan<byte> Arguments(in Launch launch) => _arguments.AsSpan(launch.First, launch.Bytes);

    public Launch this[int index] => _launches[index];

    /// <param name="kernel">The kernel; null for a copy, whose arguments are destination, source and bytes as int64.</param>
    /// <param name="grid">Blocks.</param>
    /// <param name="block">Threads of a block.</param>
    /// <param name="arguments">Packed arguments; copied.</param>
    public void Add(CudaKernel? kernel, CudaDim3 grid, CudaDim3 block, ReadOnlySpan<byte> arguments)
    {
        if (_arguments.Length - _used < arguments.Length)
        {
            Array.Resize(ref _arguments, Math.Max(4096, 2 * (_used + arguments.Length)));
        }
        arguments.CopyTo(_arguments.AsSpan(_used));
        _launches.Add(new Launch(kernel, grid, block, _used, arguments.Length));
        _used += arguments.Length;
    }

    public bool Matches(LaunchList other)
    {
        if (Count != other.Count || _used != other._used || !_arguments.AsSpan(0, _used).SequenceEqual(other._arguments.AsSpan(0, _used)))
        {
            return false;
        }
        for (int i = 0; i < Count; i++)
        {
            if (!_launches[i].Equals(other._launches[i]))
            {
                return false;
            }
        }
        return true;
    }

    public LaunchList Clone()
    {
        var copy = new LaunchList { _arguments = _arguments.AsSpan(0, _used).ToArray(), _used = _used };
        copy._launches.AddRange(_launches);
        return copy;
    }

    public void Clear()
    {
        _launches.Clear();
        _used = 0;
    }

    internal readonly record struct Launch(CudaKernel? Kernel, CudaDim3 Grid, CudaDim3 Block, int First, int Bytes);
}
