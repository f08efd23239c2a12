using Llama4Kernels.PtxEmulator.Numerics;

namespace Llama4Kernels.PtxEmulator.Execution;

/// <content>Floating-point arithmetic.</content>
internal sealed partial class Decoder
{
    private Step Floating(Form form) => form.Type switch
    {
        "f32" => Float32(form),
        "f64" => Float64(form),
        "f16" => Half(form, HalfFormat.F16, packed: false),
        "f16x2" => Half(form, HalfFormat.F16, packed: true),
        "bf16" => Half(form, HalfFormat.BF16, packed: false),
        _ => Half(form, HalfFormat.BF16, packed: true),
    };

    private Step Float32(Form form)
    {
        Step step = FloatArithmetic(form);
        step.Pipe = form.Name is "add" or "sub" or "mul" or "fma" or "mad" ? Pipe.Fma
            : form.Name is "abs" or "neg" or "min" or "max" or "copysign" ? Pipe.Alu : Pipe.Mufu;
        return step;
    }

    private Step FloatArithmetic(Form form)
    {
        bool approximate = form.Take("approx");
        bool full = form.Take("full");
        bool isNearest = !form.Instruction.Opcode.Any(piece => piece is "rz" or "rm" or "rp");
        Rounding rounding = TakeRounding(form);
        bool ftz = form.Take("ftz");
        bool saturate = form.Take("sat");
        bool nan = form.Take("NaN");
        bool xor = form.Take("xorsign");
        if (form.Name is "min" or "max" && xor)
        {
            form.Take("abs");
        }
        int a = R(form, 1, 32);
        if (form.Operands.Count == 2)
        {
            Func<float, float> f = form.Name switch
            {
                "abs" => static x => BitConverter.UInt32BitsToSingle(BitConverter.SingleToUInt32Bits(x) & 0x7FFF_FFFF),
                "neg" => static x => BitConverter.UInt32BitsToSingle(BitConverter.SingleToUInt32Bits(x) ^ 0x8000_0000),
                "sqrt" when approximate => x => Approximate.Sqrt(x, ftz),
                "sqrt" => x => RoundedF32.Sqrt(x, rounding),
                "rcp" when approximate => x => Approximate.Rcp(x, ftz),
                "rcp" => x => RoundedF32.Rcp(x, rounding),
                "rsqrt" => x => Approximate.Rsqrt(x, ftz),
                "ex2" => x => Approximate.Ex2(x, ftz),
                "lg2" => x => Approximate.Lg2(x, ftz),
                "sin" => x => Approximate.Sin(x, ftz),
                "cos" => x => Approximate.Cos(x, ftz),
                "tanh" => Approximate.Tanh,
                _ => throw form.Unknown(),
            };
            return new Lane1<float, float>(W(form), a, ftz ? x => Ftz.Flush(f(Ftz.Flush(x))) : f);
        }
        int b = R(form, 2, 32);
        if (form.Name is "fma" or "mad" || (form.Name is "min" or "max" && form.Operands.Count == 4))
        {
            int c = R(form, 3, 32);
            if (form.Name is "min" or "max")
            {
                return ThreeWay(form, a, b, c, ftz, nan, xor);
            }
            if (isNearest && !ftz && !saturate)
            {
                return new Vector3<VectorOperations.FmaFloat>(W(form), a, b, c);
            }
            return new Lane3<float, float, float, float>(W(form), a, b, c, (x, y, z) =>
            {
                float r = ftz ? Ftz.Flush(RoundedF32.Fma(Ftz.Flush(x), Ftz.Flush(y), Ftz.Flush(z), rounding)) : RoundedF32.Fma(x, y, z, rounding);
                return saturate ? Selection.Saturate(r) : r;
            });
        }
        if (isNearest && !ftz && !saturate && form.Name is "add" or "sub" or "mul")
        {
            int target = W(form);
            return form.Name switch
            {
                "add" => new Vector2<VectorOperations.AddFloat>(target, a, b),
                "sub" => new Vector2<VectorOperations.SubFloat>(target, a, b),
                _ => new Vector2<VectorOperations.MulFloat>(target, a, b),
            };
        }
        Func<float, float, float> binary = form.Name switch
        {
            "add" => (x, y) => RoundedF32.Add(x, y, rounding),
            "sub" => (x, y) => RoundedF32.Sub(x, y, rounding),
            "mul" => (x, y) => RoundedF32.Mul(x, y, rounding),
            "div" when approximate => (x, y) => Approximate.Div(x, y, ftz),
            "div" when full => (x, y) => Approximate.DivFull(x, y, ftz),
            "div" => (x, y) => RoundedF32.Div(x, y, rounding),
            "min" => xor ? (x, y) => Selection.MinXorSignAbs(x, y, nan) : (x, y) => Selection.Min(x, y, nan),
            "max" => xor ? (x, y) => Selection.MaxXorSignAbs(x, y, nan) : (x, y) => Selection.Max(x, y, nan),
            "copysign" => static (x, y) => Selection.CopySign(x, y),
            _ => throw form.Unknown(),
        };
        return new Lane2<float, float, float>(W(form), a, b, !ftz && !saturate ? binary : (x, y) =>
        {
            float r = ftz ? Ftz.Flush(binary(Ftz.Flush(x), Ftz.Flush(y))) : binary(x, y);
            return saturate ? Selection.Saturate(r) : r;
        });
    }

