using Llama4Kernels.PtxEmulator.Numerics;

namespace Llama4Kernels.Tests.PtxEmulator.Numerics;

/// <summary>Conversions between all types: every code of the small formats, and the corpus.</summary>
public class ConversionTests
{
    private static readonly Rounding[] s_allModes = [Rounding.NearestEven, Rounding.Zero, Rounding.Down, Rounding.Up, Rounding.NearestAway];

    [Theory]
    [InlineData(10, 5)]
    [InlineData(7, 8)]
    [InlineData(2, 5)]
    [InlineData(3, 4)]
    [InlineData(10, 8)]
    public void EveryCodeIsRoundedToFromAllSides(int fractionBits, int exponentBits)
    {
        FloatFormat format = (fractionBits, exponentBits) == (3, 4) ? FloatFormat.E4M3 : new FloatFormat(fractionBits, exponentBits);
        uint sign = (uint)format.SignBit;
        for (uint code = 0; code < format.MaxFinite; code++)
        {
            double low = Value(code), high = Value(code + 1);
            Assert.Equal(low, FloatBits.ToF64(code, format));
            Assert.Equal(-low, FloatBits.ToF64(code | sign, format));
            foreach (Rounding mode in s_allModes)
            {
                bool up = mode == Rounding.Up;
                Assert.Equal(code, FloatBits.FromF64(low, format, mode));
                Check(0.25, up);
                Check(0.5, up || mode == Rounding.NearestAway || (mode == Rounding.NearestEven && (code & 1) != 0));
                Check(0.75, up || mode is Rounding.NearestEven or Rounding.NearestAway);

                // The same distance below zero goes the same way, with Up and Down exchanged.
                void Check(double part, bool away)
                {
                    double between = low + ((high - low) * part);
                    uint expected = away ? code + 1 : code;
                    Assert.Equal(expected, FloatBits.FromF64(between, format, mode));
                    Rounding mirrored = mode switch { Rounding.Up => Rounding.Down, Rounding.Down => Rounding.Up, _ => mode };
                    Assert.Equal(expected | sign, FloatBits.FromF64(-between, format, mirrored));
                }
            }
        }

        double Value(uint code)
        {
            int field = (int)(code >> fractionBits);
            int significand = (int)(code & ((1u << fractionBits) - 1)) + (field == 0 ? 0 : 1 << fractionBits);
            return Math.ScaleB(significand, Math.Max(field, 1) - ((1 << (exponentBits - 1)) - 1) - fractionBits);
        }
    }

    [Fact]
    public void OverflowFollowsTheModeAndFlags()
    {
        Assert.Equal(0x7C00, HalfBits.FromF32(65520, HalfFormat.F16));
        Assert.Equal(0x7BFF, HalfBits.FromF32(65519.99f, HalfFormat.F16));
        Assert.Equal(0x7BFF, HalfBits.FromF32(1e9f, HalfFormat.F16, Rounding.Zero));
        Assert.Equal(0x7C00, HalfBits.FromF32(1e9f, HalfFormat.F16, Rounding.Up));
        Assert.Equal(0xFBFF, HalfBits.FromF32(-1e9f, HalfFormat.F16, Rounding.Up));
        Assert.Equal(0xFBFF, HalfBits.FromF32(float.NegativeInfinity, HalfFormat.F16, Rounding.NearestEven, ResultFlags.SatFinite));
        Assert.Equal(0x7F7F, HalfBits.FromF64(1e300, HalfFormat.BF16, Rounding.NearestEven, ResultFlags.SatFinite));
        Assert.Equal(0x7FFF, HalfBits.FromF32(-float.NaN, HalfFormat.BF16, Rounding.NearestEven, ResultFlags.Relu));
        Assert.Equal(0, HalfBits.FromF32(float.NaN, HalfFormat.BF16, Rounding.NearestEven, ResultFlags.Sat));
        Assert.Equal(0x3F80, HalfBits.FromF32(7, HalfFormat.BF16, Rounding.NearestEven, ResultFlags.Sat));
        Assert.Equal(0, HalfBits.FromF32(-7, HalfFormat.F16, Rounding.NearestEven, ResultFlags.Relu));
        Assert.Equal(1, HalfBits.FromF64(1e-310, HalfFormat.F16, Rounding.Up));
        Assert.Equal(0x7F80_0000u, Tf32Bits.FromF32(float.MaxValue, Rounding.NearestAway));
        Assert.Equal(0x7F7F_E000u, Tf32Bits.FromF32(float.MaxValue, Rounding.NearestEven, ResultFlags.SatFinite));
        Assert.Equal(0u, Tf32Bits.FromF32(-1, Rounding.Zero, ResultFlags.Relu));
        Assert.Equal(0x7FFF_FFFFu, Tf32Bits.FromF32(float.NaN, Rounding.Zero));
        Assert.Equal(0x7E, Float8Bits.FromF32(float.PositiveInfinity, Float8Format.E4M3));
        Assert.Equal(0xFB, Float8Bits.FromF32(-1e9f, Float8Format.E5M2));
        Assert.Equal(0x7F, Float8Bits.FromF32(-float.NaN, Float8Format.E5M2));
    }

