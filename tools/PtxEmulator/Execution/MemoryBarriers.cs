using System.Numerics;
using Llama4Kernels.PtxEmulator.Findings;

namespace Llama4Kernels.PtxEmulator.Execution;

/// <summary>The mbarrier objects in a block's shared memory, by address.</summary>
internal sealed class MemoryBarriers
{
    private readonly Dictionary<int, MemoryBarrierObject> _objects = [];

    /// <summary>Arrivals that were pending when the state was taken.</summary>
    public static uint PendingOf(ulong state) => (uint)(state & 0xF_FFFF);

    public bool Has(int address) => _objects.ContainsKey(address);

    public MemoryBarrierObject? Find(int address) => _objects.GetValueOrDefault(address);

    public void Init(int address, uint count) => _objects[address] = new MemoryBarrierObject(count);

    public bool Remove(int address) => _objects.Remove(address);
}

/// <summary>Phase and counts of one mbarrier.</summary>
internal sealed class MemoryBarrierObject(uint count)
{
    public uint Expected { get; set; } = count;

    public uint Pending { get; private set; } = count;

    public ulong Phase { get; private set; }

    public uint[]? Clock;

    /// <summary>The state that arrivals give: phase and pending count before them.</summary>
    public ulong State => Phase << 20 | Pending;

    public static ulong PhaseOf(ulong state) => state >> 20;

    public bool Arrive(uint count)
    {
        if (count > Pending)
        {
            return false;
        }
        Pending -= count;
        if (Pending == 0)
        {
            Phase++;
            Pending = Expected;
        }
        return true;
    }
}

/// <summary>mbarrier.init, inval, arrive, arrive_drop and test_wait.</summary>
internal sealed class MemoryBarrierStep(string operation, Space space, Address address, Slot? result, Slot? extra, bool completes, bool parity) : Step
{
    public override unsafe void Execute(Warp warp)
    {
        ulong* addresses = stackalloc ulong[32];
        address.Evaluate(warp, addresses);
        uint done = 0;
        for (uint rest = warp.Mask; rest != 0; rest &= rest - 1)
        {
            int lane = BitOperations.TrailingZeroCount(rest);
            ulong at = addresses[lane];
            if (warp.Resolve(space, ref at) != Space.Shared)
            {
                throw warp.Finding(PtxFindingKind.OutOfBounds, lane, $"{Opcode}: 0x{at:x} is not in shared memory.");
            }
            warp.CheckShared(lane, at, 8);
            ulong value = extra is Slot slot ? LaneWords.Load(warp.Registers, slot, lane) : 1;
            done |= Apply(warp, lane, (int)at, value) ? 1u << lane : 0;
        }
        if (operation == "test_wait")
        {
            warp.SetPredicate(result!.Value.Offset, done);
        }
    }

    private unsafe bool Apply(Warp warp, int lane, int at, ulong value)
    {
        MemoryBarriers barriers = warp.Block.MemoryBarriers;
        if (operation == "init")
        {
            if (value is 0 or > 0xF_FFFF)
            {
                throw warp.Finding(PtxFindingKind.OutOfBounds, lane, $"{Opcode}: a count of {value}.");
            }
            if (barriers.Has(at))
            {
                throw warp.Finding(PtxFindingKind.Trap, lane, $"{Opcode}: shared address {at} holds a live mbarrier.");
            }
            warp.Block.Shadow.Write(warp, lane, at, 8, strong: false, sameValue: false);
            barriers.Init(at, (uint)value);
            return true;
        }
        if (barriers.Find(at) is not MemoryBarrierObject found)
        {
            throw warp.Finding(PtxFindingKind.Uninitialised, lane, $"{Opcode}: shared address {at} holds no mbarrier.");
        }
        if (operation == "inval")
        {
            warp.Block.Shadow.Write(warp, lane, at, 8, strong: false, sameValue: false);
            return barriers.Remove(at);
        }
        // Something must order them with init, though not with each other.
        warp.Block.Shadow.Read(warp, lane, at, 8, strong: true, several: false);
        switch (operation)
        {
            case "test_wait":
                bool over = parity ? (found.Phase & 1) != (value & 1) : found.Phase != MemoryBarrierObject.PhaseOf(value);
                if (over)
                {
                    warp.Block.Shadow.Acquire(warp, found.Clock);
                }
                return over;
            default:
                ulong state = found.State;
                warp.Block.Shadow.Release(warp, ref found.Clock);
                if (operation == "arrive_drop")
                {
                    found.Expected -= Math.Min((uint)value, found.Expected);
                }
                if (!found.Arrive((uint)value) || (!completes && found.Phase != MemoryBarrierObject.PhaseOf(state)))
                {
                    throw warp.Finding(PtxFindingKind.Trap, lane, $"{Opcode}: {value} arrivals where {PendingText(state)} are pending.");
                }
                if (result is Slot d)
                {
                    LaneWords.Store(warp.Registers, d, lane, state);
                }
                return true;
        }
    }

    private static string PendingText(ulong state) => MemoryBarriers.PendingOf(state).ToString(System.Globalization.CultureInfo.InvariantCulture);
}

/// <summary>
/// cp.async.mbarrier.arrive: the lane's copies land and it arrives. Without noinc the arrival raises the pending count
/// before, so that only what it orders remains.
/// </summary>
internal sealed class AsyncArriveStep(Space space, Address address, bool counts) : Step
{
    public override unsafe void Execute(Warp warp)
    {
        ulong* addresses = stackalloc ulong[32];
        address.Evaluate(warp, addresses);
        warp.Copies.Wait(warp, -1);
        for (uint rest = warp.Mask; rest != 0; rest &= rest - 1)
        {
            int lane = BitOperations.TrailingZeroCount(rest);
            ulong at = addresses[lane];
            if (warp.Resolve(space, ref at) != Space.Shared)
            {
                throw warp.Finding(PtxFindingKind.OutOfBounds, lane, $"{Opcode}: 0x{at:x} is not in shared memory.");
            }
            warp.CheckShared(lane, at, 8);
            if (warp.Block.MemoryBarriers.Find((int)at) is not MemoryBarrierObject found)
            {
                throw warp.Finding(PtxFindingKind.Uninitialised, lane, $"{Opcode}: shared address {at} holds no mbarrier.");
            }
            warp.Block.Shadow.Release(warp, ref found.Clock);
            if (counts && !found.Arrive(1))
            {
                throw warp.Finding(PtxFindingKind.Trap, lane, $"{Opcode}: no arrival is pending.");
            }
        }
    }
}