    private Lane3<float, float, float, float> ThreeWay(Form form, int a, int b, int c, bool ftz, bool nan, bool xor)
    {
        if (xor)
        {
            throw form.Unknown();
        }
        bool magnitude = form.Take("abs");
        float Operand(float x) => magnitude ? MathF.Abs(ftz ? Ftz.Flush(x) : x) : ftz ? Ftz.Flush(x) : x;
        return new Lane3<float, float, float, float>(W(form), a, b, c, form.Name == "min"
            ? (x, y, z) => Selection.Min(Selection.Min(Operand(x), Operand(y), nan), Operand(z), nan)
            : (x, y, z) => Selection.Max(Selection.Max(Operand(x), Operand(y), nan), Operand(z), nan));
    }

    private Step Float64(Form form)
    {
        Step step = DoubleArithmetic(form);
        step.Pipe = Pipe.Fp64;
        return step;
    }

    private Step DoubleArithmetic(Form form)
    {
        bool approximate = form.Take("approx");
        Rounding rounding = TakeRounding(form);
        bool ftz = form.Take("ftz");
        if (ftz && !approximate)
        {
            throw form.Unknown();
        }
        int a = R(form, 1, 64);
        if (form.Operands.Count == 2)
        {
            return new Lane1<double, double>(W(form, 0, 64), a, form.Name switch
            {
                "abs" => static x => BitConverter.UInt64BitsToDouble(BitConverter.DoubleToUInt64Bits(x) & ~(1ul << 63)),
                "neg" => static x => BitConverter.UInt64BitsToDouble(BitConverter.DoubleToUInt64Bits(x) ^ (1ul << 63)),
                "sqrt" => x => RoundedF64.Sqrt(x, rounding),
                "rcp" when approximate => Approximate.RcpF64,
                "rcp" => x => RoundedF64.Rcp(x, rounding),
                "rsqrt" when ftz => Approximate.RsqrtF64,
                "rsqrt" => static x => RoundedF64.Canonical(1 / Math.Sqrt(x)),
                _ => throw form.Unknown(),
            });
        }
        int b = R(form, 2, 64);
        if (form.Name is "fma" or "mad")
        {
            int c = R(form, 3, 64);
            return new Lane3<double, double, double, double>(W(form, 0, 64), a, b, c, (x, y, z) => RoundedF64.Fma(x, y, z, rounding));
        }
        return new Lane2<double, double, double>(W(form, 0, 64), a, b, form.Name switch
        {
            "add" => (x, y) => RoundedF64.Add(x, y, rounding),
            "sub" => (x, y) => RoundedF64.Sub(x, y, rounding),
            "mul" => (x, y) => RoundedF64.Mul(x, y, rounding),
            "div" => (x, y) => RoundedF64.Div(x, y, rounding),
            "min" => static (x, y) => Selection.Min(x, y),
            "max" => static (x, y) => Selection.Max(x, y),
            "copysign" => static (x, y) => Selection.CopySign(x, y),
            _ => throw form.Unknown(),
        });
    }

    /// <summary>f16 and bf16, one in 16 bits or two in 32.</summary>
    private Step Half(Form form, HalfFormat format, bool packed)
    {
        form.Take("approx");
        form.Take("rn");
        ResultFlags flags = TakeFlags(form);
        bool nan = form.Take("NaN");
        bool xor = form.Take("xorsign");
        if (xor)
        {
            form.Take("abs");
        }
        int bits = packed ? 32 : 16;
        int a = R(form, 1, bits);
        Pipe pipe = form.Name is "ex2" or "tanh" ? Pipe.Mufu : Pipe.Fma;
        if (form.Operands.Count == 2)
        {
            Func<ushort, ushort> f = form.Name switch
            {
                "abs" => x => HalfBits.Abs(x, format, flags),
                "neg" => x => HalfBits.Neg(x, format, flags),
                "ex2" => x => HalfBits.Ex2(x, format, flags),
                "tanh" => x => HalfBits.Tanh(x, format),
                _ => throw form.Unknown(),
            };
            return new Lane1<uint, uint>(W(form, 0, bits), a, packed ? x => f((ushort)x) | (uint)f((ushort)(x >> 16)) << 16 : x => f((ushort)x)) { Pipe = pipe };
        }
        int b = R(form, 2, bits);
        if (form.Name is "fma")
        {
            int c = R(form, 3, bits);
            return new Lane3<uint, uint, uint, uint>(W(form, 0, bits), a, b, c, packed
                ? (x, y, z) => HalfBits.Fma((ushort)x, (ushort)y, (ushort)z, format, flags)
                    | (uint)HalfBits.Fma((ushort)(x >> 16), (ushort)(y >> 16), (ushort)(z >> 16), format, flags) << 16
                : (x, y, z) => HalfBits.Fma((ushort)x, (ushort)y, (ushort)z, format, flags))
            { Pipe = pipe };
        }
        Func<ushort, ushort, ushort> g = form.Name switch
        {
            "add" => (x, y) => HalfBits.Add(x, y, format, flags),
            "sub" => (x, y) => HalfBits.Sub(x, y, format, flags),
            "mul" => (x, y) => HalfBits.Mul(x, y, format, flags),
            "min" => (x, y) => HalfBits.Min(x, y, format, nan, xor, flags),
            "max" => (x, y) => HalfBits.Max(x, y, format, nan, xor, flags),
            _ => throw form.Unknown(),
        };
        return new Lane2<uint, uint, uint>(W(form, 0, bits), a, b, packed
            ? (x, y) => g((ushort)x, (ushort)y) | (uint)g((ushort)(x >> 16), (ushort)(y >> 16)) << 16
            : (x, y) => g((ushort)x, (ushort)y))
        { Pipe = pipe };
    }
}
