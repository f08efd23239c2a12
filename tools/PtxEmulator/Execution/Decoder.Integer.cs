namespace Llama4Kernels.PtxEmulator.Execution;

/// <content>Integer, logic and bit instructions.</content>
internal sealed partial class Decoder
{
    private Step Integer(Form form)
    {
        string type = form.Types.Count > 0 ? form.Type : throw form.Unknown();
        if (type == "pred")
        {
            return PredicateLogic(form);
        }
        switch (form.Name)
        {
            case "add" or "sub" when form.Take("cc"):
                return Carry(form, type, carryIn: false, carryOut: true);
            case "addc" or "subc":
                return Carry(form, type, carryIn: true, form.Take("cc"));
            case "mad" or "madc":
                return Multiply(form, type);
            case "mul":
                return Multiply(form, type);
            case "mul24" or "mad24":
                return Multiply24(form, type);
            case "shf" or "prmt" or "lop3" or "bfe" or "bfi" or "bfind" or "bmsk" or "szext" or "dp4a" or "dp2a" or "popc" or "clz" or "brev" or "fns":
                return BitField(form, type);
        }
        if (type is "u16x2" or "s16x2")
        {
            return IntegerPair(form, type);
        }
        return Bits(type) switch
        {
            64 => Integer64(form, type),
            32 => Integer32(form, type),
            _ => Integer16(form, type),
        };
    }

    private Step Integer32(Form form, string type)
    {
        bool signed = IsSigned(type);
        if (form.Name is "neg" or "abs" or "not" or "cnot")
        {
            Func<uint, uint> unary = form.Name switch
            {
                "neg" => static a => 0 - a,
                "abs" => static a => (int)a < 0 ? 0 - a : a,
                "not" => static a => ~a,
                _ => static a => a == 0 ? 1u : 0,
            };
            int source = R(form, 1, 32);
            return new Lane1<uint, uint>(W(form), source, unary);
        }
        if (form.Name == "sad")
        {
            Func<uint, uint, uint, uint> sad = signed
                ? static (a, b, c) => c + (uint)Math.Abs((long)(int)a - (int)b)
                : static (a, b, c) => c + (a < b ? b - a : a - b);
            int x = R(form, 1, 32), y = R(form, 2, 32), z = R(form, 3, 32);
            return new Lane3<uint, uint, uint, uint>(W(form), x, y, z, sad);
        }
        int first = R(form, 1, 32);
        int second = R(form, 2, 32);
        int target = W(form);
        switch (form.Name)
        {
            case "add" when form.Take("sat"):
                return Plain(static (a, b) => (uint)(int)Math.Clamp((long)(int)a + (int)b, int.MinValue, int.MaxValue));
            case "sub" when form.Take("sat"):
                return Plain(static (a, b) => (uint)(int)Math.Clamp((long)(int)a - (int)b, int.MinValue, int.MaxValue));
            case "add":
                return new Vector2<VectorOperations.Add32>(target, first, second);
            case "sub":
                return new Vector2<VectorOperations.Sub32>(target, first, second);
            case "and":
                return new Vector2<VectorOperations.And32>(target, first, second);
            case "or":
                return new Vector2<VectorOperations.Or32>(target, first, second);
            case "xor":
                return new Vector2<VectorOperations.Xor32>(target, first, second);
            case "min" when form.Take("relu"):
                return Plain(static (a, b) => (uint)Math.Max(0, Math.Min((int)a, (int)b)));
            case "max" when form.Take("relu"):
                return Plain(static (a, b) => (uint)Math.Max(0, Math.Max((int)a, (int)b)));
            case "min" when signed:
                return new Vector2<VectorOperations.MinSigned32>(target, first, second);
            case "max" when signed:
                return new Vector2<VectorOperations.MaxSigned32>(target, first, second);
            case "min":
                return Plain(static (a, b) => Math.Min(a, b));
            case "max":
                return Plain(static (a, b) => Math.Max(a, b));
            case "shl":
                return Plain(static (a, b) => b > 31 ? 0 : a << (int)b);
            case "shr" when signed:
                return Plain(static (a, b) => (uint)((int)a >> (int)Math.Min(b, 31)));
            case "shr":
                return Plain(static (a, b) => b > 31 ? 0 : a >> (int)b);
            case "div" when signed:
                return Plain(static (a, b) => b == 0 ? ~0u : (uint)((long)(int)a / (int)b));
            case "div":
                return Plain(static (a, b) => b == 0 ? ~0u : a / b);
            case "rem" when signed:
                return Plain(static (a, b) => b == 0 ? a : (uint)((long)(int)a % (int)b));
            case "rem":
                return Plain(static (a, b) => b == 0 ? a : a % b);
            default:
                throw form.Unknown();
        }

        Lane2<uint, uint, uint> Plain(Func<uint, uint, uint> f) => new(target, first, second, f);
    }

