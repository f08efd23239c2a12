using Llama4Kernels.PtxEmulator.Numerics;

namespace Llama4Kernels.Tests.PtxEmulator.Numerics;

/// <summary>f32 and f64 arithmetic against exact fractions and against the corpus.</summary>
public class RoundedTests
{
    private static readonly Rounding[] s_modes = [Rounding.NearestEven, Rounding.Zero, Rounding.Down, Rounding.Up];

    [Fact]
    public void F32EqualsTheRoundedFraction()
    {
        var random = new Random(1);
        for (int i = 0; i < 600; i++)
        {
            float a = RandomF32(random, i), b = RandomF32(random, i), c = i % 5 == 0 ? -a * b : RandomF32(random, i);
            c = float.IsFinite(c) ? c : 1;
            Rational x = Rational.Of(a), y = Rational.Of(b), z = Rational.Of(c);
            foreach (Rounding mode in s_modes)
            {
                Check(x + y, RoundedF32.Add(a, b, mode));
                Check(x * y, RoundedF32.Mul(a, b, mode));
                Check((x * y) + z, RoundedF32.Fma(a, b, c, mode));
                Check(x / y, RoundedF32.Div(a, b, mode));
                Check(Rational.Of(1) / y, RoundedF32.Rcp(b, mode));
                Assert.Equal(
                    (uint)ExactReference.RoundSquareRoot(Rational.Of(Math.Abs(a)), 23, 8, mode),
                    BitConverter.SingleToUInt32Bits(RoundedF32.Sqrt(Math.Abs(a), mode)));

                void Check(Rational exact, float got)
                {
                    // The sign of an exact zero is checked by the corpus.
                    uint expected = (uint)ExactReference.Round(exact, 23, 8, mode);
                    Assert.True(exact.Top.IsZero ? got == 0 : expected == BitConverter.SingleToUInt32Bits(got), $"{a:R} {b:R} {c:R} {mode}: {got:R}");
                }
            }
        }
    }

    [Fact]
    public void F64EqualsTheRoundedFraction()
    {
        var random = new Random(2);
        for (int i = 0; i < 120; i++)
        {
            double a = RandomF64(random, i), b = RandomF64(random, i), c = i % 5 == 0 ? -a * b : RandomF64(random, i);
            c = double.IsFinite(c) ? c : 1;
            Rational x = Rational.Of(a), y = Rational.Of(b), z = Rational.Of(c);
            foreach (Rounding mode in s_modes)
            {
                Check(x + y, RoundedF64.Add(a, b, mode));
                Check(x * y, RoundedF64.Mul(a, b, mode));
                Check((x * y) + z, RoundedF64.Fma(a, b, c, mode));
                Check(x / y, RoundedF64.Div(a, b, mode));
                Assert.Equal(
                    ExactReference.RoundSquareRoot(Rational.Of(Math.Abs(a)), 52, 11, mode),
                    BitConverter.DoubleToUInt64Bits(RoundedF64.Sqrt(Math.Abs(a), mode)));

                void Check(Rational exact, double got)
                {
                    ulong expected = ExactReference.Round(exact, 52, 11, mode);
                    Assert.True(exact.Top.IsZero ? got == 0 : expected == BitConverter.DoubleToUInt64Bits(got), $"{a:R} {b:R} {c:R} {mode}: {got:R}");
                }
            }
        }
    }

    [Theory]
    [InlineData("f32_round")]
    [InlineData("f32_div_sqrt")]
    public void F32CorpusIsMet(string name)
    {
        var test = new PtxCase(name);
        float[] a = test.Read<float>("in.a"), b = test.Read<float>("in.b");
        float[] c = name == "f32_round" ? test.Read<float>("in.c") : a;
        float[] expected = test.Read<float>("out.y");
        string[] opcodes = [.. test.Opcodes.Where(opcode => opcode.EndsWith(".f32", StringComparison.Ordinal) && opcode.Split('.')[1] is "rn" or "rz" or "rm" or "rp")];
        Assert.Equal(expected.Length, a.Length * opcodes.Length);
        for (int i = 0; i < expected.Length; i++)
        {
            int row = i / opcodes.Length;
            string[] pieces = opcodes[i % opcodes.Length].Split('.');
            Rounding mode = Mode(pieces[1]);
            float got = pieces[0] switch
            {
                "add" => RoundedF32.Add(a[row], b[row], mode),
                "sub" => RoundedF32.Sub(a[row], b[row], mode),
                "mul" => RoundedF32.Mul(a[row], b[row], mode),
                "fma" => RoundedF32.Fma(a[row], b[row], c[row], mode),
                "div" => RoundedF32.Div(a[row], b[row], mode),
                "rcp" => RoundedF32.Rcp(a[row], mode),
                _ => RoundedF32.Sqrt(a[row], mode),
            };
            uint bits = BitConverter.SingleToUInt32Bits(got);
            Assert.True(float.IsNaN(expected[i]) ? bits == 0x7FFF_FFFF : bits == BitConverter.SingleToUInt32Bits(expected[i]), $"{opcodes[i % opcodes.Length]} row {row}: {got:R}");
        }
    }