    [Theory]
    [InlineData("cvt_f32_int", "f32")]
    [InlineData("cvt_f64_int", "f64")]
    public void FloatsBecomeTheIntegersOfTheCorpus(string name, string source)
    {
        var test = new PtxCase(name);
        double[] x = source == "f64" ? test.Read<double>("in.x") : [.. test.Read<float>("in.x").Select(value => (double)value)];
        long[] expected = test.Read<long>("out.y");
        string[] opcodes = [.. test.Opcodes.Where(opcode => opcode.StartsWith("cvt.r", StringComparison.Ordinal))];
        Assert.Equal(expected.Length, x.Length * opcodes.Length);
        for (int i = 0; i < expected.Length; i++)
        {
            string[] pieces = opcodes[i % opcodes.Length].Split('.');
            double value = x[i / opcodes.Length];
            int bits = int.Parse(pieces[2][1..]);
            bool signed = pieces[2][0] == 's';
            long got = source == "f64"
                ? FloatToInteger.FromF64(value, RoundedTests.Mode(pieces[1]), bits, signed)
                : FloatToInteger.FromF32((float)value, RoundedTests.Mode(pieces[1]), bits, signed);
            Assert.True(expected[i] == got, $"{opcodes[i % opcodes.Length]} {value:R}: {got} for {expected[i]}");
        }
    }

    [Fact]
    public void NaNBecomesZeroOrTheTopBit()
    {
        Assert.Equal(0, FloatToInteger.FromF32(float.NaN, Rounding.Zero, 32, true));
        Assert.Equal(long.MinValue, FloatToInteger.FromF32(float.NaN, Rounding.Zero, 64, false));
        Assert.Equal(int.MinValue, FloatToInteger.FromF64(double.NaN, Rounding.Zero, 32, true));
        Assert.Equal(0x80, FloatToInteger.FromF64(double.NaN, Rounding.Zero, 8, false));
    }