    private Step Integer64(Form form, string type)
    {
        bool signed = IsSigned(type);
        if (form.Name is "neg" or "abs" or "not" or "cnot")
        {
            Func<ulong, ulong> unary = form.Name switch
            {
                "neg" => static a => 0 - a,
                "abs" => static a => (long)a < 0 ? 0 - a : a,
                "not" => static a => ~a,
                _ => static a => a == 0 ? 1ul : 0,
            };
            int source = R(form, 1, 64);
            return new Lane1<ulong, ulong>(W(form, 0, 64), source, unary);
        }
        bool shift = form.Name is "shl" or "shr";
        int first = R(form, 1, 64);
        int second = R(form, 2, shift ? 32 : 64);
        if (form.Name == "sad")
        {
            int third = R(form, 3, 64);
            return new Lane3<ulong, ulong, ulong, ulong>(W(form, 0, 64), first, second, third, signed
                ? static (a, b, c) => c + ((long)a < (long)b ? b - a : a - b)
                : static (a, b, c) => c + (a < b ? b - a : a - b));
        }
        int target = W(form, 0, 64);
        switch (form.Name)
        {
            case "add":
                return new Vector2Wide<VectorOperations.Add64>(target, first, second);
            case "sub":
                return new Vector2Wide<VectorOperations.Sub64>(target, first, second);
            case "and":
                return new Vector2Wide<VectorOperations.And64>(target, first, second);
            case "or":
                return new Vector2Wide<VectorOperations.Or64>(target, first, second);
            case "xor":
                return new Vector2Wide<VectorOperations.Xor64>(target, first, second);
            case "shl":
                return new Lane2<ulong, ulong, uint>(target, first, second, static (a, b) => b > 63 ? 0 : a << (int)b);
            case "shr" when signed:
                return new Lane2<ulong, ulong, uint>(target, first, second, static (a, b) => (ulong)((long)a >> (int)Math.Min(b, 63)));
            case "shr":
                return new Lane2<ulong, ulong, uint>(target, first, second, static (a, b) => b > 63 ? 0 : a >> (int)b);
        }
        Func<ulong, ulong, ulong> f = (form.Name, signed) switch
        {
            ("min", true) => static (a, b) => (ulong)Math.Min((long)a, (long)b),
            ("min", false) => static (a, b) => Math.Min(a, b),
            ("max", true) => static (a, b) => (ulong)Math.Max((long)a, (long)b),
            ("max", false) => static (a, b) => Math.Max(a, b),
            ("div", true) => static (a, b) => b == 0 ? ~0ul : b == ~0ul ? 0 - a : (ulong)((long)a / (long)b),
            ("div", false) => static (a, b) => b == 0 ? ~0ul : a / b,
            ("rem", true) => static (a, b) => b == 0 ? a : b == ~0ul ? 0 : (ulong)((long)a % (long)b),
            ("rem", false) => static (a, b) => b == 0 ? a : a % b,
            _ => throw form.Unknown(),
        };
        return new Lane2<ulong, ulong, ulong>(target, first, second, f);
    }

    /// <summary>Two 16-bit integers in one register.</summary>
    private Lane2<uint, uint, uint> IntegerPair(Form form, string type)
    {
        bool relu = form.Take("relu");
        int first = R(form, 1, 32), second = R(form, 2, 32);
        Func<uint, uint, uint> f = (form.Name, type) switch
        {
            ("add", _) => static (a, b) => a + b,
            ("min", "s16x2") => static (a, b) => (uint)Math.Min((short)a, (short)b),
            ("max", "s16x2") => static (a, b) => (uint)Math.Max((short)a, (short)b),
            ("min", _) => static (a, b) => Math.Min(a, b),
            ("max", _) => static (a, b) => Math.Max(a, b),
            _ => throw form.Unknown(),
        };
        uint One(uint a, uint b)
        {
            uint result = f(a & 0xFFFF, b & 0xFFFF) & 0xFFFF;
            return relu && (result & 0x8000) != 0 ? 0 : result;
        }
        return new Lane2<uint, uint, uint>(W(form), first, second, (a, b) => One(a, b) | One(a >> 16, b >> 16) << 16);
    }