    [Fact]
    public void F64CorpusIsMet()
    {
        var test = new PtxCase("f64_round");
        double[] a = test.Read<double>("in.a"), b = test.Read<double>("in.b"), c = test.Read<double>("in.c");
        double[] expected = test.Read<double>("out.y");
        string[] opcodes = [.. test.Opcodes.Where(opcode => opcode.EndsWith(".f64", StringComparison.Ordinal) && opcode.Split('.')[1] is "rn" or "rz" or "rm" or "rp")];
        for (int i = 0; i < a.Length * 24; i++)
        {
            int row = i / 24;
            if (i % 24 >= opcodes.Length)
            {
                continue;
            }
            string[] pieces = opcodes[i % 24].Split('.');
            Rounding mode = Mode(pieces[1]);
            double got = pieces[0] switch
            {
                "add" => RoundedF64.Add(a[row], b[row], mode),
                "sub" => RoundedF64.Sub(a[row], c[row], mode),
                "mul" => RoundedF64.Mul(a[row], b[row], mode),
                "fma" => RoundedF64.Fma(a[row], b[row], c[row], mode),
                "div" => RoundedF64.Div(a[row], b[row], mode),
                "rcp" => RoundedF64.Rcp(b[row], mode),
                _ => RoundedF64.Sqrt(a[row], mode),
            };
            ulong bits = BitConverter.DoubleToUInt64Bits(got);
            Assert.True(double.IsNaN(expected[i]) ? bits == 0x7FFF_FFFF_FFFF_FFFF : bits == BitConverter.DoubleToUInt64Bits(expected[i]), $"{opcodes[i % 24]} row {row}: {got:R}");
        }
    }

    [Fact]
    public void MinMaxKeepTheirRules()
    {
        var test = new PtxCase("f32_minmax_cmp");
        float[] a = test.Read<float>("in.a"), b = test.Read<float>("in.b"), expected = test.Read<float>("out.y");
        int columns = expected.Length / a.Length;
        for (int i = 0; i < a.Length; i++)
        {
            Same(expected[i * columns], Selection.Min(a[i], b[i]));
            Same(expected[(i * columns) + 1], Selection.Max(a[i], b[i]));
            Same(expected[(i * columns) + 2], Selection.Min(a[i], b[i], nanWins: true));
            Same(expected[(i * columns) + 3], Selection.Max(a[i], b[i], nanWins: true));
            Same(expected[(i * columns) + 4], Selection.CopySign(a[i], b[i]));
            Same(expected[(i * columns) + 5], Selection.Saturate(RoundedF32.Add(a[i], b[i], Rounding.NearestEven)));
        }
        Same(-2, Selection.MinXorSignAbs(-2, 3));
        Same(3, Selection.MaxXorSignAbs(-2, -3));
        Same(-3, Selection.MaxXorSignAbs(RoundedF32.CanonicalNaN, -3));
        Same(float.NaN, Selection.MaxXorSignAbs(float.NaN, -3, nanWins: true));
        Assert.True(double.IsNegative(Selection.Min(0.0, -0.0)) && !double.IsNegative(Selection.Max(-0.0, 0.0)));
        Assert.Equal(4.0, Selection.Max(double.NaN, 4));
    }

