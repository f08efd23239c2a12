using Llama4Kernels.PtxEmulator.Numerics;
using Llama4Kernels.PtxEmulator.Parsing;

namespace Llama4Kernels.PtxEmulator.Execution;

/// <content>cvt and mov.</content>
internal sealed partial class Decoder
{
    private Step Convert(Form form)
    {
        if (form.Take("pack"))
        {
            return Pack(form);
        }
        string to = form.Types[0];
        string from = form.Types[1];
        string integral = form.TakeAny("rni", "rzi", "rmi", "rpi");
        Rounding rounding = integral switch
        {
            "rni" => Rounding.NearestEven,
            "rzi" => Rounding.Zero,
            "rmi" => Rounding.Down,
            "rpi" => Rounding.Up,
            _ => TakeRounding(form),
        };
        bool finite = form.Take("satfinite");
        ResultFlags flags = TakeFlags(form) | (finite ? ResultFlags.SatFinite : 0);
        Step step = (IsFloat(to), IsFloat(from)) switch
        {
            (false, false) => IntegerToInteger(form, to, from, flags.HasFlag(ResultFlags.Sat)),
            (false, true) => FloatToInt(form, to, from, rounding, flags),
            (true, false) => IntToFloat(form, to, from, rounding, flags),
            _ => FloatToFloat(form, to, from, rounding, integral.Length > 0, flags),
        };
        step.Pipe = IsFloat(to) || IsFloat(from) ? Pipe.Mufu : Pipe.Alu;
        return step;
    }

    private static bool IsFloat(string type) => type[0] is 'f' or 't' or 'e' || type.StartsWith("bf", StringComparison.Ordinal);

    private static long Extend(ulong value, int bits, bool signed) =>
        signed ? (long)(value << (64 - bits)) >> (64 - bits) : (long)(value << (64 - bits) >> (64 - bits));

    private Step IntegerToInteger(Form form, string to, string from, bool saturate)
    {
        Slot a = Read(form.Operands[1], Bits(from));
        Slot d = Write(form.Operands[0], Bits(to));
        int keep = Bits(to);
        int fromBits = Bits(from);
        bool signed = IsSigned(to);
        bool fromSigned = IsSigned(from);
        if (!saturate && from[1..] == "32" && d.Bits == 64 && a.Bits == 32 && keep == 64)
        {
            return new Widen(d.Offset, a.Offset, fromSigned);
        }
        if (!saturate && from[1..] == "64" && d.Bits == 32 && a.Bits == 64 && keep == 32)
        {
            return new Narrow(d.Offset, a.Offset);
        }
        // What is narrower than its register fills it by its sign.
        ulong Result(ulong value)
        {
            long wide = Extend(value, fromBits, fromSigned);
            wide = saturate ? SaturatingCast.Clamp(wide, fromSigned, keep, signed) : wide;
            return (ulong)Extend((ulong)wide, keep, signed);
        }
        return FromWord(d, a, Result);
    }

    /// <summary>A step from a register of any width to one of any width, by a function of the bits.</summary>
    private static Step FromWord(Slot d, Slot a, Func<ulong, ulong> f)
    {
        ulong limit = d.Bits >= 32 ? ~0ul : (1ul << d.Bits) - 1;
        return (d.Bits == 64, a.Bits == 64) switch
        {
            (true, true) => new Lane1<ulong, ulong>(d.Offset, a.Offset, f),
            (true, false) => new Lane1<ulong, uint>(d.Offset, a.Offset, x => f(x)),
            (false, true) => new Lane1<uint, ulong>(d.Offset, a.Offset, x => (uint)(f(x) & limit)),
            _ => new Lane1<uint, uint>(d.Offset, a.Offset, x => (uint)(f(x) & limit)),
        };
    }

    private Step FloatToInt(Form form, string to, string from, Rounding rounding, ResultFlags flags)
    {
        Slot a = Read(form.Operands[1], Bits(from));
        Slot d = Write(form.Operands[0], Bits(to));
        int bits = Bits(to);
        bool signed = IsSigned(to);
        bool ftz = flags.HasFlag(ResultFlags.Ftz);
        Func<ulong, ulong> f = from switch
        {
            "f64" => x => (ulong)FloatToInteger.FromF64(BitConverter.UInt64BitsToDouble(x), rounding, bits, signed),
            "f32" => x => (ulong)FloatToInteger.FromF32(ftz ? Ftz.Flush(Single(x)) : Single(x), rounding, bits, signed),
            "f16" => x => (ulong)FloatToInteger.FromF32(HalfBits.ToF32((ushort)x, HalfFormat.F16), rounding, bits, signed),
            "bf16" => x => (ulong)FloatToInteger.FromF32(HalfBits.ToF32((ushort)x, HalfFormat.BF16), rounding, bits, signed),
            _ => throw form.Unknown(),
        };
        return FromWord(d, a, f);
    }

