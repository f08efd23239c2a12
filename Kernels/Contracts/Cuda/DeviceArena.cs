using Llama4Kernels.Interop.Cuda;

namespace Llama4Kernels.Kernels.Contracts.Cuda;

/// <summary>Device memory in large pieces, given out in parts: a part costs no call of the driver while a piece has room.</summary>
internal sealed class DeviceArena(CudaStream stream, long pieceBytes) : IDisposable
{
    /// <summary>Every part begins at a multiple of this.</summary>
    public const int Alignment = 256;

    private readonly List<Piece> _pieces = [];

    /// <summary>Bytes taken from the device.</summary>
    public long Bytes => _pieces.Sum(piece => piece.Memory.Bytes);

    public nint Take(long bytes)
    {
        bytes = Round(bytes);
        foreach (Piece piece in _pieces)
        {
            if (piece.TryTake(bytes, out nint address))
            {
                return address;
            }
        }
        var added = new Piece(CudaMemory.Allocate(stream.Context, Math.Max(bytes, Round(pieceBytes))));
        // Each part is zeroed when it is given out; this is so that nothing of a piece is ever undefined.
        stream.Fill(added.Memory.Address, 0, added.Memory.Bytes);
        _pieces.Add(added);
        _ = added.TryTake(bytes, out nint first);
        return first;
    }

    /// <summary>Takes a part back; one that outlived the arena is gone already.</summary>
    public void Return(nint address, long bytes) => _pieces.Find(piece => piece.Holds(address))?.Return(address, Round(bytes));

    public void Dispose()
    {
        foreach (Piece piece in _pieces)
        {
            piece.Memory.Dispose();
        }
        _pieces.Clear();
    }

    private static long Round(long bytes) => (Math.Max(bytes, 1) + Alignment - 1) & -Alignment;

    private sealed class Piece
    {
        // Free ranges by their first byte, none touching another.
        private readonly SortedList<long, long> _free = [];

        public Piece(CudaMemory memory)
        {
            Memory = memory;
            _free.Add(0, memory.Bytes);
        }

        public CudaMemory Memory { get; }

        public bool Holds(nint address) => address >= Memory.Address && address - Memory.Address < Memory.Bytes;

        public bool TryTake(long bytes, out nint address)
        {
            for (int i = 0; i < _free.Count; i++)
            {
                long first = _free.GetKeyAtIndex(i), length = _free.GetValueAtIndex(i);
                if (length >= bytes)
                {
                    _free.RemoveAt(i);
                    if (length > bytes)
                    {
                        _free.Add(first + bytes, length - bytes);
                    }
                    address = Memory.Address + (nint)first;
                    return true;
                }
            }
            address = 0;
            return false;
        }

        public void Return(nint address, long bytes)
        {
            long first = address - Memory.Address;
            _free.Add(first, bytes);
            int i = _free.IndexOfKey(first);
            if (i + 1 < _free.Count && first + bytes == _free.GetKeyAtIndex(i + 1))
            {
                bytes += _free.GetValueAtIndex(i + 1);
                _free.RemoveAt(i + 1);
                _free[first] = bytes;
            }
            if (i > 0 && _free.GetKeyAtIndex(i - 1) is long before && before + _free[before] == first)
            {
                _free[before] += bytes;
                _free.Remove(first);
            }
        }
    }
}
