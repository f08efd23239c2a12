using System.Numerics;

namespace Llama4Kernels.PtxEmulator.Execution;

/// <summary>A copy of one lane that has been issued; <see cref="Group"/> is the number of commits before it.</summary>
internal readonly record struct AsyncCopy(int Lane, ulong To, ulong From, int Bytes, int Filled, int Group);

/// <summary>The asynchronous copies of a warp that have not landed.</summary>
internal sealed unsafe class AsyncCopies
{
    private readonly List<AsyncCopy> _pending = [];
    private readonly int[] _commits = new int[32];

    public void Issue(Warp warp, int lane, ulong to, ulong from, int bytes, int filled)
    {
        warp.CheckShared(lane, to, bytes);
        warp.Block.Shadow.Begin(warp, lane, (int)to, bytes);
        if (filled > 0)
        {
            // The source is checked where the copy stands, not where it lands.
            warp.Read(Space.Global, lane, from, filled, strong: false);
        }
        var copy = new AsyncCopy(lane, to, from, bytes, filled, _commits[lane]);
        _pending.Add(copy);
        if (warp.Block.Launch.Options.AsyncCopies == AsyncArrival.Early)
        {
            Move(warp, copy);
        }
    }

    public void Commit(uint mask)
    {
        for (uint rest = mask; rest != 0; rest &= rest - 1)
        {
            _commits[BitOperations.TrailingZeroCount(rest)]++;
        }
    }

    /// <summary>Waits until at most so many of the last groups are under way; -1 for every copy, committed or not.</summary>
    public void Wait(Warp warp, int groups)
    {
        int kept = 0;
        for (int i = 0; i < _pending.Count; i++)
        {
            AsyncCopy copy = _pending[i];
            bool waits = (warp.Mask >> copy.Lane & 1) != 0 && (groups < 0 || copy.Group < _commits[copy.Lane] - groups);
            if (!waits)
            {
                _pending[kept++] = copy;
                continue;
            }
            if (warp.Block.Launch.Options.AsyncCopies == AsyncArrival.Late)
            {
                Move(warp, copy);
            }
            warp.Block.Shadow.Land(warp, copy.Lane, (int)copy.To, copy.Bytes);
        }
        _pending.RemoveRange(kept, _pending.Count - kept);
    }

    private static void Move(Warp warp, AsyncCopy copy)
    {
        var target = new Span<byte>(warp.Block.Shared + copy.To, copy.Bytes);
        new ReadOnlySpan<byte>((void*)copy.From, copy.Filled).CopyTo(target);
        target[copy.Filled..].Clear();
    }
}

/// <summary>cp.async: bytes beyond the source size become zero.</summary>
internal sealed unsafe class AsyncCopyStep(Address to, Address from, int bytes, Slot? size, Slot? ignore, bool negated) : Step
{
    public override void Execute(Warp warp)
    {
        ulong* targets = stackalloc ulong[32];
        ulong* sources = stackalloc ulong[32];
        to.Evaluate(warp, targets);
        from.Evaluate(warp, sources);
        if (warp.Block.Launch.Options.CountMemory)
        {
            AccessCounting.Count(warp, Space.Global, sources, bytes);
            AccessCounting.Count(warp, Space.Shared, targets, bytes);
        }
        uint ignored = ignore is Slot p ? *(uint*)(warp.Registers + p.Offset) ^ (negated ? ~0u : 0) : 0;
        for (uint rest = warp.Mask; rest != 0; rest &= rest - 1)
        {
            int lane = BitOperations.TrailingZeroCount(rest);
            int filled = size is Slot s ? (int)Math.Min((uint)LaneWords.Load(warp.Registers, s, lane), (uint)bytes) : bytes;
            filled = (ignored >> lane & 1) != 0 ? 0 : filled;
            warp.Copies.Issue(warp, lane, targets[lane], sources[lane], bytes, filled);
        }
    }
}

/// <summary>cp.async.commit_group.</summary>
internal sealed class CommitStep : Step
{
    public override void Execute(Warp warp) => warp.Copies.Commit(warp.Mask);
}

/// <summary>cp.async.wait_group and wait_all.</summary>
internal sealed class WaitStep(int groups) : Step
{
    public override void Execute(Warp warp) => warp.Copies.Wait(warp, groups);
}
