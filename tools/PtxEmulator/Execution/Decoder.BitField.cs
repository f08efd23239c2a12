using System.Numerics;

namespace Llama4Kernels.PtxEmulator.Execution;

/// <content>Bit fields, permutations and small dot products.</content>
internal sealed partial class Decoder
{
    private Step BitField(Form form, string type)
    {
        int bits = Bits(form.Name is "dp4a" or "dp2a" ? "b32" : type);
        bool signed = IsSigned(type);
        switch (form.Name)
        {
            case "popc":
                int counted = R(form, 1, bits);
                return bits == 64
                    ? new Lane1<uint, ulong>(W(form), counted, static a => (uint)BitOperations.PopCount(a))
                    : new Lane1<uint, uint>(W(form), counted, static a => (uint)BitOperations.PopCount(a));
            case "clz":
                int leading = R(form, 1, bits);
                return bits == 64
                    ? new Lane1<uint, ulong>(W(form), leading, static a => (uint)BitOperations.LeadingZeroCount(a))
                    : new Lane1<uint, uint>(W(form), leading, static a => (uint)BitOperations.LeadingZeroCount(a));
            case "brev":
                int reversed = R(form, 1, bits);
                return bits == 64
                    ? new Lane1<ulong, ulong>(W(form, 0, 64), reversed, static a => Reverse((uint)a) * (1ul << 32) | Reverse((uint)(a >> 32)))
                    : new Lane1<uint, uint>(W(form), reversed, Reverse);
            case "bfind":
                return FindBit(form, bits, signed);
            case "bfe":
                return Extract(form, bits, signed);
            case "bfi":
                int from = R(form, 1, bits), into = R(form, 2, bits), place = R(form, 3, 32), width = R(form, 4, 32);
                return bits == 64
                    ? new Lane4<ulong>(W(form, 0, 64), from, into, place, width, static (a, b, p, n) => Insert(a, b, p, n, 64))
                    : new Lane4<uint>(W(form), from, into, place, width, static (a, b, p, n) => (uint)Insert(a, b, p, n, 32));
            case "bmsk":
                bool clampMask = form.TakeAny("clamp", "wrap") == "clamp";
                int start = R(form, 1, 32), count = R(form, 2, 32);
                return new Lane2<uint, uint, uint>(W(form), start, count, clampMask
                    ? static (a, b) => Mask(Math.Min(a, 32), Math.Min(b, 32))
                    : static (a, b) => Mask(a & 31, b & 31));
            case "szext":
                bool clamp = form.TakeAny("clamp", "wrap") == "clamp";
                int value = R(form, 1, 32), size = R(form, 2, 32);
                return new Lane2<uint, uint, uint>(W(form), value, size, (a, n) => Extend(a, clamp ? Math.Min(n, 32) : n & 31, signed));
            case "shf":
                return FunnelShift(form);
            case "prmt":
                return Permute(form);
            case "lop3":
                return Lop3(form);
            case "fns":
                int within = R(form, 1, 32), origin = R(form, 2, 32), nth = R(form, 3, 32);
                return new Lane3<uint, uint, uint, uint>(W(form), within, origin, nth, static (a, b, n) => NthSet(a, b, (int)n));
            default:
                return Dot(form);
        }
    }

    private static uint Reverse(uint value)
    {
        uint result = 0;
        for (int i = 0; i < 32; i++)
        {
            result |= (value >> i & 1) << (31 - i);
        }
        return result;
    }

    /// <summary>fns: the n-th set bit at or above the base, below it for a negative n; the base itself for 0.</summary>
    private static uint NthSet(uint mask, uint start, int n)
    {
        int position = (int)Math.Min(start, 32);
        if (n == 0)
        {
            return position < 32 && (mask >> position & 1) != 0 ? (uint)position : ~0u;
        }
        int step = n > 0 ? 1 : -1;
        for (int left = Math.Abs((long)n) > 32 ? 33 : Math.Abs(n); position is >= 0 and < 32; position += step)
        {
            if ((mask >> position & 1) != 0 && --left == 0)
            {
                return (uint)position;
            }
        }
        return ~0u;
    }

