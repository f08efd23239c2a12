using System.Numerics;

namespace Llama4Kernels.PtxEmulator.Execution;

/// <summary>A value that is the same for all lanes but differs between warps or blocks.</summary>
internal sealed unsafe class AddressStep(Slot d, Func<Warp, ulong> value) : Step
{
    public override void Execute(Warp warp)
    {
        ulong result = value(warp);
        for (uint rest = warp.Mask; rest != 0; rest &= rest - 1)
        {
            int lane = BitOperations.TrailingZeroCount(rest);
            LaneWords.Store(warp.Registers, d, lane, result);
        }
    }
}

/// <summary>d = a in 128 bits: two planes of 64-bit lanes.</summary>
internal sealed unsafe class Move128(int d, int a) : Step
{
    public override void Execute(Warp warp)
    {
        for (uint rest = warp.Mask; rest != 0; rest &= rest - 1)
        {
            int lane = BitOperations.TrailingZeroCount(rest);
            ((ulong*)(warp.Registers + d))[lane] = ((ulong*)(warp.Registers + a))[lane];
            ((ulong*)(warp.Registers + d))[lane + 32] = ((ulong*)(warp.Registers + a))[lane + 32];
        }
    }
}

/// <summary>Lanes of registers of any width.</summary>
internal static unsafe class LaneWords
{
    public static ulong Load(byte* registers, Slot slot, int lane) => slot.Bits >= 64
        ? ((ulong*)(registers + slot.Offset))[lane]
        : ((uint*)(registers + slot.Offset))[lane];

    public static void Store(byte* registers, Slot slot, int lane, ulong value)
    {
        if (slot.Bits >= 64)
        {
            ((ulong*)(registers + slot.Offset))[lane] = value;
        }
        else
        {
            ((uint*)(registers + slot.Offset))[lane] = slot.Bits >= 32 ? (uint)value : (uint)value & ((1u << slot.Bits) - 1);
        }
    }
}

/// <summary>Cuts a register into parts, the lowest first.</summary>
internal sealed unsafe class Unpack(Slot[] parts, Slot whole, int bits) : Step
{
    public override void Execute(Warp warp)
    {
        for (uint rest = warp.Mask; rest != 0; rest &= rest - 1)
        {
            int lane = BitOperations.TrailingZeroCount(rest);
            ulong low = LaneWords.Load(warp.Registers, whole, lane);
            ulong high = whole.Bits == 128 ? ((ulong*)(warp.Registers + whole.Offset))[lane + 32] : 0;
            for (int i = 0; i < parts.Length; i++)
            {
                int shift = i * bits;
                ulong part = shift >= 64 ? high >> (shift - 64) : low >> shift;
                part = bits == 64 ? part : part & ((1ul << bits) - 1);
                LaneWords.Store(warp.Registers, parts[i], lane, part);
            }
        }
    }
}

/// <summary>Puts a register together from parts, the lowest first.</summary>
internal sealed unsafe class PackStep(Slot whole, Slot[] parts, int bits) : Step
{
    public override void Execute(Warp warp)
    {
        for (uint rest = warp.Mask; rest != 0; rest &= rest - 1)
        {
            int lane = BitOperations.TrailingZeroCount(rest);
            UInt128 value = 0;
            for (int i = 0; i < parts.Length; i++)
            {
                ulong part = LaneWords.Load(warp.Registers, parts[i], lane);
                value |= (UInt128)(bits == 64 ? part : part & ((1ul << bits) - 1)) << (i * bits);
            }
            LaneWords.Store(warp.Registers, whole, lane, (ulong)value);
            if (whole.Bits == 128)
            {
                ((ulong*)(warp.Registers + whole.Offset))[lane + 32] = (ulong)(value >> 64);
            }
        }
    }
}
