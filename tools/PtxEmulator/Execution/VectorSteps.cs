using System.Runtime.CompilerServices;
using System.Runtime.Intrinsics;

namespace Llama4Kernels.PtxEmulator.Execution;

/// <summary>Lane masks as vectors.</summary>
internal static unsafe class LaneVectors
{
    private static readonly Vector512<uint> s_bits32 = Vector512.Create(1u, 1 << 1, 1 << 2, 1 << 3, 1 << 4, 1 << 5, 1 << 6, 1 << 7, 1 << 8, 1 << 9, 1 << 10, 1 << 11, 1 << 12, 1 << 13, 1 << 14, 1 << 15);
    private static readonly Vector512<ulong> s_bits64 = Vector512.Create(1ul, 1 << 1, 1 << 2, 1 << 3, 1 << 4, 1 << 5, 1 << 6, 1 << 7);

    /// <summary>All ones in the lanes of the mask's low 16 bits.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector512<uint> Mask32(uint mask) => Vector512.Equals(Vector512.Create(mask) & s_bits32, s_bits32);

    /// <summary>All ones in the lanes of the mask's low 8 bits.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector512<ulong> Mask64(uint mask) => Vector512.Equals(Vector512.Create((ulong)mask) & s_bits64, s_bits64);

    /// <summary>Eight 32-bit lanes as 64-bit ones.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector512<ulong> Widen(uint* p, bool signed)
    {
        Vector256<uint> value = Vector256.Load(p);
        if (signed)
        {
            (Vector256<long> low, Vector256<long> high) = Vector256.Widen(value.AsInt32());
            return Vector512.Create(low, high).AsUInt64();
        }
        (Vector256<ulong> lowest, Vector256<ulong> highest) = Vector256.Widen(value);
        return Vector512.Create(lowest, highest);
    }

    /// <summary>Stores sixteen lanes where the mask says so.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static void Store(uint* p, Vector512<uint> value, uint mask)
    {
        if ((mask & 0xFFFF) != 0xFFFF)
        {
            value = Vector512.ConditionalSelect(Mask32(mask), value, Vector512.Load(p));
        }
        value.Store(p);
    }

    /// <summary>Stores eight lanes where the mask says so.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static void Store(ulong* p, Vector512<ulong> value, uint mask)
    {
        if ((mask & 0xFF) != 0xFF)
        {
            value = Vector512.ConditionalSelect(Mask64(mask), value, Vector512.Load(p));
        }
        value.Store(p);
    }
}

internal interface IVector2
{
    static abstract Vector512<uint> Apply(Vector512<uint> a, Vector512<uint> b);
}

internal interface IVector2Wide
{
    static abstract Vector512<ulong> Apply(Vector512<ulong> a, Vector512<ulong> b);
}

internal interface IVector3
{
    static abstract Vector512<uint> Apply(Vector512<uint> a, Vector512<uint> b, Vector512<uint> c);
}

internal interface IVectorTest
{
    static abstract Vector512<uint> Apply(Vector512<uint> a, Vector512<uint> b);
}

internal interface IVectorTestWide
{
    static abstract Vector512<ulong> Apply(Vector512<ulong> a, Vector512<ulong> b);
}

/// <summary>d = a op b over 32-bit lanes.</summary>
internal sealed unsafe class Vector2<TOp>(int d, int a, int b) : Step
    where TOp : IVector2
{
    public override void Execute(Warp warp)
    {
        var pd = (uint*)(warp.Registers + d);
        var pa = (uint*)(warp.Registers + a);
        var pb = (uint*)(warp.Registers + b);
        uint mask = warp.Mask;
        LaneVectors.Store(pd, TOp.Apply(Vector512.Load(pa), Vector512.Load(pb)), mask);
        LaneVectors.Store(pd + 16, TOp.Apply(Vector512.Load(pa + 16), Vector512.Load(pb + 16)), mask >> 16);
    }
}

/// <summary>d = op(a, b, c) over 32-bit lanes.</summary>
internal sealed unsafe class Vector3<TOp>(int d, int a, int b, int c) : Step
    where TOp : IVector3
{
    public override void Execute(Warp warp)
    {
        var pd = (uint*)(warp.Registers + d);
        var pa = (uint*)(warp.Registers + a);
        var pb = (uint*)(warp.Registers + b);
        var pc = (uint*)(warp.Registers + c);
        uint mask = warp.Mask;
        LaneVectors.Store(pd, TOp.Apply(Vector512.Load(pa), Vector512.Load(pb), Vector512.Load(pc)), mask);
        LaneVectors.Store(pd + 16, TOp.Apply(Vector512.Load(pa + 16), Vector512.Load(pb + 16), Vector512.Load(pc + 16)), mask >> 16);
    }
}

/// <summary>d = a op b over 64-bit lanes.</summary>
internal sealed unsafe class Vector2Wide<TOp>(int d, int a, int b) : Step
    where TOp : IVector2Wide
{
    public override void Execute(Warp warp)
    {
        var pd = (ulong*)(warp.Registers + d);
        var pa = (ulong*)(warp.Registers + a);
        var pb = (ulong*)(warp.Registers + b);
        uint mask = warp.Mask;
        for (int i = 0; i < 32; i += 8)
        {
            LaneVectors.Store(pd + i, TOp.Apply(Vector512.Load(pa + i), Vector512.Load(pb + i)), mask >> i);
        }
    }
}

