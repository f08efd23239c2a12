using Llama4Kernels.PtxEmulator.Numerics;

namespace Llama4Kernels.Tests.PtxEmulator.Numerics;

/// <summary>f16 and bf16 arithmetic against exact fractions and against the corpus.</summary>
public class HalfTests
{
    [Theory]
    [InlineData(10, 5)]
    [InlineData(7, 8)]
    public void ArithmeticRoundsOnce(int fractionBits, int exponentBits)
    {
        HalfFormat format = fractionBits == 10 ? HalfFormat.F16 : HalfFormat.BF16;
        var random = new Random(3);
        for (int i = 0; i < 8000; i++)
        {
            ushort a = Finite(), b = Finite(), c = Finite();
            Rational x = Rational.Of(HalfBits.ToF32(a, format)), y = Rational.Of(HalfBits.ToF32(b, format)), z = Rational.Of(HalfBits.ToF32(c, format));
            Check(x + y, HalfBits.Add(a, b, format));
            Check(x + (z * Rational.Of(-1)), HalfBits.Sub(a, c, format));
            Check(x * y, HalfBits.Mul(a, b, format));
            Check((x * y) + z, HalfBits.Fma(a, b, c, format));

            void Check(Rational exact, ushort got)
            {
                ulong expected = ExactReference.Round(exact, fractionBits, exponentBits, Rounding.NearestEven);
                Assert.True(exact.Top.IsZero ? (got & 0x7FFF) == 0 : expected == got, $"{a:X4} {b:X4} {c:X4}: {got:X4} for {expected:X4}");
            }
        }

        ushort Finite()
        {
            ushort code = (ushort)random.Next(65536);
            return double.IsFinite(HalfBits.ToF32(code, format)) ? code : (ushort)random.Next(1024);
        }
    }

    [Theory]
    [InlineData("f16x2_ops", ".f16x2")]
    [InlineData("bf16x2_ops", ".bf16x2")]
    public void CorpusIsMet(string name, string type)
    {
        HalfFormat format = type == ".f16x2" ? HalfFormat.F16 : HalfFormat.BF16;
        var test = new PtxCase(name);
        ushort[] a = test.Read<ushort>("in.a"), b = test.Read<ushort>("in.b"), c = test.Read<ushort>("in.c"), expected = test.Read<ushort>("out.y");
        string[] opcodes = [.. test.Opcodes.Where(opcode => opcode.EndsWith(type, StringComparison.Ordinal))];
        Assert.Equal(expected.Length, a.Length * opcodes.Length);
        for (int i = 0; i < expected.Length; i++)
        {
            string opcode = opcodes[i / 2 % opcodes.Length];
            int at = (i / 2 / opcodes.Length * 2) + (i & 1);
            ResultFlags flags = opcode.Contains(".sat.") ? ResultFlags.Sat : opcode.Contains(".relu.") ? ResultFlags.Relu : ResultFlags.None;
            ushort x = a[at], y = b[at];
            bool nan = opcode.Contains(".NaN.");
            ushort got = opcode.Split('.')[0] switch
            {
                "add" => HalfBits.Add(x, y, format, flags),
                "sub" => HalfBits.Sub(x, y, format, flags),
                "mul" => HalfBits.Mul(x, y, format, flags),
                "fma" => HalfBits.Fma(x, y, c[at], format, flags),
                "min" => HalfBits.Min(x, y, format, nan),
                "max" => HalfBits.Max(x, y, format, nan),
                "abs" => HalfBits.Abs(x, format),
                "neg" => HalfBits.Neg(x, format),
                _ => (ushort)(FloatComparison.Holds(FloatCompare.Lt, HalfBits.ToF32(x, format), HalfBits.ToF32(y, format)) ? 0x3C00 : 0),
            };
            bool same = HalfBits.IsNaN(expected[i], format) ? HalfBits.IsNaN(got, format) : expected[i] == got;
            Assert.True(same, $"{opcode} {x:X4} {y:X4}: {got:X4} for {expected[i]:X4}");
        }
    }

    // The reference is rounded to the format, as the result is: neighbours may differ where it lies close to a tie.
    [Theory]
    [InlineData(0, "in.a", true, 0.001)]
    [InlineData(1, "in.b", false, 0.008)]
    [InlineData(2, "in.a", true, 0.001)]
    [InlineData(3, "in.b", false, 0.008)]
    public void ApproximationsMeetTheCorpus(int output, string input, bool isF16, double tolerance)
    {
        HalfFormat format = isF16 ? HalfFormat.F16 : HalfFormat.BF16;
        ResultFlags flags = isF16 ? ResultFlags.None : ResultFlags.Ftz;
        var test = new PtxCase("half_approx");
        ushort[] x = test.Read<ushort>(input), expected = test.Read<ushort>("out.y" + output);
        for (int i = 0; i < x.Length; i++)
        {
            float got = HalfBits.ToF32(output < 2 ? HalfBits.Ex2(x[i], format, flags) : HalfBits.Tanh(x[i], format), format);
            float want = HalfBits.ToF32(expected[i], format);
            Assert.True(got.Equals(want) || Math.Abs(got - want) <= (tolerance * Math.Abs(want)) + 6e-8, $"{x[i]:X4}: {got} for {want}");
        }
    }

    [Fact]
    public void FlushingAppliesToOperandsAndResults()
    {
        Assert.Equal(0x3C00, HalfBits.Add(0x3C00, 0x03FF, HalfFormat.F16, ResultFlags.Ftz));
        Assert.Equal(0x8000, HalfBits.Mul(0x8400, 0x3800, HalfFormat.F16, ResultFlags.Ftz));
        Assert.Equal(0x8200, HalfBits.Mul(0x8400, 0x3800, HalfFormat.F16));
        Assert.Equal(0x3F80, HalfBits.Ex2(0x807F, HalfFormat.BF16, ResultFlags.Ftz));
        Assert.Equal(0x3C00, HalfBits.Tanh(0x7C00, HalfFormat.F16));
        Assert.Equal(0xC000, HalfBits.Max(0x4000, 0xBC00, HalfFormat.F16, xorSignAbs: true));
    }

    [Theory]
    [InlineData("eq", false, true, false, false)]
    [InlineData("ne", true, false, true, false)]
    [InlineData("lt", true, false, false, false)]
    [InlineData("le", true, true, false, false)]
    [InlineData("gt", false, false, true, false)]
    [InlineData("ge", false, true, true, false)]
    [InlineData("equ", false, true, false, true)]
    [InlineData("neu", true, false, true, true)]
    [InlineData("ltu", true, false, false, true)]
    [InlineData("leu", true, true, false, true)]
    [InlineData("gtu", false, false, true, true)]
    [InlineData("geu", false, true, true, true)]
    [InlineData("num", true, true, true, false)]
    [InlineData("nan", false, false, false, true)]
    public void ComparisonsHoldOrNot(string name, bool less, bool equal, bool greater, bool unordered)
    {
        Assert.True(FloatComparison.TryParse(name, out FloatCompare compare));
        Assert.Equal(less, FloatComparison.Holds(compare, 1, 2));
        Assert.Equal(equal, FloatComparison.Holds(compare, 0.0, -0.0));
        Assert.Equal(greater, FloatComparison.Holds(compare, 2, 1));
        Assert.Equal(unordered, FloatComparison.Holds(compare, double.NaN, 1));
        Assert.False(FloatComparison.TryParse("lo", out _));
    }
}
