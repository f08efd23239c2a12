using Llama4Kernels.PtxEmulator.Numerics;
using Llama4Kernels.PtxEmulator.Parsing;

namespace Llama4Kernels.PtxEmulator.Execution;

/// <content>setp, set, selp, slct, testp.</content>
internal sealed partial class Decoder
{
    private static readonly string[] s_comparisons =
        ["eq", "ne", "lt", "le", "gt", "ge", "lo", "ls", "hi", "hs", "equ", "neu", "ltu", "leu", "gtu", "geu", "num", "nan"];

    private Step Compare(Form form) => form.Name switch
    {
        "selp" => SelectByPredicate(form),
        "slct" => SelectBySign(form),
        "testp" => TestProperty(form),
        _ => SetPredicate(form),
    };

    private Step SelectByPredicate(Form form)
    {
        int bits = Bits(form.Type);
        int a = R(form, 1, bits), b = R(form, 2, bits), p = R(form, 3, 1);
        bool negated = form.Operands[3].Negated;
        int d = W(form, 0, bits);
        return bits == 64 ? new SelectWide(d, a, b, p, negated) : new Select(d, a, b, p, negated);
    }

    private Step SelectBySign(Form form)
    {
        bool ftz = form.Take("ftz");
        int bits = Bits(form.Types[0]);
        bool isFloat = form.Types[1] == "f32";
        int a = R(form, 1, bits), b = R(form, 2, bits), c = R(form, 3, 32);
        bool First(uint x)
        {
            float value = BitConverter.UInt32BitsToSingle(x);
            return isFloat ? (ftz ? Ftz.Flush(value) : value) >= 0 : (int)x >= 0;
        }
        return bits == 64
            ? new Lane3<ulong, ulong, ulong, uint>(W(form, 0, 64), a, b, c, (x, y, z) => First(z) ? x : y)
            : new Lane3<uint, uint, uint, uint>(W(form, 0, bits), a, b, c, (x, y, z) => First(z) ? x : y);
    }

    private Step TestProperty(Form form)
    {
        string property = form.TakeAny("finite", "infinite", "number", "notanumber", "normal", "subnormal");
        if (form.Type == "f64")
        {
            int wide = R(form, 1, 64);
            return new LaneTest<double>(W(form, 0, 1), wide, property switch
            {
                "finite" => double.IsFinite,
                "infinite" => double.IsInfinity,
                "number" => static x => !double.IsNaN(x),
                "notanumber" => double.IsNaN,
                // The manual counts zeros as normal, the conformance corpus does not; this follows the corpus.
                "normal" => double.IsNormal,
                "subnormal" => double.IsSubnormal,
                _ => throw form.Unknown(),
            });
        }
        int a = R(form, 1, 32);
        return new LaneTest<float>(W(form, 0, 1), a, property switch
        {
            "finite" => float.IsFinite,
            "infinite" => float.IsInfinity,
            "number" => static x => !float.IsNaN(x),
            "notanumber" => float.IsNaN,
            "normal" => float.IsNormal,
            "subnormal" => float.IsSubnormal,
            _ => throw form.Unknown(),
        });
    }

    private Step SetPredicate(Form form)
    {
        string compare = form.TakeAny(s_comparisons);
        BooleanOperator combine = form.TakeAny("and", "or", "xor") switch
        {
            "and" => BooleanOperator.And,
            "or" => BooleanOperator.Or,
            "xor" => BooleanOperator.Xor,
            _ => BooleanOperator.None,
        };
        bool ftz = form.Take("ftz");
        string type = form.Type;
        int bits = Bits(type);
        int a = R(form, 1, bits), b = R(form, 2, bits);
        int c = combine == BooleanOperator.None ? -1 : R(form, 3, 1);
        bool negateC = c >= 0 && form.Operands[3].Negated;
        Comparison target;
        PtxOperand result = form.Operands[0];
        if (form.Name == "set")
        {
            string to = form.Types[0];
            if (type is "f16x2" or "bf16x2")
            {
                return SetHalves(form, type, to, compare, ftz, a, b, new Comparison(-1, -1, c, negateC, combine));
            }
            target = new Comparison(-1, -1, c, negateC, combine, W(form, 0, Bits(to)), to switch
            {
                "f32" => 0x3F80_0000,
                "f16" => 0x3C00,
                "bf16" => 0x3F80,
                "u16" or "s16" => 0xFFFF,
                _ => ~0u,
            });
        }
        else if (type is "f16x2" or "bf16x2")
        {
            return ComparePair(form, type, compare, ftz, a, b, new Comparison(-1, -1, c, negateC, combine));
        }
        else if (result.Kind == OperandKind.Pair)
        {
            target = new Comparison(Write(result.Parts[0], 1).Offset, Write(result.Parts[1], 1).Offset, c, negateC, combine);
        }
        else
        {
            target = new Comparison(Write(result, 1).Offset, -1, c, negateC, combine);
        }
        return IsFloat(type) ? CompareFloats(form, type, compare, ftz, target, a, b) : CompareIntegers(form, type, compare, target, a, b);
    }