    [Fact]
    public void IntegersBecomeTheFloatsOfTheCorpus()
    {
        var test = new PtxCase("cvt_int_float");
        long[] x = test.Read<long>("in.x");
        float[] narrow = test.Read<float>("out.y");
        double[] wide = test.Read<double>("out.d");
        Rounding[] modes = [Rounding.NearestEven, Rounding.Zero, Rounding.Down, Rounding.Up];
        for (int i = 0; i < x.Length; i++)
        {
            for (int m = 0; m < 4; m++)
            {
                RoundedTests.Same(narrow[(i * 20) + m], IntegerToFloat.ToF32((int)x[i], true, modes[m]));
                RoundedTests.Same(narrow[(i * 20) + 4 + m], IntegerToFloat.ToF32((uint)x[i], false, modes[m]));
                RoundedTests.Same(narrow[(i * 20) + 8 + m], IntegerToFloat.ToF32(x[i], true, modes[m]));
                RoundedTests.Same(narrow[(i * 20) + 12 + m], IntegerToFloat.ToF32(x[i], false, modes[m]));
            }
            Assert.Equal(wide[i * 5], IntegerToFloat.ToF64(x[i], true, Rounding.NearestEven));
            Assert.Equal(wide[(i * 5) + 1], IntegerToFloat.ToF64(x[i], false, Rounding.Zero));
            Assert.Equal(wide[(i * 5) + 2], IntegerToFloat.ToF64(x[i], false, Rounding.Up));
        }
        Assert.Equal(0x7C00, IntegerToFloat.ToHalf(-1, false, HalfFormat.F16, Rounding.NearestEven));
        Assert.Equal(0xBC00, IntegerToFloat.ToHalf(-1, true, HalfFormat.F16, Rounding.NearestEven));
        Assert.Equal(0x5F7F, IntegerToFloat.ToHalf(-1, false, HalfFormat.BF16, Rounding.Zero));
    }

    [Fact]
    public void FloatsBecomeTheHalvesOfTheCorpus()
    {
        var test = new PtxCase("cvt_f32_half");
        float[] x = test.Read<float>("in.x");
        ushort[] h = test.Read<ushort>("out.h"), b = test.Read<ushort>("out.b");
        uint[] t = test.Read<uint>("out.t");
        for (int i = 0; i < x.Length; i++)
        {
            SameHalf(h[i * 3], HalfBits.FromF32(x[i], HalfFormat.F16), HalfFormat.F16);
            SameHalf(h[(i * 3) + 1], HalfBits.FromF32(x[i], HalfFormat.F16, Rounding.Zero), HalfFormat.F16);
            SameHalf(b[i * 3], HalfBits.FromF32(x[i], HalfFormat.BF16), HalfFormat.BF16);
            SameHalf(b[(i * 3) + 1], HalfBits.FromF32(x[i], HalfFormat.BF16, Rounding.Zero), HalfFormat.BF16);
            if (x[i] != 0)
            {
                SameHalf(h[(i * 3) + 2], HalfBits.FromF32(x[i], HalfFormat.F16, Rounding.NearestEven, ResultFlags.Relu), HalfFormat.F16);
                SameHalf(b[(i * 3) + 2], HalfBits.FromF32(x[i], HalfFormat.BF16, Rounding.NearestEven, ResultFlags.Relu), HalfFormat.BF16);
            }
            Assert.True(float.IsNaN(x[i]) || t[i] == Tf32Bits.FromF32(x[i], Rounding.NearestAway), $"{x[i]:R}");
        }
    }

    [Fact]
    public void HalvesBecomeTheNumbersOfTheCorpus()
    {
        var test = new PtxCase("cvt_half_f32");
        float[] y = test.Read<float>("out.y"), z = test.Read<float>("out.z");
        int[] q = test.Read<int>("out.q");
        ushort[] r = test.Read<ushort>("out.r");
        for (int i = 0; i < y.Length; i++)
        {
            ushort code = (ushort)((i * 16) + (i >> 8));
            float value = HalfBits.ToF32(code, HalfFormat.F16);
            RoundedTests.Same(y[i], value);
            RoundedTests.Same(z[i], HalfBits.ToF32(code, HalfFormat.BF16));
            Assert.Equal(q[i * 2], FloatToInteger.FromF32(value, Rounding.Zero, 32, true));
            Assert.Equal(q[(i * 2) + 1], FloatToInteger.FromF32(value, Rounding.NearestEven, 32, true));
            SameHalf(r[(i * 4) + 3], HalfBits.ToIntegral(code, HalfFormat.F16, Rounding.NearestEven), HalfFormat.F16);
        }
    }

