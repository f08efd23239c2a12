using Llama4Kernels.PtxEmulator.Findings;

namespace Llama4Kernels.PtxEmulator.Execution;

/// <summary>
/// Who wrote and read shared memory last, and what orders the warps: a vector clock per warp, as in FastTrack (Flanagan and
/// Freund). A cell is the smallest access of the kernel. Inside a warp only bar.warp.sync and barriers order the lanes.
/// </summary>
internal sealed class SharedShadow
{
    private const int SeveralLanes = 63;
    private readonly Block _block;
    private readonly int _shift;
    private readonly int _warps;
    private readonly ulong[] _writers;
    private readonly uint[] _readers;
    private readonly bool[] _pending;
    private readonly uint[][] _known;
    private readonly uint[] _clock;
    private readonly uint[]?[] _fenced;
    private readonly uint[]?[] _observed;
    private readonly Dictionary<int, uint[]> _published = [];
    private readonly uint[] _passedGrid;

    public SharedShadow(Block block, int bytes, int grain, int warps)
    {
        _block = block;
        _shift = int.Log2(grain);
        _warps = warps;
        int cells = (bytes + grain - 1) >> _shift;
        _writers = new ulong[cells];
        _readers = new uint[cells * warps];
        _pending = new bool[cells];
        _known = new uint[warps][];
        _clock = new uint[warps];
        _fenced = new uint[warps][];
        _observed = new uint[warps][];
        _passedGrid = new uint[warps];
        for (int i = 0; i < warps; i++)
        {
            _known[i] = new uint[warps];
            _clock[i] = 1;
        }
    }

    /// <summary>A lane reads; <paramref name="strong"/> for volatile, relaxed, acquire and atomic accesses.</summary>
    public void Read(Warp warp, int lane, int offset, int bytes, bool strong, bool several)
    {
        int last = (offset + bytes - 1) >> _shift;
        for (int cell = offset >> _shift; cell <= last; cell++)
        {
            ulong writer = _writers[cell];
            if (writer == 0 || _pending[cell])
            {
                throw Unwritten(warp, lane, cell);
            }
            if (!IsOrdered(warp.Index, lane, writer) && !(strong && (writer & 1) != 0))
            {
                throw Race(warp, lane, cell, (int)(writer >> 10 & 31), (int)(writer >> 5 & 31), "reads what", "wrote");
            }
            ref uint reader = ref _readers[(cell * _warps) + warp.Index];
            uint clock = _clock[warp.Index];
            uint code = several ? SeveralLanes : (uint)(lane + 1);
            if (reader >> 7 == clock)
            {
                code = (reader & 63) == code ? code : SeveralLanes;
                reader = clock << 7 | (strong ? reader & 64 : 0) | code;
            }
            else
            {
                reader = clock << 7 | (strong ? 64u : 0) | code;
            }
        }
    }

    /// <summary>A lane writes; <paramref name="sameValue"/> says that memory already held what it writes.</summary>
    public void Write(Warp warp, int lane, int offset, int bytes, bool strong, bool sameValue)
    {
        int last = (offset + bytes - 1) >> _shift;
        for (int cell = offset >> _shift; cell <= last; cell++)
        {
            if (_pending[cell])
            {
                throw Unwritten(warp, lane, cell);
            }
            ulong record = Record(warp, lane, strong);
            ulong writer = _writers[cell];
            // Lanes of one instruction may write the same value to the same place.
            bool sameInstruction = writer >> 15 == record >> 15 && (writer >> 10 & 31) == (ulong)warp.Index;
            if (writer != 0 && !IsOrdered(warp.Index, lane, writer) && !(strong && (writer & 1) != 0) && !(sameInstruction && sameValue))
            {
                throw Race(warp, lane, cell, (int)(writer >> 10 & 31), (int)(writer >> 5 & 31), "writes what", "wrote");
            }
            CheckReaders(warp, lane, cell, strong);
            _writers[cell] = record;
        }
    }

    /// <summary>Bytes that an asynchronous copy will write: nobody may touch them until it has landed.</summary>
    public void Begin(Warp warp, int lane, int offset, int bytes)
    {
        Write(warp, lane, offset, bytes, strong: false, sameValue: false);
        Array.Fill(_pending, true, offset >> _shift, ((offset + bytes - 1) >> _shift) - (offset >> _shift) + 1);
    }

    /// <summary>An asynchronous copy landed at a wait of its thread.</summary>
    public void Land(Warp warp, int lane, int offset, int bytes)
    {
        int last = (offset + bytes - 1) >> _shift;
        for (int cell = offset >> _shift; cell <= last; cell++)
        {
            _pending[cell] = false;
            _writers[cell] = Record(warp, lane, strong: false);
        }
    }