    /// <summary>Registers of 16 bits lie zero-extended in 32-bit lanes.</summary>
    private Step Integer16(Form form, string type)
    {
        bool signed = IsSigned(type);
        if (form.Name is "neg" or "abs" or "not" or "cnot")
        {
            Func<uint, uint> unary = form.Name switch
            {
                "neg" => static a => (ushort)(0 - a),
                "abs" => static a => (ushort)Math.Abs((int)(short)a),
                "not" => static a => (ushort)~a,
                _ => static a => a == 0 ? 1u : 0u,
            };
            int source = R(form, 1, 16);
            return new Lane1<uint, uint>(W(form, 0, 16), source, unary);
        }
        int first = R(form, 1, 16);
        int second = R(form, 2, form.Name is "shl" or "shr" ? 32 : 16);
        if (form.Name == "sad")
        {
            int third = R(form, 3, 16);
            return new Lane3<uint, uint, uint, uint>(W(form, 0, 16), first, second, third, signed
                ? static (a, b, c) => (ushort)(c + (uint)Math.Abs((short)a - (short)b))
                : static (a, b, c) => (ushort)(c + (uint)Math.Abs((int)a - (int)b)));
        }
        Func<uint, uint, uint> f = (form.Name, signed) switch
        {
            ("add", _) => static (a, b) => (ushort)(a + b),
            ("sub", _) => static (a, b) => (ushort)(a - b),
            ("and", _) => static (a, b) => a & b,
            ("or", _) => static (a, b) => a | b,
            ("xor", _) => static (a, b) => a ^ b,
            ("shl", _) => static (a, b) => b > 15 ? 0u : (ushort)(a << (int)b),
            ("shr", true) => static (a, b) => (ushort)((short)a >> (int)Math.Min(b, 15)),
            ("shr", false) => static (a, b) => b > 15 ? 0 : a >> (int)b,
            ("min", true) => static (a, b) => (ushort)Math.Min((short)a, (short)b),
            ("min", false) => static (a, b) => Math.Min(a, b),
            ("max", true) => static (a, b) => (ushort)Math.Max((short)a, (short)b),
            ("max", false) => static (a, b) => Math.Max(a, b),
            ("div", true) => static (a, b) => b == 0 ? 0xFFFFu : (ushort)((short)a / (short)b),
            ("div", false) => static (a, b) => b == 0 ? 0xFFFF : a / b,
            ("rem", true) => static (a, b) => b == 0 ? a : (ushort)((short)a % (short)b),
            ("rem", false) => static (a, b) => b == 0 ? a : a % b,
            _ => throw form.Unknown(),
        };
        return new Lane2<uint, uint, uint>(W(form, 0, 16), first, second, f);
    }

    private Step PredicateLogic(Form form)
    {
        int first = R(form, 1, 1);
        bool negateFirst = form.Operands[1].Negated;
        uint x = negateFirst ? ~0u : 0;
        if (form.Name == "not")
        {
            return new PredicateStep(W(form, 0, 1), first, first, (a, _) => ~(a ^ x));
        }
        int second = R(form, 2, 1);
        bool negateSecond = form.Operands[2].Negated;
        uint y = negateSecond ? ~0u : 0;
        return new PredicateStep(W(form, 0, 1), first, second, form.Name switch
        {
            "and" => (a, b) => (a ^ x) & (b ^ y),
            "or" => (a, b) => (a ^ x) | (b ^ y),
            "xor" => (a, b) => a ^ x ^ b ^ y,
            _ => throw form.Unknown(),
        });
    }