    [Fact]
    public void ApproximationsHaveTheirSpecialValues()
    {
        Same(float.PositiveInfinity, Approximate.Rcp(0f, false));
        Same(float.NegativeInfinity, Approximate.Rcp(-1e-40f, true));
        Same(-0f, Approximate.Rcp(float.NegativeInfinity, false));
        Same(0f, Approximate.Rcp(3e38f, true));
        Same(float.NegativeInfinity, Approximate.Rsqrt(-0f, false));
        Same(float.NaN, Approximate.Rsqrt(-1f, false));
        Same(float.NegativeInfinity, Approximate.Lg2(1e-40f, true));
        Same(float.NaN, Approximate.Lg2(-1f, false));
        Same(BitConverter.UInt32BitsToSingle(1), Approximate.Ex2(-149f, false));
        Same(0f, Approximate.Ex2(-149f, true));
        Same(1f, Approximate.Ex2(-1e-40f, true));
        Same(-0f, Approximate.Sin(-0f, false));
        Same(float.NaN, Approximate.Cos(float.PositiveInfinity, false));
        Same(-1f, Approximate.Tanh(float.NegativeInfinity));
        Same(-0f, Approximate.Sqrt(-0f, false));
        Same(-0f, Approximate.Div(-1f, 2e38f, false));
        Same(float.NaN, Approximate.Div(float.PositiveInfinity, 2e38f, false));
        Same(0.5f, Approximate.DivFull(1e38f, 2e38f, false));
        Assert.Equal(0x3FD5_5555_0000_0000UL, BitConverter.DoubleToUInt64Bits(Approximate.RcpF64(BitConverter.UInt64BitsToDouble(0x4008_0000_FFFF_FFFF))));
        Assert.Equal(double.NegativeInfinity, Approximate.RcpF64(-1e-310));
        Assert.Equal(0.5, Approximate.RsqrtF64(4));
        Assert.True(double.IsNaN(Approximate.RsqrtF64(BitConverter.UInt64BitsToDouble(0x7FF0_0000_0000_0001))));
    }

    [Fact]
    public void ApproximationsMeetTheCorpus()
    {
        var test = new PtxCase("f32_approx");
        float[] a = test.Read<float>("in.a"), b = test.Read<float>("in.b"), c = test.Read<float>("in.c");
        Func<int, float>[] functions =
        [
            i => Approximate.Ex2(a[i], false), i => Approximate.Lg2(b[i], false), i => Approximate.Rcp(b[i], false),
            i => Approximate.Rsqrt(b[i], false), i => Approximate.Sqrt(b[i], false), i => Approximate.Sin(c[i], false),
            i => Approximate.Cos(c[i], false), i => Approximate.Tanh(c[i]), i => Approximate.Div(a[i], b[i], false),
            i => Approximate.DivFull(c[i], b[i], false), i => Approximate.Ex2(c[i], true),
        ];
        for (int f = 0; f < functions.Length; f++)
        {
            float[] expected = test.Read<float>("out.y" + f);
            for (int i = 0; i < expected.Length; i++)
            {
                float got = functions[f](i);
                Assert.True(got.Equals(expected[i]) || Math.Abs(got - expected[i]) <= 1.2e-7f * Math.Abs(expected[i]) + 3e-45f, $"function {f}, {i}: {got:R} for {expected[i]:R}");
            }
        }
    }

    [Fact]
    public void FtzKeepsSigns()
    {
        Same(-0f, Ftz.Flush(-1e-39f));
        Same(1.17549435e-38f, Ftz.Flush(1.17549435e-38f));
        Assert.True(double.IsNegative(Ftz.Flush(-1e-310)) && Ftz.Flush(-1e-310) == 0);
        Assert.Equal(0x8000, Ftz.FlushF16(0x83FF));
        Assert.Equal(0x8400, Ftz.FlushF16(0x8400));
        Assert.Equal(0, Ftz.FlushBF16(0x007F));
    }

    internal static Rounding Mode(string name) => name[..2] switch
    {
        "rn" => Rounding.NearestEven,
        "rz" => Rounding.Zero,
        "rm" => Rounding.Down,
        _ => Rounding.Up,
    };

    internal static void Same(float expected, float got) => Assert.True(
        float.IsNaN(expected) ? float.IsNaN(got) : BitConverter.SingleToUInt32Bits(expected) == BitConverter.SingleToUInt32Bits(got), $"{got:R} for {expected:R}");

    // Any exponent, exponents near each other, or close to the subnormal range: all that rounding depends on.
    private static float RandomF32(Random random, int i)
    {
        uint field = (i % 4) switch { 0 => (uint)random.Next(0, 255), 1 => (uint)random.Next(120, 135), 2 => (uint)random.Next(0, 3), _ => (uint)random.Next(60, 72) };
        uint fraction = random.Next(4) == 0 ? (uint)random.Next(4) : (uint)random.Next(1 << 23);
        return BitConverter.UInt32BitsToSingle(((uint)random.Next(2) << 31) | (field << 23) | Math.Max(fraction, 1));
    }

    private static double RandomF64(Random random, int i)
    {
        ulong field = (i % 4) switch { 0 => (ulong)random.Next(0, 2047), 1 => (ulong)random.Next(1000, 1060), 2 => (ulong)random.Next(0, 3), _ => (ulong)random.Next(505, 520) };
        ulong fraction = random.Next(4) == 0 ? (ulong)random.Next(4) : (ulong)random.NextInt64(1L << 52);
        return BitConverter.UInt64BitsToDouble(((ulong)random.Next(2) << 63) | (field << 52) | Math.Max(fraction, 1));
    }
}