    private Step IntToFloat(Form form, string to, string from, Rounding rounding, ResultFlags flags)
    {
        Slot a = Read(form.Operands[1], Bits(from));
        Slot d = Write(form.Operands[0], Bits(to));
        bool signed = IsSigned(from);
        int fromBits = Bits(from);
        bool saturate = flags.HasFlag(ResultFlags.Sat);
        Func<ulong, ulong> f = to switch
        {
            "f64" => x => BitConverter.DoubleToUInt64Bits(Saturate(IntegerToFloat.ToF64(Extend(x, fromBits, signed), signed, rounding))),
            "f32" => x => BitConverter.SingleToUInt32Bits((float)Saturate(IntegerToFloat.ToF32(Extend(x, fromBits, signed), signed, rounding))),
            "f16" => x => HalfBits.Apply(IntegerToFloat.ToHalf(Extend(x, fromBits, signed), signed, HalfFormat.F16, rounding), HalfFormat.F16, flags),
            "bf16" => x => HalfBits.Apply(IntegerToFloat.ToHalf(Extend(x, fromBits, signed), signed, HalfFormat.BF16, rounding), HalfFormat.BF16, flags),
            _ => throw form.Unknown(),
        };
        return FromWord(d, a, f);

        double Saturate(double value) => saturate ? Selection.Saturate(value) : value;
    }

    private static float Single(ulong bits) => BitConverter.UInt32BitsToSingle((uint)bits);

    private Step FloatToFloat(Form form, string to, string from, Rounding rounding, bool integral, ResultFlags flags)
    {
        if (to is "f16x2" or "bf16x2" or "e4m3x2" or "e5m2x2" || from is "e4m3x2" or "e5m2x2")
        {
            return PackedConvert(form, to, from, rounding, flags);
        }
        Slot a = Read(form.Operands[1], Bits(from));
        Slot d = Write(form.Operands[0], Bits(to));
        bool ftz = flags.HasFlag(ResultFlags.Ftz);
        bool saturate = flags.HasFlag(ResultFlags.Sat);
        Func<ulong, double> value = from switch
        {
            "f64" => static x => BitConverter.UInt64BitsToDouble(x),
            "f32" => x => ftz ? Ftz.Flush(Single(x)) : Single(x),
            "f16" => static x => HalfBits.ToF32((ushort)x, HalfFormat.F16),
            "bf16" => static x => HalfBits.ToF32((ushort)x, HalfFormat.BF16),
            _ => throw form.Unknown(),
        };
        if (integral)
        {
            Func<ulong, double> exact = value;
            value = x => Integral.Round(exact(x), rounding);
        }
        Func<ulong, ulong> f = to switch
        {
            "f64" => x => BitConverter.DoubleToUInt64Bits(saturate ? Selection.Saturate(value(x)) : RoundedF64.Canonical(value(x))),
            "f32" => x =>
            {
                float r = RoundedF32.Narrow(value(x), rounding);
                r = ftz ? Ftz.Flush(r) : r;
                return BitConverter.SingleToUInt32Bits(saturate ? Selection.Saturate(r) : r);
            }
            ,
            // .ftz speaks of f32 alone.
            "f16" => x => HalfBits.FromF64(value(x), HalfFormat.F16, rounding, flags & ~ResultFlags.Ftz),
            "bf16" => x => HalfBits.FromF64(value(x), HalfFormat.BF16, rounding, flags & ~ResultFlags.Ftz),
            "tf32" => x => Tf32Bits.FromF32((float)value(x), rounding, flags),
            _ => throw form.Unknown(),
        };
        return FromWord(d, a, f);
    }

    /// <summary>Two results in one register; the first source goes into the upper half.</summary>
    private Step PackedConvert(Form form, string to, string from, Rounding rounding, ResultFlags flags)
    {
        bool relu = flags.HasFlag(ResultFlags.Relu);
        HalfFormat half = to == "bf16x2" ? HalfFormat.BF16 : HalfFormat.F16;
        Float8Format eight = to.StartsWith("e4m3", StringComparison.Ordinal) || from == "e4m3x2" ? Float8Format.E4M3 : Float8Format.E5M2;
        switch (to, from)
        {
            case ("f16x2" or "bf16x2", "f32"):
                int upper = R(form, 1, 32), lower = R(form, 2, 32);
                return new Lane2<uint, float, float>(W(form), upper, lower, (x, y) =>
                    (uint)HalfBits.FromF32(x, half, rounding, flags) << 16 | HalfBits.FromF32(y, half, rounding, flags));
            case ("e4m3x2" or "e5m2x2", "f32"):
                int high = R(form, 1, 32), low = R(form, 2, 32);
                return new Lane2<uint, float, float>(W(form, 0, 16), high, low, (x, y) =>
                    (uint)Float8Bits.FromF32(x, eight, relu) << 8 | Float8Bits.FromF32(y, eight, relu));
            case ("e4m3x2" or "e5m2x2", "f16x2"):
                int halves = R(form, 1, 32);
                return new Lane1<uint, uint>(W(form, 0, 16), halves, x =>
                    (uint)Float8Bits.FromF16((ushort)(x >> 16), eight, relu) << 8 | Float8Bits.FromF16((ushort)x, eight, relu));
            case ("f16x2", "e4m3x2" or "e5m2x2"):
                int pair = R(form, 1, 16);
                return new Lane1<uint, uint>(W(form), pair, x =>
                    (uint)Float8Bits.ToF16((byte)(x >> 8), eight, relu) << 16 | Float8Bits.ToF16((byte)x, eight, relu));
            default:
                throw form.Unknown();
        }
    }

