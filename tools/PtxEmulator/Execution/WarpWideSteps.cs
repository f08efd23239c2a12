using System.Numerics;
using Llama4Kernels.PtxEmulator.Findings;
using Llama4Kernels.PtxEmulator.Numerics;

namespace Llama4Kernels.PtxEmulator.Execution;

/// <summary>A collective whose mask is an operand.</summary>
internal abstract unsafe class MaskedCollective(int mask) : Collective
{
    public override uint Named(Warp warp)
    {
        var masks = (uint*)(warp.Registers + mask);
        int first = BitOperations.TrailingZeroCount(warp.Mask);
        for (uint rest = warp.Mask; rest != 0; rest &= rest - 1)
        {
            int lane = BitOperations.TrailingZeroCount(rest);
            if (masks[lane] != masks[first])
            {
                throw warp.Finding(PtxFindingKind.Divergence, lane, $"{Opcode}: lanes {first} and {lane} name different lanes, {masks[first]:x8} and {masks[lane]:x8}.");
            }
        }
        return masks[first];
    }

    protected static void Deposit(Warp warp, Slot slot)
    {
        for (uint rest = warp.Mask; rest != 0; rest &= rest - 1)
        {
            int lane = BitOperations.TrailingZeroCount(rest);
            warp.Exchange[lane] = LaneWords.Load(warp.Registers, slot, lane);
        }
    }
}

/// <summary>shfl.sync.</summary>
internal sealed unsafe class ShuffleStep(string mode, int d, int p, int a, int b, int c, int mask) : MaskedCollective(mask)
{
    private readonly string _mode = mode;

    public override void Deposit(Warp warp) => Deposit(warp, new Slot(a, 32, -1));

    public override void Complete(Warp warp, uint present)
    {
        var pd = (uint*)(warp.Registers + d);
        var pb = (uint*)(warp.Registers + b);
        var pc = (uint*)(warp.Registers + c);
        uint valid = 0;
        for (uint rest = warp.Mask; rest != 0; rest &= rest - 1)
        {
            int lane = BitOperations.TrailingZeroCount(rest);
            int by = (int)(pb[lane] & 31);
            int clamp = (int)(pc[lane] & 31);
            int segment = (int)(pc[lane] >> 8 & 31);
            int top = (lane & segment) | (clamp & ~segment);
            int low = lane & segment;
            (int source, bool inside) = _mode switch
            {
                "up" => (lane - by, lane - by >= top),
                "down" => (lane + by, lane + by <= top),
                "bfly" => (lane ^ by, (lane ^ by) <= top),
                _ => (low | (by & ~segment), (low | (by & ~segment)) <= top),
            };
            source = inside ? source : lane;
            if ((present >> source & 1) == 0)
            {
                throw warp.Finding(PtxFindingKind.Divergence, lane, $"{Opcode} reads lane {source}, which does not take part.");
            }
            pd[lane] = (uint)warp.Exchange[source];
            valid |= inside ? 1u << lane : 0;
        }
        if (p >= 0)
        {
            warp.SetPredicate(p, valid);
        }
    }
}

/// <summary>vote.sync.</summary>
internal sealed unsafe class VoteStep(string mode, int d, int source, bool negated, int mask) : MaskedCollective(mask)
{
    private readonly string _mode = mode;

    public override void Deposit(Warp warp)
    {
        uint value = *(uint*)(warp.Registers + source) ^ (negated ? ~0u : 0);
        for (uint rest = warp.Mask; rest != 0; rest &= rest - 1)
        {
            int lane = BitOperations.TrailingZeroCount(rest);
            warp.Exchange[lane] = value >> lane & 1;
        }
    }

    public override void Complete(Warp warp, uint present)
    {
        uint ballot = 0;
        for (uint rest = present; rest != 0; rest &= rest - 1)
        {
            int lane = BitOperations.TrailingZeroCount(rest);
            ballot |= (uint)warp.Exchange[lane] << lane;
        }
        if (_mode == "ballot")
        {
            var pd = (uint*)(warp.Registers + d);
            for (uint rest = warp.Mask; rest != 0; rest &= rest - 1)
            {
                pd[BitOperations.TrailingZeroCount(rest)] = ballot;
            }
            return;
        }
        bool result = _mode switch
        {
            "all" => ballot == present,
            "any" => ballot != 0,
            _ => ballot == 0 || ballot == present,
        };
        warp.SetPredicate(d, result ? ~0u : 0);
    }
}

/// <summary>match.sync.</summary>
internal sealed unsafe class MatchStep(bool all, int d, int p, Slot a, int mask) : MaskedCollective(mask)
{
    public override void Deposit(Warp warp) => Deposit(warp, a);