    /// <summary>Bytes become defined without an access that could race, as by mbarrier.init.</summary>
    public void Define(Warp warp, int lane, int offset, int bytes) => Land(warp, lane, offset, bytes);

    /// <summary>All lanes of the warp are ordered with each other.</summary>
    public void SyncWarp(Warp warp)
    {
        int w = warp.Index;
        _known[w][w] = _clock[w];
        _clock[w]++;
    }

    /// <summary>What the warp did so far becomes part of <paramref name="clock"/>.</summary>
    public void Release(Warp warp, ref uint[]? clock)
    {
        SyncWarp(warp);
        clock ??= new uint[_warps];
        Join(clock, _known[warp.Index]);
    }

    /// <summary>The warp comes after everything that <paramref name="clock"/> covers.</summary>
    public void Acquire(Warp warp, uint[]? clock)
    {
        if (clock is not null)
        {
            Join(_known[warp.Index], clock);
        }
    }

    /// <summary>A fence: orders what came before with later strong writes, and earlier strong reads with what follows.</summary>
    public void Fence(Warp warp)
    {
        Acquire(warp, _observed[warp.Index]);
        _fenced[warp.Index] = null;
        Release(warp, ref _fenced[warp.Index]);
    }

    /// <summary>A strong write, which others may find.</summary>
    public void Publish(Warp warp, int offset)
    {
        if (_fenced[warp.Index] is uint[] fenced)
        {
            if (!_published.TryGetValue(offset, out uint[]? clock))
            {
                _published.Add(offset, clock = new uint[_warps]);
            }
            Join(clock, fenced);
        }
    }

    /// <summary>A strong read of what others may have published.</summary>
    public void Observe(Warp warp, int offset)
    {
        if (_published.TryGetValue(offset, out uint[]? clock))
        {
            Join(_observed[warp.Index] ??= new uint[_warps], clock);
        }
    }

    /// <summary>A thread of the warp has waited for the grids before; who comes behind it has, too.</summary>
    public void PassGrid(Warp warp)
    {
        if (_passedGrid[warp.Index] == 0)
        {
            _passedGrid[warp.Index] = _clock[warp.Index];
        }
    }

    /// <summary>Whether something orders the warp behind a thread that has waited for the grids before.</summary>
    public bool IsBehindGridWait(Warp warp)
    {
        for (int other = 0; other < _warps; other++)
        {
            if (_passedGrid[other] != 0 && _known[warp.Index][other] >= _passedGrid[other])
            {
                return true;
            }
        }
        return false;
    }

    /// <summary>Whether a thread of the block has waited for the grids before.</summary>
    public bool AnyPassedGrid => _passedGrid.Any(clock => clock != 0);

    private static void Join(uint[] into, uint[] other)
    {
        for (int i = 0; i < into.Length; i++)
        {
            into[i] = Math.Max(into[i], other[i]);
        }
    }

    /// <summary>Clock, instruction, warp, lane and strength of a write, in 25, 24, 5, 5 and 5 bits.</summary>
    private ulong Record(Warp warp, int lane, bool strong) =>
        (ulong)_clock[warp.Index] << 39 | (warp.Serial & 0xFF_FFFF) << 15 | (ulong)warp.Index << 10 | (ulong)lane << 5 | 2 | (strong ? 1u : 0);

    private bool IsOrdered(int warp, int lane, ulong writer)
    {
        int other = (int)(writer >> 10 & 31);
        return _known[warp][other] >= writer >> 39 || (other == warp && (int)(writer >> 5 & 31) == lane);
    }

    private void CheckReaders(Warp warp, int lane, int cell, bool strong)
    {
        for (int w = 0; w < _warps; w++)
        {
            uint reader = _readers[(cell * _warps) + w];
            if (reader == 0 || _known[warp.Index][w] >= reader >> 7 || (strong && (reader & 64) != 0) || (w == warp.Index && (reader & 63) == lane + 1))
            {
                continue;
            }
            int other = (reader & 63) == SeveralLanes ? 0 : (int)(reader & 63) - 1;
            throw Race(warp, lane, cell, w, other, "writes what", "read");
        }
    }

    private PtxFindingException Race(Warp warp, int lane, int cell, int otherWarp, int otherLane, string does, string did) =>
        warp.Finding(PtxFindingKind.Race, lane, $"{does} thread {(otherWarp * 32) + otherLane} {did} at shared address {cell << _shift}, and nothing orders the two.");

    private PtxFindingException Unwritten(Warp warp, int lane, int cell) => _pending[cell]
        ? warp.Finding(PtxFindingKind.MissingWait, lane, $"uses shared address {cell << _shift} while an asynchronous copy to it is not waited for.")
        : warp.Finding(PtxFindingKind.Uninitialised, lane, $"reads shared address {cell << _shift}, which nobody wrote in block {_block.Number}.");
}