    /// <summary>cvt.pack.sat: two integers, saturated, into the low part, the rest from c shifted up.</summary>
    private Step Pack(Form form)
    {
        form.Take("sat");
        // Types of two and four bits exist only here.
        string narrow = form.TakeAny("u2", "s2", "u4", "s4");
        string to = narrow.Length > 0 ? narrow : form.Types[0];
        int bits = narrow.Length > 0 ? narrow[1] - '0' : Bits(to);
        bool hasC = bits < 16;
        bool signed = IsSigned(to);
        int a = R(form, 1, 32), b = R(form, 2, 32);
        int c = hasC ? R(form, 3, 32) : Constant(0, 32).Offset;
        return new Lane3<uint, uint, uint, uint>(W(form), a, b, c, (x, y, z) =>
        {
            uint mask = (1u << bits) - 1;
            uint high = (uint)SaturatingCast.Clamp((int)x, true, bits, signed) & mask;
            uint low = (uint)SaturatingCast.Clamp((int)y, true, bits, signed) & mask;
            return (bits == 16 ? 0 : z << (2 * bits)) | high << bits | low;
        });
    }

    private Step Move(Form form)
    {
        string type = form.Type;
        PtxOperand target = Spread(form.Operands[0]);
        PtxOperand source = Spread(form.Operands[1]);
        if (TakeLanes(form) > 1)
        {
            return MoveVector(form, Bits(type), target.Parts, source.Parts);
        }
        if (target.Kind == OperandKind.Vector || source.Kind == OperandKind.Vector)
        {
            return Repack(form, Bits(type), target, source);
        }
        if (source.Kind == OperandKind.Name && SymbolAddress(source) is Func<Warp, ulong> address)
        {
            return new AddressStep(Write(target, Bits(type)), address);
        }
        if (source.Kind == OperandKind.Name && source.Name is "%clock" or "%clock64" or "%clock_hi" or "%globaltimer" or "%globaltimer_lo" or "%globaltimer_hi")
        {
            int shift = source.Name.EndsWith("_hi", StringComparison.Ordinal) ? 32 : 0;
            bool timer = source.Name.StartsWith("%global", StringComparison.Ordinal);
            return new AddressStep(Write(target, Bits(type)), warp => (timer ? (ulong)Environment.TickCount64 * 1_000_000 : warp.Serial * 4) >> shift);
        }
        if (type == "pred")
        {
            int p = R(form, 1, 1);
            uint negate = source.Negated ? ~0u : 0;
            return new PredicateStep(W(form, 0, 1), p, p, (x, _) => x ^ negate);
        }
        if (type == "b128")
        {
            int wide = R(form, 1, 128);
            return new Move128(W(form, 0, 128), wide);
        }
        int a = R(form, 1, Bits(type));
        int d = W(form, 0, Bits(type));
        return Bits(type) == 64 ? new Vector2Wide<VectorOperations.Move64>(d, a, a) : new Vector2<VectorOperations.Move32>(d, a, a);
    }

    /// <summary>mov of a vector: all sources are read before a component is written.</summary>
    private Step MoveVector(Form form, int bits, IReadOnlyList<PtxOperand> targets, IReadOnlyList<PtxOperand> sources)
    {
        if (targets.Count != sources.Count)
        {
            throw form.Wrong($"'{form.Instruction.Text}' needs vectors of one length.");
        }
        Slot[] from = [.. sources.Select(part => Read(part, bits))];
        Slot[] kept = [.. from.Select(slot => NewSlot(slot.Bits, -1))];
        Slot[] to = [.. targets.Select(part => Write(part, bits))];
        IEnumerable<Step> steps = from.Zip(kept).Concat(kept.Zip(to)).Select(pair => FromWord(pair.Second, pair.First, static x => x));
        return steps.Aggregate((first, second) => new Both(first, second));
    }

    /// <summary>mov between a register and its parts.</summary>
    private Step Repack(Form form, int bits, PtxOperand target, PtxOperand source)
    {
        if (target.Kind == OperandKind.Vector)
        {
            Slot whole = Read(source, bits);
            int part = bits / target.Parts.Count;
            return new Unpack([.. target.Parts.Select(p => Write(p, part))], whole, part);
        }
        int size = bits / source.Parts.Count;
        Slot[] parts = [.. source.Parts.Select(p => Read(p, size))];
        return new PackStep(Write(target, bits), parts, size);
    }
}