/// <summary>A comparison of 32-bit lanes.</summary>
internal sealed unsafe class VectorCompare<TOp>(Comparison target, int a, int b) : Step
    where TOp : IVectorTest
{
    public override void Execute(Warp warp)
    {
        var pa = (uint*)(warp.Registers + a);
        var pb = (uint*)(warp.Registers + b);
        uint low = (uint)TOp.Apply(Vector512.Load(pa), Vector512.Load(pb)).ExtractMostSignificantBits();
        uint high = (uint)TOp.Apply(Vector512.Load(pa + 16), Vector512.Load(pb + 16)).ExtractMostSignificantBits();
        target.Store(warp, low | high << 16);
    }
}

/// <summary>A comparison of 64-bit lanes.</summary>
internal sealed unsafe class VectorCompareWide<TOp>(Comparison target, int a, int b) : Step
    where TOp : IVectorTestWide
{
    public override void Execute(Warp warp)
    {
        var pa = (ulong*)(warp.Registers + a);
        var pb = (ulong*)(warp.Registers + b);
        uint result = 0;
        for (int i = 0; i < 32; i += 8)
        {
            result |= (uint)TOp.Apply(Vector512.Load(pa + i), Vector512.Load(pb + i)).ExtractMostSignificantBits() << i;
        }
        target.Store(warp, result);
    }
}

/// <summary>d = p ? a : b over 32-bit lanes.</summary>
internal sealed unsafe class Select(int d, int a, int b, int p, bool negated) : Step
{
    public override void Execute(Warp warp)
    {
        var pd = (uint*)(warp.Registers + d);
        var pa = (uint*)(warp.Registers + a);
        var pb = (uint*)(warp.Registers + b);
        uint choice = *(uint*)(warp.Registers + p) ^ (negated ? ~0u : 0);
        uint mask = warp.Mask;
        LaneVectors.Store(pd, Vector512.ConditionalSelect(LaneVectors.Mask32(choice), Vector512.Load(pa), Vector512.Load(pb)), mask);
        LaneVectors.Store(pd + 16, Vector512.ConditionalSelect(LaneVectors.Mask32(choice >> 16), Vector512.Load(pa + 16), Vector512.Load(pb + 16)), mask >> 16);
    }
}

/// <summary>d = p ? a : b over 64-bit lanes.</summary>
internal sealed unsafe class SelectWide(int d, int a, int b, int p, bool negated) : Step
{
    public override void Execute(Warp warp)
    {
        var pd = (ulong*)(warp.Registers + d);
        var pa = (ulong*)(warp.Registers + a);
        var pb = (ulong*)(warp.Registers + b);
        uint choice = *(uint*)(warp.Registers + p) ^ (negated ? ~0u : 0);
        for (int i = 0; i < 32; i += 8)
        {
            LaneVectors.Store(pd + i, Vector512.ConditionalSelect(LaneVectors.Mask64(choice >> i), Vector512.Load(pa + i), Vector512.Load(pb + i)), warp.Mask >> i);
        }
    }
}

/// <summary>d = a · b (+ c) with a result of twice the width; <paramref name="c"/> is -1 for none.</summary>
internal sealed unsafe class MultiplyWide(int d, int a, int b, int c, bool signed) : Step
{
    public override void Execute(Warp warp)
    {
        var pd = (ulong*)(warp.Registers + d);
        var pa = (uint*)(warp.Registers + a);
        var pb = (uint*)(warp.Registers + b);
        for (int i = 0; i < 32; i += 8)
        {
            Vector512<ulong> product = LaneVectors.Widen(pa + i, signed) * LaneVectors.Widen(pb + i, signed);
            product = c < 0 ? product : product + Vector512.Load((ulong*)(warp.Registers + c) + i);
            LaneVectors.Store(pd + i, product, warp.Mask >> i);
        }
    }
}

/// <summary>cvt from 32 to 64 bits.</summary>
internal sealed unsafe class Widen(int d, int a, bool signed) : Step
{
    public override void Execute(Warp warp)
    {
        var pd = (ulong*)(warp.Registers + d);
        var pa = (uint*)(warp.Registers + a);
        for (int i = 0; i < 32; i += 8)
        {
            LaneVectors.Store(pd + i, LaneVectors.Widen(pa + i, signed), warp.Mask >> i);
        }
    }
}

/// <summary>cvt from 64 to 32 bits.</summary>
internal sealed unsafe class Narrow(int d, int a) : Step
{
    public override void Execute(Warp warp)
    {
        var pd = (uint*)(warp.Registers + d);
        var pa = (ulong*)(warp.Registers + a);
        for (int i = 0; i < 32; i += 16)
        {
            LaneVectors.Store(pd + i, Vector512.Narrow(Vector512.Load(pa + i), Vector512.Load(pa + i + 8)), warp.Mask >> i);
        }
    }
}
