using System.Numerics;

namespace Llama4Kernels.PtxEmulator.Execution;

/// <summary>atom and red: a compare-and-swap loop on host memory, so that blocks on other cores see it whole.</summary>
internal sealed unsafe class AtomicStep(Space space, Slot[] d, Address address, Slot[] b, Slot? c, int bytes, Func<ulong, ulong, ulong, ulong> function, Order order) : Step
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
        Span<byte> nothing = stackalloc byte[8];
        for (uint rest = warp.Mask; rest != 0; rest &= rest - 1)
        {
            int lane = BitOperations.TrailingZeroCount(rest);
            for (int i = 0; i < b.Length; i++)
            {
                ulong at = addresses[lane] + (ulong)(i * bytes);
                byte* p = warp.Read(space, lane, at, bytes, strong: true);
                warp.Write(space, lane, at, nothing[..bytes], strong: true);
                ulong x = LaneWords.Load(warp.Registers, b[i], lane);
                ulong y = c is Slot third ? LaneWords.Load(warp.Registers, third, lane) : 0;
                ulong old = Exchange(p, x, y);
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

    private ulong Exchange(byte* p, ulong x, ulong y)
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