    public override void Complete(Warp warp, uint present)
    {
        var pd = (uint*)(warp.Registers + d);
        uint equal = 0;
        for (uint rest = warp.Mask; rest != 0; rest &= rest - 1)
        {
            int lane = BitOperations.TrailingZeroCount(rest);
            uint same = 0;
            for (uint others = present; others != 0; others &= others - 1)
            {
                int other = BitOperations.TrailingZeroCount(others);
                same |= warp.Exchange[other] == warp.Exchange[lane] ? 1u << other : 0;
            }
            bool agreed = same == present;
            pd[lane] = all && !agreed ? 0 : same;
            equal |= agreed ? 1u << lane : 0;
        }
        if (p >= 0)
        {
            warp.SetPredicate(p, equal);
        }
    }
}

/// <summary>redux.sync.</summary>
internal sealed unsafe class ReductionStep(int d, int a, int mask, Func<uint, uint, uint> f) : MaskedCollective(mask)
{
    public override void Deposit(Warp warp) => Deposit(warp, new Slot(a, 32, -1));

    public override void Complete(Warp warp, uint present)
    {
        int first = BitOperations.TrailingZeroCount(present);
        uint result = (uint)warp.Exchange[first];
        for (uint rest = present & (present - 1); rest != 0; rest &= rest - 1)
        {
            result = f(result, (uint)warp.Exchange[BitOperations.TrailingZeroCount(rest)]);
        }
        var pd = (uint*)(warp.Registers + d);
        for (uint rest = warp.Mask; rest != 0; rest &= rest - 1)
        {
            pd[BitOperations.TrailingZeroCount(rest)] = result;
        }
    }
}

/// <summary>bar.warp.sync: orders the memory accesses of the lanes it names.</summary>
internal sealed class WarpBarrierStep(int mask) : MaskedCollective(mask)
{
    public override void Deposit(Warp warp)
    {
    }

    public override void Complete(Warp warp, uint present) => warp.Block.Shadow.SyncWarp(warp);
}

/// <summary>mma.sync.</summary>
internal sealed unsafe class MatrixStep(MatrixForm form, Slot[] d, Slot[] a, Slot[] b, Slot[] c) : Step
{
    public override void Execute(Warp warp)
    {
        warp.RequireConverged();
        if (form.Wide)
        {
            Span<ulong> wa = stackalloc ulong[a.Length * 32], wb = stackalloc ulong[b.Length * 32], wc = stackalloc ulong[c.Length * 32], wd = stackalloc ulong[d.Length * 32];
            Gather(warp, a, wa);
            Gather(warp, b, wb);
            Gather(warp, c, wc);
            MatrixMultiply.Execute(form, wa, wb, wc, wd);
            for (int i = 0; i < d.Length; i++)
            {
                wd.Slice(i * 32, 32).CopyTo(new Span<ulong>(warp.Registers + d[i].Offset, 32));
            }
            return;
        }
        Span<uint> na = stackalloc uint[a.Length * 32], nb = stackalloc uint[b.Length * 32], nc = stackalloc uint[c.Length * 32], nd = stackalloc uint[d.Length * 32];
        Gather(warp, a, na);
        Gather(warp, b, nb);
        Gather(warp, c, nc);
        MatrixMultiply.Execute(form, na, nb, nc, nd);
        for (int i = 0; i < d.Length; i++)
        {
            nd.Slice(i * 32, 32).CopyTo(new Span<uint>(warp.Registers + d[i].Offset, 32));
        }
    }

    private static void Gather<T>(Warp warp, Slot[] slots, Span<T> into)
        where T : unmanaged
    {
        for (int i = 0; i < slots.Length; i++)
        {
            new ReadOnlySpan<T>(warp.Registers + slots[i].Offset, 32).CopyTo(into[(i * 32)..]);
        }
    }
}

/// <summary>movmatrix: transposes an 8 × 8 fragment of 16-bit elements.</summary>
internal sealed unsafe class TransposeStep(int d, int a) : Step
{
    public override void Execute(Warp warp)
    {
        warp.RequireConverged();
        Span<ushort> elements = stackalloc ushort[64];
        new ReadOnlySpan<ushort>(warp.Registers + a, 64).CopyTo(elements);
        var pd = (uint*)(warp.Registers + d);
        for (int lane = 0; lane < 32; lane++)
        {
            int row = lane / 4, column = lane % 4 * 2;
            pd[lane] = elements[(column * 8) + row] | (uint)elements[((column + 1) * 8) + row] << 16;
        }
    }
}