    private static Step CompareFloats(Form form, string type, string name, bool ftz, Comparison target, int a, int b)
    {
        if (!FloatComparison.TryParse(name, out FloatCompare compare))
        {
            throw form.Unknown();
        }
        return type switch
        {
            "f64" => new LaneCompare<double>(target, a, b, (x, y) => FloatComparison.Holds(compare, x, y)),
            "f32" => new LaneCompare<float>(target, a, b, ftz
                ? (x, y) => FloatComparison.Holds(compare, Ftz.Flush(x), Ftz.Flush(y))
                : (x, y) => FloatComparison.Holds(compare, x, y)),
            _ => new LaneCompare<uint>(target, a, b, HalfCompare(type, compare, ftz)),
        };
    }

    private static Func<uint, uint, bool> HalfCompare(string type, FloatCompare compare, bool ftz)
    {
        HalfFormat format = type.StartsWith('b') ? HalfFormat.BF16 : HalfFormat.F16;
        return (x, y) => FloatComparison.Holds(compare, Value((ushort)x), Value((ushort)y));

        float Value(ushort bits) => HalfBits.ToF32(ftz ? HalfBits.Flush(bits, format) : bits, format);
    }

    private Step ComparePair(Form form, string type, string name, bool ftz, int a, int b, Comparison combined)
    {
        if (!FloatComparison.TryParse(name, out FloatCompare compare) || form.Operands[0].Kind != OperandKind.Pair)
        {
            throw form.Unknown();
        }
        Func<uint, uint, bool> holds = HalfCompare(type, compare, ftz);
        int p = Write(form.Operands[0].Parts[0], 1).Offset, q = Write(form.Operands[0].Parts[1], 1).Offset;
        // The first result may be the predicate that both are combined with.
        int upper = NewSlot(1, -1).Offset;
        return new Both(
            new Both(
                new LaneCompare<uint>(combined with { P = upper }, a, b, (x, y) => holds(x >> 16, y >> 16)),
                new LaneCompare<uint>(combined with { P = p }, a, b, holds)),
            new PredicateStep(q, upper, upper, static (x, _) => x));
    }

    private Step SetHalves(Form form, string type, string to, string name, bool ftz, int a, int b, Comparison combined)
    {
        if (!FloatComparison.TryParse(name, out FloatCompare compare))
        {
            throw form.Unknown();
        }
        Func<uint, uint, bool> holds = HalfCompare(type, compare, ftz);
        uint one = to switch { "f16x2" => 0x3C00, "bf16x2" => 0x3F80, _ => 0xFFFF };
        int d = W(form);
        Slot low = NewSlot(32, -1), high = NewSlot(32, -1);
        return new Both(
            new Both(
                new LaneCompare<uint>(combined with { Word = low.Offset, IsTrue = one }, a, b, holds),
                new LaneCompare<uint>(combined with { Word = high.Offset, IsTrue = one << 16 }, a, b, (x, y) => holds(x >> 16, y >> 16))),
            new Lane2<uint, uint, uint>(d, low.Offset, high.Offset, static (x, y) => x | y));
    }

    private static Step CompareIntegers(Form form, string type, string name, Comparison target, int a, int b)
    {
        bool signed = IsSigned(type);
        int bits = Bits(type);
        // a > b is b < a: four vector comparisons do.
        (string basic, bool swap) = name switch
        {
            "lo" => ("lt", false),
            "ls" => ("le", false),
            "hi" or "gt" => ("lt", true),
            "hs" or "ge" => ("le", true),
            _ => (name, false),
        };
        (int x, int y) = swap ? (b, a) : (a, b);
        if (bits == 32)
        {
            return (basic, signed) switch
            {
                ("eq", _) => new VectorCompare<VectorOperations.Equal32>(target, x, y),
                ("ne", _) => new VectorCompare<VectorOperations.NotEqual32>(target, x, y),
                ("lt", true) => new VectorCompare<VectorOperations.LessSigned32>(target, x, y),
                ("le", true) => new VectorCompare<VectorOperations.LessOrEqualSigned32>(target, x, y),
                ("lt", false) => new VectorCompare<VectorOperations.LessUnsigned32>(target, x, y),
                ("le", false) => new VectorCompare<VectorOperations.LessOrEqualUnsigned32>(target, x, y),
                _ => throw form.Unknown(),
            };
        }
        if (bits == 64)
        {
            return (basic, signed) switch
            {
                ("lt", true) => new VectorCompareWide<VectorOperations.LessSigned64>(target, x, y),
                ("le", true) => new VectorCompareWide<VectorOperations.LessOrEqualSigned64>(target, x, y),
                ("eq", _) => new LaneCompare<ulong>(target, x, y, static (p, q) => p == q),
                ("ne", _) => new LaneCompare<ulong>(target, x, y, static (p, q) => p != q),
                ("lt", false) => new LaneCompare<ulong>(target, x, y, static (p, q) => p < q),
                ("le", false) => new LaneCompare<ulong>(target, x, y, static (p, q) => p <= q),
                _ => throw form.Unknown(),
            };
        }
        return new LaneCompare<uint>(target, x, y, (basic, signed) switch
        {
            ("eq", _) => static (p, q) => p == q,
            ("ne", _) => static (p, q) => p != q,
            ("lt", true) => static (p, q) => (short)p < (short)q,
            ("le", true) => static (p, q) => (short)p <= (short)q,
            ("lt", false) => static (p, q) => p < q,
            ("le", false) => static (p, q) => p <= q,
            _ => throw form.Unknown(),
        });
    }
}

/// <summary>Two steps that are one instruction.</summary>
internal sealed class Both(Step first, Step second) : Step
{
    public override void Execute(Warp warp)
    {
        first.Execute(warp);
        second.Execute(warp);
    }
}