    private static uint Mask(uint start, uint count) => (uint)(((1ul << (int)count) - 1) << (int)start);

    private static uint Extend(uint value, uint bits, bool signed)
    {
        if (bits == 0)
        {
            return 0;
        }
        int rest = 32 - (int)bits;
        return signed ? (uint)((int)(value << rest) >> rest) : value << rest >> rest;
    }

    private static ulong Insert(ulong from, ulong into, uint place, uint count, int bits)
    {
        int p = (int)(place & 0xFF);
        int n = (int)(count & 0xFF);
        for (int i = 0; i < n && p + i < bits && i < bits; i++)
        {
            into = (into & ~(1ul << (p + i))) | (from >> i & 1) << (p + i);
        }
        return into;
    }

    private static ulong ExtractField(ulong a, uint place, uint count, int bits, bool signed)
    {
        int p = (int)(place & 0xFF);
        int n = (int)(count & 0xFF);
        int top = bits - 1;
        ulong sign = !signed || n == 0 ? 0 : a >> Math.Min(p + n - 1, top) & 1;
        ulong result = 0;
        for (int i = 0; i < bits; i++)
        {
            ulong bit = i < n && p + i <= top ? a >> (p + i) & 1 : sign;
            result |= bit << i;
        }
        return result;
    }

    private Step Extract(Form form, int bits, bool signed)
    {
        int a = R(form, 1, bits), place = R(form, 2, 32), count = R(form, 3, 32);
        return bits == 64
            ? new Lane3<ulong, ulong, uint, uint>(W(form, 0, 64), a, place, count, (x, p, n) => ExtractField(x, p, n, 64, signed))
            : new Lane3<uint, uint, uint, uint>(W(form), a, place, count, (x, p, n) => (uint)ExtractField(x, p, n, 32, signed));
    }

    private Step FindBit(Form form, int bits, bool signed)
    {
        bool shift = form.Take("shiftamt");
        int a = R(form, 1, bits);
        uint Find(ulong value)
        {
            if (signed && (value >> (bits - 1) & 1) != 0)
            {
                value = bits == 64 ? ~value : ~value & 0xFFFF_FFFF;
            }
            return value == 0 ? ~0u : shift ? (uint)(bits - 1 - BitOperations.Log2(value)) : (uint)BitOperations.Log2(value);
        }
        return bits == 64
            ? new Lane1<uint, ulong>(W(form), a, Find)
            : new Lane1<uint, uint>(W(form), a, value => Find(value));
    }

    private Step FunnelShift(Form form)
    {
        bool left = form.TakeAny("l", "r") == "l";
        bool clamp = form.TakeAny("clamp", "wrap") == "clamp";
        int a = R(form, 1, 32), b = R(form, 2, 32), c = R(form, 3, 32);
        return new Lane3<uint, uint, uint, uint>(W(form), a, b, c, (low, high, amount) =>
        {
            int n = (int)(clamp ? Math.Min(amount, 32) : amount & 31);
            ulong both = (ulong)high << 32 | low;
            return left ? (uint)(n == 32 ? low : both << n >> 32) : (uint)(both >> n);
        });
    }

