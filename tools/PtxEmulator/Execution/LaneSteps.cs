using System.Numerics;

namespace Llama4Kernels.PtxEmulator.Execution;

/// <summary>A function of one register, lane by lane.</summary>
internal sealed unsafe class Lane1<TD, TA>(int d, int a, Func<TA, TD> function) : Step
    where TD : unmanaged
    where TA : unmanaged
{
    public override void Execute(Warp warp)
    {
        var pd = (TD*)(warp.Registers + d);
        var pa = (TA*)(warp.Registers + a);
        for (uint rest = warp.Mask; rest != 0; rest &= rest - 1)
        {
            int lane = BitOperations.TrailingZeroCount(rest);
            pd[lane] = function(pa[lane]);
        }
    }
}

/// <summary>A function of two registers, lane by lane.</summary>
internal sealed unsafe class Lane2<TD, TA, TB>(int d, int a, int b, Func<TA, TB, TD> function) : Step
    where TD : unmanaged
    where TA : unmanaged
    where TB : unmanaged
{
    public override void Execute(Warp warp)
    {
        var pd = (TD*)(warp.Registers + d);
        var pa = (TA*)(warp.Registers + a);
        var pb = (TB*)(warp.Registers + b);
        for (uint rest = warp.Mask; rest != 0; rest &= rest - 1)
        {
            int lane = BitOperations.TrailingZeroCount(rest);
            pd[lane] = function(pa[lane], pb[lane]);
        }
    }
}

/// <summary>A function of three registers, lane by lane.</summary>
internal sealed unsafe class Lane3<TD, TA, TB, TC>(int d, int a, int b, int c, Func<TA, TB, TC, TD> function) : Step
    where TD : unmanaged
    where TA : unmanaged
    where TB : unmanaged
    where TC : unmanaged
{
    public override void Execute(Warp warp)
    {
        var pd = (TD*)(warp.Registers + d);
        var pa = (TA*)(warp.Registers + a);
        var pb = (TB*)(warp.Registers + b);
        var pc = (TC*)(warp.Registers + c);
        for (uint rest = warp.Mask; rest != 0; rest &= rest - 1)
        {
            int lane = BitOperations.TrailingZeroCount(rest);
            pd[lane] = function(pa[lane], pb[lane], pc[lane]);
        }
    }
}

/// <summary>A function of four registers, lane by lane.</summary>
internal sealed unsafe class Lane4<T>(int d, int a, int b, int c, int e, Func<T, T, uint, uint, T> function) : Step
    where T : unmanaged
{
    public override void Execute(Warp warp)
    {
        var pd = (T*)(warp.Registers + d);
        var pa = (T*)(warp.Registers + a);
        var pb = (T*)(warp.Registers + b);
        var pc = (uint*)(warp.Registers + c);
        var pe = (uint*)(warp.Registers + e);
        for (uint rest = warp.Mask; rest != 0; rest &= rest - 1)
        {
            int lane = BitOperations.TrailingZeroCount(rest);
            pd[lane] = function(pa[lane], pb[lane], pc[lane], pe[lane]);
        }
    }
}

/// <summary>A predicate of one register, lane by lane.</summary>
internal sealed unsafe class LaneTest<TA>(int d, int a, Func<TA, bool> function) : Step
    where TA : unmanaged
{
    public override void Execute(Warp warp)
    {
        var pa = (TA*)(warp.Registers + a);
        uint result = 0;
        for (uint rest = warp.Mask; rest != 0; rest &= rest - 1)
        {
            int lane = BitOperations.TrailingZeroCount(rest);
            result |= function(pa[lane]) ? 1u << lane : 0;
        }
        warp.SetPredicate(d, result);
    }
}

/// <summary>
/// A comparison of two registers into a predicate and its complement, each combined with a third predicate if there is one;
/// or into a register as all ones or 1.0.
/// </summary>
internal sealed unsafe class LaneCompare<T>(Comparison target, int a, int b, Func<T, T, bool> function) : Step
    where T : unmanaged
{
    public override void Execute(Warp warp)
    {
        var pa = (T*)(warp.Registers + a);
        var pb = (T*)(warp.Registers + b);
        uint result = 0;
        for (uint rest = warp.Mask; rest != 0; rest &= rest - 1)
        {
            int lane = BitOperations.TrailingZeroCount(rest);
            result |= function(pa[lane], pb[lane]) ? 1u << lane : 0;
        }
        target.Store(warp, result);
    }
}

/// <summary>How predicates are combined.</summary>
internal enum BooleanOperator
{
    None,
    And,
    Or,
    Xor,
}

/// <summary>Where the result of a comparison goes: slots, -1 for none; <paramref name="IsTrue"/> is the word that set writes.</summary>
internal sealed record Comparison(int P, int Q, int C, bool NegateC, BooleanOperator Combine, int Word = -1, uint IsTrue = 0)
{
    public unsafe void Store(Warp warp, uint result)
    {
        uint complement = ~result;
        if (Combine != BooleanOperator.None)
        {
            uint c = *(uint*)(warp.Registers + C);
            c = NegateC ? ~c : c;
            result = Apply(result, c);
            complement = Apply(complement, c);
        }
        if (P >= 0)
        {
            warp.SetPredicate(P, result);
        }
        if (Q >= 0)
        {
            warp.SetPredicate(Q, complement);
        }
        if (Word >= 0)
        {
            var words = (uint*)(warp.Registers + Word);
            for (uint rest = warp.Mask; rest != 0; rest &= rest - 1)
            {
                int lane = BitOperations.TrailingZeroCount(rest);
                words[lane] = (result >> lane & 1) != 0 ? IsTrue : 0;
            }
        }
    }

    private uint Apply(uint a, uint c) => Combine switch
    {
        BooleanOperator.And => a & c,
        BooleanOperator.Or => a | c,
        _ => a ^ c,
    };
}

/// <summary>A function of whole predicate masks.</summary>
internal sealed unsafe class PredicateStep(int d, int a, int b, Func<uint, uint, uint> function) : Step
{
    public override void Execute(Warp warp) =>
        warp.SetPredicate(d, function(*(uint*)(warp.Registers + a), *(uint*)(warp.Registers + b)));
}
