using System.Numerics;
using System.Runtime.CompilerServices;

namespace Llama4Kernels.PtxEmulator.Execution;

/// <summary>ld: elements of one lane lie side by side.</summary>
internal sealed unsafe class LoadStep(Space space, Slot[] targets, Address address, int bytes, bool signed, Order order) : Step
{
    /// <summary>Words into registers of a word, by far the most frequent loads.</summary>
    private readonly bool _words = bytes == 4 && targets.All(target => target.Bits == 32);

    [SkipLocalsInit]
    public override void Execute(Warp warp)
    {
        ulong* addresses = stackalloc ulong[32];
        address.Evaluate(warp, addresses);
        bool strong = order != Order.Weak;
        int all = bytes * targets.Length;
        if (warp.Block.Launch.Options.CountMemory)
        {
            AccessCounting.Count(warp, space, addresses, all);
        }
        if (strong && space != Space.Shared)
        {
            warp.Block.Poll();
        }
        uint mask = warp.Mask;
        for (uint rest = mask; rest != 0; rest &= rest - 1)
        {
            int lane = BitOperations.TrailingZeroCount(rest);
            if (space == Space.Shared && Twin(addresses, lane, mask) is int twin and >= 0)
            {
                foreach (Slot target in targets)
                {
                    LaneWords.Store(warp.Registers, target, lane, LaneWords.Load(warp.Registers, target, twin));
                }
                continue;
            }
            byte* p = warp.Read(space, lane, addresses[lane], all, strong, space == Space.Shared && IsShared(addresses, lane, mask));
            for (int i = 0; i < targets.Length; i++)
            {
                if (_words)
                {
                    ((uint*)(warp.Registers + targets[i].Offset))[lane] = Volatile.Read(ref ((uint*)p)[i]);
                }
                else
                {
                    LaneWords.Store(warp.Registers, targets[i], lane, Element(p + (i * bytes)));
                }
            }
            if (strong)
            {
                Ordering.AfterRead(warp, space, addresses[lane], order);
            }
        }
    }

    /// <summary>An active lane before this one with the same address, among those where tiles put them; -1 if there is none.</summary>
    private static int Twin(ulong* addresses, int lane, uint mask)
    {
        if (lane > 0 && (mask >> (lane - 1) & 1) != 0 && addresses[lane - 1] == addresses[lane])
        {
            return lane - 1;
        }
        return lane > 15 && (mask >> (lane - 16) & 1) != 0 && addresses[lane - 16] == addresses[lane] ? lane - 16 : -1;
    }

    /// <summary>Whether a later lane is a twin of this one.</summary>
    private static bool IsShared(ulong* addresses, int lane, uint mask) =>
        (lane < 31 && (mask >> (lane + 1) & 1) != 0 && addresses[lane + 1] == addresses[lane])
        || (lane < 16 && (mask >> (lane + 16) & 1) != 0 && addresses[lane + 16] == addresses[lane]);

    private ulong Element(byte* p) => bytes switch
    {
        1 => signed ? (ulong)*(sbyte*)p : *p,
        2 => signed ? (ulong)*(short*)p : *(ushort*)p,
        4 => signed ? (ulong)Volatile.Read(ref *(int*)p) : Volatile.Read(ref *(uint*)p),
        _ => Volatile.Read(ref *(ulong*)p),
    };
}

/// <summary>st.</summary>
internal sealed unsafe class StoreStep(Space space, Slot[] sources, Address address, int bytes, Order order) : Step
{
    [SkipLocalsInit]
    public override void Execute(Warp warp)
    {
        ulong* addresses = stackalloc ulong[32];
        byte* value = stackalloc byte[16];
        address.Evaluate(warp, addresses);
        bool strong = order != Order.Weak;
        int all = bytes * sources.Length;
        if (warp.Block.Launch.Options.CountMemory)
        {
            AccessCounting.Count(warp, space, addresses, all);
        }
        if (order is Order.Release or Order.AcquireRelease)
        {
            warp.Block.Shadow.Fence(warp);
        }
        for (uint rest = warp.Mask; rest != 0; rest &= rest - 1)
        {
            int lane = BitOperations.TrailingZeroCount(rest);
            for (int i = 0; i < sources.Length; i++)
            {
                ulong element = LaneWords.Load(warp.Registers, sources[i], lane);
                Unsafe.CopyBlock(value + (i * bytes), &element, (uint)bytes);
            }
            byte* p = warp.Write(space, lane, addresses[lane], new ReadOnlySpan<byte>(value, all), strong);
            Put(p, value, all);
            if (strong)
            {
                Ordering.AfterWrite(warp, space, addresses[lane]);
            }
        }
    }

    /// <summary>Words are stored whole: other blocks may poll them.</summary>
    private static void Put(byte* p, byte* value, int bytes)
    {
        switch (bytes)
        {
            case 1:
                *p = *value;
                break;
            case 2:
                *(ushort*)p = *(ushort*)value;
                break;
            case 4:
                Volatile.Write(ref *(uint*)p, *(uint*)value);
                break;
            case 8:
                Volatile.Write(ref *(ulong*)p, *(ulong*)value);
                break;
            default:
                Buffer.MemoryCopy(value, p, bytes, bytes);
                break;
        }
    }
}

/// <summary>What strong accesses to shared memory order.</summary>
internal static class Ordering
{
    public static void AfterRead(Warp warp, Space space, ulong address, Order order)
    {
        if (warp.Resolve(space, ref address) == Space.Shared)
        {
            warp.Block.Shadow.Observe(warp, (int)address);
        }
        if (order is Order.Acquire or Order.AcquireRelease)
        {
            warp.Block.Shadow.Fence(warp);
        }
    }

    public static void AfterWrite(Warp warp, Space space, ulong address)
    {
        if (warp.Resolve(space, ref address) == Space.Shared)
        {
            warp.Block.Shadow.Publish(warp, (int)address);
        }
    }
}

/// <summary>ldmatrix: eight lanes give the rows of each 8 × 8 matrix of 16-bit elements.</summary>
internal sealed unsafe class LoadMatrixStep(Space space, Slot[] targets, Address address, bool transposed) : Step
{
    public override void Execute(Warp warp)
    {
        warp.RequireConverged();
        ulong* addresses = stackalloc ulong[32];
        address.Evaluate(warp, addresses);
        if (warp.Block.Launch.Options.CountMemory)
        {
            AccessCounting.CountMatrix(warp, space, addresses, targets.Length);
        }
        var rows = stackalloc ushort*[8];
        for (int matrix = 0; matrix < targets.Length; matrix++)
        {
            for (int row = 0; row < 8; row++)
            {
                int giver = (matrix * 8) + row;
                rows[row] = (ushort*)warp.Read(space, giver, addresses[giver], 16, strong: false);
            }
            var pd = (uint*)(warp.Registers + targets[matrix].Offset);
            for (int lane = 0; lane < 32; lane++)
            {
                int r = lane / 4;
                int c = lane % 4 * 2;
                pd[lane] = transposed ? rows[c][r] | (uint)rows[c + 1][r] << 16 : rows[r][c] | (uint)rows[r][c + 1] << 16;
            }
        }
    }
}