    private Step Permute(Form form)
    {
        string mode = form.TakeAny("f4e", "b4e", "rc8", "ecl", "ecr", "rc16");
        int a = R(form, 1, 32), b = R(form, 2, 32), c = R(form, 3, 32);
        return new Lane3<uint, uint, uint, uint>(W(form), a, b, c, (x, y, selector) =>
        {
            ulong both = (ulong)y << 32 | x;
            uint result = 0;
            for (int i = 0; i < 4; i++)
            {
                int s = (int)(selector & 3);
                int choice = mode switch
                {
                    "f4e" => s + i,
                    "b4e" => (s - i) & 7,
                    "rc8" => s,
                    "ecl" => Math.Max(i, s),
                    "ecr" => Math.Min(i, s),
                    "rc16" => ((s & 1) * 2) + (i & 1),
                    _ => (int)(selector >> (4 * i) & 15),
                };
                uint part = (uint)(both >> (8 * (choice & 7))) & 0xFF;
                if (mode.Length == 0 && (choice & 8) != 0)
                {
                    part = (part & 0x80) != 0 ? 0xFFu : 0;
                }
                result |= part << (8 * i);
            }
            return result;
        });
    }

    private Step Lop3(Form form)
    {
        string boolean = form.TakeAny("or", "and");
        bool pair = form.Operands[0].Kind == Parsing.OperandKind.Pair;
        if (pair != boolean.Length > 0)
        {
            throw form.Wrong("lop3 gives a predicate if it combines one.");
        }
        int a = R(form, 1, 32), b = R(form, 2, 32), c = R(form, 3, 32);
        if (form.Operands[4].Kind != Parsing.OperandKind.Integer)
        {
            throw Wrong(form.Operands[4], "The table of lop3 is a number.");
        }
        uint table = (uint)form.Operands[4].Bits & 0xFF;
        if (!pair)
        {
            return new Lop3Step(W(form), a, b, c, table, null);
        }
        int q = R(form, 5, 1);
        int target = Write(form.Operands[0].Parts[0]).Offset;
        int p = Write(form.Operands[0].Parts[1], 1).Offset;
        BooleanOperator combine = boolean == "or" ? BooleanOperator.Or : BooleanOperator.And;
        return new Lop3Step(target, a, b, c, table, new Comparison(p, -1, q, form.Operands[5].Negated, combine));
    }

    private Step Dot(Form form)
    {
        bool four = form.Name == "dp4a";
        bool high = form.TakeAny("lo", "hi") == "hi";
        bool signedA = IsSigned(form.Types[0]);
        bool signedB = IsSigned(form.Types[1]);
        int a = R(form, 1, 32), b = R(form, 2, 32), c = R(form, 3, 32);
        return new Lane3<uint, uint, uint, uint>(W(form), a, b, c, (x, y, sum) =>
        {
            for (int i = 0; i < (four ? 4 : 2); i++)
            {
                int left = four
                    ? signedA ? (sbyte)(x >> (8 * i)) : (byte)(x >> (8 * i))
                    : signedA ? (short)(x >> (16 * i)) : (ushort)(x >> (16 * i));
                uint part = y >> (8 * (i + (high ? 2 : 0)));
                int right = signedB ? (sbyte)part : (byte)part;
                sum += (uint)(left * right);
            }
            return sum;
        });
    }
}

/// <summary>Any function of three bits: the sum of the products that its table names; and whether it is not zero, combined with a predicate.</summary>
internal sealed unsafe class Lop3Step(int d, int a, int b, int c, uint table, Comparison? predicate) : Step
{
    public override void Execute(Warp warp)
    {
        var pd = (uint*)(warp.Registers + d);
        var pa = (uint*)(warp.Registers + a);
        var pb = (uint*)(warp.Registers + b);
        var pc = (uint*)(warp.Registers + c);
        uint any = 0;
        for (uint rest = warp.Mask; rest != 0; rest &= rest - 1)
        {
            int lane = BitOperations.TrailingZeroCount(rest);
            uint result = 0;
            for (int i = 0; i < 8; i++)
            {
                if ((table >> i & 1) != 0)
                {
                    result |= ((i & 4) != 0 ? pa[lane] : ~pa[lane]) & ((i & 2) != 0 ? pb[lane] : ~pb[lane]) & ((i & 1) != 0 ? pc[lane] : ~pc[lane]);
                }
            }
            pd[lane] = result;
            any |= result != 0 ? 1u << lane : 0;
        }
        predicate?.Store(warp, any);
    }
}