    [Fact]
    public void EightBitFloatsMeetTheCorpus()
    {
        var test = new PtxCase("cvt_fp8");
        float[] x = test.Read<float>("in.x");
        ushort[] h = test.Read<ushort>("in.h");
        byte[] y4 = test.Read<byte>("out.y4"), y5 = test.Read<byte>("out.y5"), z4 = test.Read<byte>("out.z4"), z5 = test.Read<byte>("out.z5");
        for (int i = 0; i < x.Length; i++)
        {
            SameByte(y4[i], Float8Bits.FromF32(x[i], Float8Format.E4M3));
            SameByte(y5[i], Float8Bits.FromF32(x[i], Float8Format.E5M2));
            SameByte(z4[i], Float8Bits.FromF16(h[i], Float8Format.E4M3));
            SameByte(z5[i], Float8Bits.FromF16(h[i], Float8Format.E5M2));
        }
        test = new PtxCase("cvt_fp8_decode");
        byte[] codes = test.Read<byte>("in.x");
        ushort[] d4 = test.Read<ushort>("out.y4"), d5 = test.Read<ushort>("out.y5");
        for (int i = 0; i < codes.Length; i++)
        {
            SameHalf(d4[i], Float8Bits.ToF16(codes[i], Float8Format.E4M3), HalfFormat.F16);
            SameHalf(d5[i], Float8Bits.ToF16(codes[i], Float8Format.E5M2), HalfFormat.F16);
        }

        static void SameByte(byte expected, byte got) => Assert.True(expected == got || ((expected & 0x7F) == 0x7F && got == 0x7F), $"{got:X} for {expected:X}");
    }

    [Fact]
    public void RoundingToIntegersKeepsTheSignOfZero()
    {
        var test = new PtxCase("cvt_round");
        float[] x = test.Read<float>("in.x"), y = test.Read<float>("out.y");
        double[] w = test.Read<double>("in.w"), z = test.Read<double>("out.z");
        Rounding[] modes = [Rounding.NearestEven, Rounding.Zero, Rounding.Down, Rounding.Up];
        for (int i = 0; i < x.Length * 4; i++)
        {
            RoundedTests.Same(y[(i / 4 * 6) + (i % 4)], Integral.Round(x[i / 4], modes[i % 4]));
            double got = Integral.Round(w[i / 4], modes[i % 4]);
            Assert.True(z[i].Equals(got) && double.IsNegative(z[i]) == double.IsNegative(got) || double.IsNaN(z[i]) && double.IsNaN(got));
        }
        test = new PtxCase("cvt_f64_f32");
        double[] wide = test.Read<double>("in.x");
        float[] narrow = test.Read<float>("out.y");
        for (int i = 0; i < narrow.Length; i++)
        {
            RoundedTests.Same(narrow[i], RoundedF32.Narrow(wide[i / 4], modes[i % 4]));
        }
    }

    [Fact]
    public void IntegersAreClamped()
    {
        Assert.Equal(127, SaturatingCast.Clamp(300, true, 8, true));
        Assert.Equal(-128, SaturatingCast.Clamp(-300, true, 8, true));
        Assert.Equal(0, SaturatingCast.Clamp(-300, true, 8, false));
        Assert.Equal(255, SaturatingCast.Clamp(300, false, 8, false));
        Assert.Equal(int.MaxValue, SaturatingCast.Clamp(-1, false, 32, true));
        Assert.Equal(uint.MaxValue, SaturatingCast.Clamp(long.MaxValue, true, 32, false));
        Assert.Equal(long.MaxValue, SaturatingCast.Clamp(-1, false, 64, true));
        Assert.Equal(0, SaturatingCast.Clamp(-1, true, 64, false));
        Assert.Equal(-1, SaturatingCast.Clamp(-1, false, 64, false));
    }

    internal static void SameHalf(ushort expected, ushort got, HalfFormat format) => Assert.True(
        HalfBits.IsNaN(expected, format) ? got == HalfBits.CanonicalNaN : expected == got, $"{got:X4} for {expected:X4}");
}
