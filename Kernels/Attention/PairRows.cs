using System.Runtime.CompilerServices;
using System.Runtime.Intrinsics.X86;

namespace Llama4Kernels.Kernels.Attention;

/// <summary>Walks through the pairs of a few runs.</summary>
/// <param name="runs">The runs.</param>
/// <param name="count">Rows of all.</param>
/// <param name="lineBytes">Bytes from a pair to the next.</param>
/// <param name="ahead">Bytes behind <see cref="PairRun.Ahead"/> at which to ask; negative to ask for nothing.</param>
internal unsafe struct PairRows(PairRun* runs, long count, int lineBytes, long ahead)
{
    private PairRun* _run = runs;
    private long _left = count, _rows, _ask = ahead;
    private int _offset;
    private byte* _line, _ahead;

    /// <summary>Whether the pair that was found last has one row only.</summary>
    public readonly bool IsHalf => _rows < 0;

    /// <summary>The same from a vector of columns on; only the first vector of the first row asks.</summary>
    public readonly PairRows From(int vector, int row)
    {
        PairRows part = vector == 0 && row == 0 ? this : Quiet();
        part._offset = 64 * vector;
        return part;
    }

    /// <summary>The same without asking.</summary>
    public readonly PairRows Quiet()
    {
        PairRows part = this;
        part._ask = -1;
        return part;
    }

    /// <summary>The next pair; false if there is none.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public bool TryNext(out byte* line)
    {
        if (_rows <= 0 && !TryEnter())
        {
            line = null;
            return false;
        }
        if (_ask >= 0 && Sse.IsSupported)
        {
            Sse.Prefetch1(_ahead);
            _ahead += lineBytes;
        }
        line = _line;
        _line += lineBytes;
        _rows -= 2;
        return true;
    }

    private bool TryEnter()
    {
        if (_left == 0)
        {
            return false;
        }
        _rows = Math.Min(_run->Rows, _left);
        _left -= _rows;
        _line = _run->Panel + _offset;
        _ahead = _run->Ahead + _ask;
        _run++;
        return true;
    }
}