    /// <summary>add, sub and their carries; the carry is a predicate of the frame's own.</summary>
    private Step Carry(Form form, string type, bool carryIn, bool carryOut)
    {
        bool subtract = form.Name.StartsWith("sub", StringComparison.Ordinal);
        int bits = Bits(type);
        int a = R(form, 1, bits);
        int b = R(form, 2, bits);
        int d = W(form, 0, bits);
        int flag = CarryFlag();
        return bits == 64
            ? new CarryStep<ulong>(d, a, b, flag, carryIn, carryOut, subtract)
            : new CarryStep<uint>(d, a, b, flag, carryIn, carryOut, subtract);
    }

    private Slot? _carry;

    private int CarryFlag() => (_carry ??= NewSlot(1, -1)).Offset;

    private Step Multiply(Form form, string type)
    {
        bool add = form.Name.StartsWith("mad", StringComparison.Ordinal);
        string part = form.TakeAny("lo", "hi", "wide");
        bool signed = IsSigned(type);
        int bits = Bits(type);
        if (part == "wide")
        {
            int wideA = R(form, 1, bits), wideB = R(form, 2, bits);
            int wideC = add ? R(form, 3, bits * 2) : -1;
            if (bits == 32)
            {
                return new MultiplyWide(W(form, 0, 64), wideA, wideB, wideC, signed);
            }
            int zero = add ? wideC : Constant(0, 32).Offset;
            return new Lane3<uint, uint, uint, uint>(W(form), wideA, wideB, zero, signed
                ? static (a, b, c) => (uint)((short)a * (short)b) + c
                : static (a, b, c) => (a * b) + c);
        }
        int x = R(form, 1, bits), y = R(form, 2, bits);
        int z = add ? R(form, 3, bits) : Constant(0, bits).Offset;
        bool carryOut = form.Take("cc");
        bool saturate = form.Take("sat");
        int target = W(form, 0, bits);
        if (form.Name == "madc" || carryOut)
        {
            return new MultiplyCarry(target, x, y, z, CarryFlag(), form.Name == "madc", carryOut, part == "hi", signed, bits);
        }
        if (bits == 64)
        {
            if (part == "lo" && !add)
            {
                return new Vector2Wide<VectorOperations.Mul64>(target, x, y);
            }
            return new Lane3<ulong, ulong, ulong, ulong>(target, x, y, z, part == "lo"
                ? static (a, b, c) => (a * b) + c
                : signed ? static (a, b, c) => (ulong)Math.BigMul((long)a, (long)b, out _) + c : static (a, b, c) => Math.BigMul(a, b, out _) + c);
        }
        if (bits == 32)
        {
            if (part == "lo" && !saturate)
            {
                return add ? new Vector3<VectorOperations.Mad32>(target, x, y, z) : new Vector2<VectorOperations.Mul32>(target, x, y);
            }
            Func<uint, uint, uint, uint> high = saturate
                ? static (a, b, c) => (uint)(int)Math.Clamp((((long)(int)a * (int)b) >> 32) + (int)c, int.MinValue, int.MaxValue)
                : signed ? static (a, b, c) => (uint)(((long)(int)a * (int)b) >> 32) + c : static (a, b, c) => (uint)(((ulong)a * b) >> 32) + c;
            return new Lane3<uint, uint, uint, uint>(target, x, y, z, high);
        }
        return new Lane3<uint, uint, uint, uint>(target, x, y, z, part == "lo"
            ? static (a, b, c) => (ushort)((a * b) + c)
            : signed ? static (a, b, c) => (ushort)((((short)a * (short)b) >> 16) + (int)c) : static (a, b, c) => (ushort)(((a * b) >> 16) + c));
    }

    private Step Multiply24(Form form, string type)
    {
        bool add = form.Name == "mad24";
        bool high = form.TakeAny("lo", "hi") == "hi";
        bool saturate = form.Take("sat");
        bool signed = IsSigned(type);
        int x = R(form, 1, 32), y = R(form, 2, 32);
        int z = add ? R(form, 3, 32) : Constant(0, 32).Offset;
        return new Lane3<uint, uint, uint, uint>(W(form), x, y, z, (a, b, c) =>
        {
            long product = signed ? (long)((int)(a << 8) >> 8) * ((int)(b << 8) >> 8) : (long)(a & 0xFF_FFFF) * (b & 0xFF_FFFF);
            long part = high ? product >> 16 : product;
            return saturate ? (uint)(int)Math.Clamp((int)part + (long)(int)c, int.MinValue, int.MaxValue) : (uint)part + c;
        });
    }
}
