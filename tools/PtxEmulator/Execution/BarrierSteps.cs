using System.Numerics;
using Llama4Kernels.PtxEmulator.Findings;

namespace Llama4Kernels.PtxEmulator.Execution;

/// <summary>membar and fence.</summary>
internal sealed class FenceStep : Step
{
    public override void Execute(Warp warp) => warp.Block.Shadow.Fence(warp);
}

/// <summary>What barriers of a block have in common.</summary>
internal abstract unsafe class BlockBarrierStep(int id, int count, bool aligned) : Step
{
    /// <summary>Checks who comes; gives the barrier, the threads it wants (0 for all) and those that come now.</summary>
    protected BlockBarrier Enter(Warp warp, out int expected, out int threads)
    {
        if (aligned && warp.Mask != warp.Alive && !warp.IsLoose)
        {
            throw warp.Finding(PtxFindingKind.Divergence, $"{Opcode}: only lanes {warp.Mask:x8} of {warp.Alive:x8} come to the barrier.");
        }
        int first = BitOperations.TrailingZeroCount(warp.Mask);
        uint number = ((uint*)(warp.Registers + id))[first];
        expected = count < 0 ? 0 : (int)((uint*)(warp.Registers + count))[first];
        if (number > 15)
        {
            throw warp.Finding(PtxFindingKind.OutOfBounds, first, $"{Opcode}: barrier {number} of 16.");
        }
        if (expected % 32 != 0)
        {
            throw warp.Finding(PtxFindingKind.Divergence, first, $"{Opcode}: {expected} threads are no multiple of the warp size.");
        }
        BlockBarrier barrier = warp.Block.Barrier((int)number);
        if (barrier.IsInUse && barrier.Expected != expected)
        {
            throw warp.Finding(PtxFindingKind.Divergence, first, $"{Opcode}: barrier {number} wants {expected} threads here and {barrier.Expected} elsewhere (0 stands for all).");
        }
        // With a count every warp counts whole, also one that is not full.
        threads = expected > 0 && aligned ? 32 : BitOperations.PopCount(warp.Mask);
        return barrier;
    }
}

/// <summary>bar.sync and bar.arrive.</summary>
internal sealed class BarrierStep(int id, int count, bool aligned, bool waits) : BlockBarrierStep(id, count, aligned)
{
    public override void Execute(Warp warp)
    {
        BlockBarrier barrier = Enter(warp, out int expected, out int threads);
        barrier.Arrive(warp, expected, threads);
        if (waits)
        {
            barrier.Wait(warp, warp.WaitAtBarrier(this), null);
        }
        barrier.Check(warp.Block.AliveThreads);
    }
}

/// <summary>bar.red.</summary>
internal sealed unsafe class BarrierReductionStep(string operation, Slot d, int id, int count, int p, bool negated, bool aligned)
    : BlockBarrierStep(id, count, aligned)
{
    public override void Execute(Warp warp)
    {
        BlockBarrier barrier = Enter(warp, out int expected, out int threads);
        uint value = *(uint*)(warp.Registers + p) ^ (negated ? ~0u : 0);
        barrier.Arrive(warp, expected, threads);
        barrier.Reduce(BitOperations.PopCount(value & warp.Mask), BitOperations.PopCount(warp.Mask));
        barrier.Wait(warp, warp.WaitAtBarrier(this), (waiting, mask) => Complete(waiting, barrier));
        barrier.Check(warp.Block.AliveThreads);
    }

    private void Complete(Warp warp, BlockBarrier barrier)
    {
        if (operation == "popc")
        {
            for (uint rest = warp.Mask; rest != 0; rest &= rest - 1)
            {
                LaneWords.Store(warp.Registers, d, BitOperations.TrailingZeroCount(rest), (ulong)barrier.TrueCount);
            }
            return;
        }
        bool result = operation == "and" ? barrier.TrueCount == barrier.ReductionCount : barrier.TrueCount > 0;
        warp.SetPredicate(d.Offset, result ? ~0u : 0);
    }
}
