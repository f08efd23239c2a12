using System.Numerics;

namespace Llama4Kernels.PtxEmulator.Execution;

/// <summary>add and sub with carry; a subtraction's carry is its borrow.</summary>
internal sealed unsafe class CarryStep<T>(int d, int a, int b, int flag, bool carryIn, bool carryOut, bool subtract) : Step
    where T : unmanaged, IBinaryInteger<T>
{
    public override void Execute(Warp warp)
    {
        var pd = (T*)(warp.Registers + d);
        var pa = (T*)(warp.Registers + a);
        var pb = (T*)(warp.Registers + b);
        uint carries = *(uint*)(warp.Registers + flag);
        uint result = 0;
        for (uint rest = warp.Mask; rest != 0; rest &= rest - 1)
        {
            int lane = BitOperations.TrailingZeroCount(rest);
            T x = pa[lane];
            T y = pb[lane];
            T carry = carryIn ? T.CreateTruncating(carries >> lane & 1) : T.Zero;
            T first = subtract ? x - y : x + y;
            T total = subtract ? first - carry : first + carry;
            bool over = subtract ? x < y || first < carry : first < x || total < first;
            pd[lane] = total;
            result |= over ? 1u << lane : 0;
        }
        if (carryOut)
        {
            warp.SetPredicate(flag, result);
        }
    }
}

/// <summary>mad and madc with carry.</summary>
internal sealed unsafe class MultiplyCarry(int d, int a, int b, int c, int flag, bool carryIn, bool carryOut, bool high, bool signed, int bits) : Step
{
    public override void Execute(Warp warp)
    {
        uint carries = *(uint*)(warp.Registers + flag);
        uint result = 0;
        for (uint rest = warp.Mask; rest != 0; rest &= rest - 1)
        {
            int lane = BitOperations.TrailingZeroCount(rest);
            ulong carry = carryIn ? carries >> lane & 1 : 0;
            bool over;
            if (bits == 64)
            {
                ulong x = ((ulong*)(warp.Registers + a))[lane], y = ((ulong*)(warp.Registers + b))[lane];
                ulong product = !high ? x * y : signed ? (ulong)Math.BigMul((long)x, (long)y, out _) : Math.BigMul(x, y, out _);
                UInt128 sum = (UInt128)product + ((ulong*)(warp.Registers + c))[lane] + carry;
                ((ulong*)(warp.Registers + d))[lane] = (ulong)sum;
                over = sum >> 64 != 0;
            }
            else
            {
                uint x = ((uint*)(warp.Registers + a))[lane], y = ((uint*)(warp.Registers + b))[lane];
                ulong product = signed ? (ulong)((long)(int)x * (int)y) : (ulong)x * y;
                ulong sum = (high ? product >> 32 : product & 0xFFFF_FFFF) + ((uint*)(warp.Registers + c))[lane] + carry;
                ((uint*)(warp.Registers + d))[lane] = (uint)sum;
                over = sum >> 32 != 0;
            }
            result |= over ? 1u << lane : 0;
        }
        if (carryOut)
        {
            warp.SetPredicate(flag, result);
        }
    }
}
