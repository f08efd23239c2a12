using System.Numerics;

namespace Llama4Kernels.PtxEmulator.Execution;

/// <summary>atom and red: a compare-and-swap loop on host memory, so that blocks on other cores see it whole.</summary>
internal sealed unsafe class AtomicStep(
    Space space, Slot[] d, Address address, Slot[] b, Slot? c, int bytes,
    Func<ulong, ulong, ulong, ulong> inGlobal, Func<ulong, ulong, ulong, ulong> inShared, Order order) : Step
{
    public override void Execute(Warp warp)
    {
        ulong* addresses = stackalloc ulong[32];
        address.Evaluate(warp, addresses);
        if (warp.Block.Launch.Options.CountMemory)
        {
            AccessCounting.Count(warp, space, addresses, bytes * b.Length);
        }
        if (order is Order.Release or Order.AcquireRelease)
        {
            warp.Block.Shadow.Fence(warp);
        }
        if (space != Space.Shared && d.Length > 0)
        {
            warp.Block.Poll();
        }
        Span<byte> nothing = stackalloc byte[8];
        Span<ulong> given = stackalloc ulong[b.Length];
        for (uint rest = warp.Mask; rest != 0; rest &= rest - 1)
        {
            int lane = BitOperations.TrailingZeroCount(rest);
            ulong place = addresses[lane];
            Func<ulong, ulong, ulong, ulong> function = warp.Resolve(space, ref place) == Space.Global ? inGlobal : inShared;
            // A result may overwrite an operand of a later element.
            for (int i = 0; i < b.Length; i++)
            {
                given[i] = LaneWords.Load(warp.Registers, b[i], lane);
            }
            for (int i = 0; i < b.Length; i++)
            {
                ulong at = addresses[lane] + (ulong)(i * bytes);
                byte* p = warp.Read(space, lane, at, bytes, strong: true);
                warp.Write(space, lane, at, nothing[..bytes], strong: true);
                ulong y = c is Slot third ? LaneWords.Load(warp.Registers, third, lane) : 0;
                ulong old = Exchange(p, given[i], y, function);
                if (d.Length > 0)
                {
                    LaneWords.Store(warp.Registers, d[i], lane, old);
                }
            }
            Ordering.AfterRead(warp, space, addresses[lane], Order.Relaxed);
            Ordering.AfterWrite(warp, space, addresses[lane]);
        }
        if (order is Order.Acquire or Order.AcquireRelease)
        {
            warp.Block.Shadow.Fence(warp);
        }
    }

    private ulong Exchange(byte* p, ulong x, ulong y, Func<ulong, ulong, ulong, ulong> function)
    {
        if (bytes == 8)
        {
            ref ulong word = ref *(ulong*)p;
            for (ulong old = Volatile.Read(ref word); ;)
            {
                ulong seen = Interlocked.CompareExchange(ref word, function(old, x, y), old);
                if (seen == old)
                {
                    return old;
                }
                old = seen;
            }
        }
        // Two bytes are exchanged inside their word.
        int shift = bytes == 4 ? 0 : (int)((nuint)p & 2) * 8;
        uint mask = bytes == 4 ? ~0u : 0xFFFFu << shift;
        ref uint cell = ref *(uint*)((nuint)p & ~(nuint)3);
        for (uint old = Volatile.Read(ref cell); ;)
        {
            uint part = (old & mask) >> shift;
            uint changed = (old & ~mask) | ((uint)function(part, x, y) << shift & mask);
            uint seen = Interlocked.CompareExchange(ref cell, changed, old);
            if (seen == old)
            {
                return part;
            }
            old = seen;
        }
    }
}

/// <summary>atom.exch and atom.cas of 128 bits: the host has no such instruction, so that a lock stands for it.</summary>
internal sealed unsafe class WideAtomicStep(Space space, Slot d, Address address, Slot b, Slot? c, Order order) : Step
{
    private static readonly Lock s_gate = new();

    public override void Execute(Warp warp)
    {
        ulong* addresses = stackalloc ulong[32];
        address.Evaluate(warp, addresses);
        if (warp.Block.Launch.Options.CountMemory)
        {
            AccessCounting.Count(warp, space, addresses, 16);
        }
        if (order is Order.Release or Order.AcquireRelease)
        {
            warp.Block.Shadow.Fence(warp);
        }
        Span<byte> nothing = stackalloc byte[16];
        for (uint rest = warp.Mask; rest != 0; rest &= rest - 1)
        {
            int lane = BitOperations.TrailingZeroCount(rest);
            var p = (UInt128*)warp.Read(space, lane, addresses[lane], 16, strong: true);
            warp.Write(space, lane, addresses[lane], nothing, strong: true);
            UInt128 first = Load(warp, b, lane);
            UInt128 old;
            lock (s_gate)
            {
                old = *p;
                if (c is not Slot swap)
                {
                    *p = first;
                }
                else if (old == first)
                {
                    *p = Load(warp, swap, lane);
                }
            }
            var planes = (ulong*)(warp.Registers + d.Offset);
            planes[lane] = (ulong)old;
            planes[lane + 32] = (ulong)(old >> 64);
            Ordering.AfterRead(warp, space, addresses[lane], Order.Relaxed);
            Ordering.AfterWrite(warp, space, addresses[lane]);
        }
        if (order is Order.Acquire or Order.AcquireRelease)
        {
            warp.Block.Shadow.Fence(warp);
        }
    }

    private static UInt128 Load(Warp warp, Slot slot, int lane)
    {
        var planes = (ulong*)(warp.Registers + slot.Offset);
        return new UInt128(planes[lane + 32], planes[lane]);
    }
}
