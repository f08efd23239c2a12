namespace Llama4Kernels.Tests.PtxEmulator.Execution;

/// <summary>Approximations: within the bound that the PTX manual gives, and its special values.</summary>
public class ApproximateInstructionTests
{
    private const double Infinite = double.PositiveInfinity;

    private static double Single(ulong code) => BitConverter.UInt32BitsToSingle((uint)code);

    private static double Flush(double value) => Math.Abs(value) < 1.1754943508222875e-38 ? Math.CopySign(0, value) : value;

    /// <summary>f32 functions: the bound is relative in units of the last place, or absolute.</summary>
    private static void Check(string name, Func<double, double> function, double relative, double absolute, double limit = Infinite)
    {
        foreach (bool ftz in name.StartsWith("tanh", StringComparison.Ordinal) ? new[] { false } : [false, true])
        {
            InstructionCheck.Compare($"{name}{(ftz ? ".ftz" : "")}.f32 x, a;", "f,f", row =>
            {
                double x = Single(row[0]);
                double y = function(ftz ? Flush(x) : x);
                y = ftz ? Flush(y) : y;
                return [BitConverter.DoubleToUInt64Bits(y)];
            }, (_, expected, got) => Close(BitConverter.UInt64BitsToDouble(expected), Single(got), relative, absolute), 2000, row => !(Math.Abs(Single(row[0])) > limit) || double.IsInfinity(Single(row[0])));
        }
    }

    private static bool Close(double expected, double got, double relative, double absolute)
    {
        if (double.IsNaN(expected) || double.IsNaN(got))
        {
            return double.IsNaN(expected) && double.IsNaN(got);
        }
        // Beyond the largest number a result may be infinite.
        if (double.IsInfinity(got) || double.IsInfinity(expected))
        {
            return Math.Abs(expected) >= 3.4028234e38 && Math.Abs(got) >= 3.4028234e38 && Math.Sign(got) == Math.Sign(expected);
        }
        return Math.Abs(expected - got) <= (Math.Abs(expected) * relative) + absolute && (expected != 0 || got != 0 || double.IsNegative(expected) == double.IsNegative(got));
    }

    [Fact]
    public void F32FunctionsAreWithinTheirBounds()
    {
        const double tiny = 1.5e-45;
        Check("ex2.approx", x => Math.Pow(2, x), Math.Pow(2, -22), tiny);
        Check("lg2.approx", x => x == 0 ? -Infinite : Math.Log2(x), Math.Pow(2, -22), Math.Pow(2, -22));
        Check("rcp.approx", x => 1 / x, Math.Pow(2, -22.9), tiny);
        Check("rsqrt.approx", x => x == 0 ? Math.CopySign(Infinite, x) : 1 / Math.Sqrt(x), Math.Pow(2, -22.9), tiny);
        Check("sqrt.approx", Math.Sqrt, Math.Pow(2, -22.9), tiny);
        Check("sin.approx", Math.Sin, 0, Math.Pow(2, -20.5), 3.14159);
        Check("cos.approx", Math.Cos, 0, Math.Pow(2, -20.5), 3.14159);
        Check("tanh.approx", Math.Tanh, Math.Pow(2, -10.987), tiny);
    }

    [Fact]
    public void QuotientsAreWithinTwoUlps()
    {
        foreach (string kind in new[] { "approx", "approx.ftz", "full", "full.ftz" })
        {
            bool ftz = kind.Contains("ftz");
            InstructionCheck.Compare($"div.{kind}.f32 x, a, b;", "f,ff", row =>
            {
                double a = Single(row[0]), b = Single(row[1]);
                (a, b) = ftz ? (Flush(a), Flush(b)) : (a, b);
                // For 2^126 < |b| the approximation is 0, and NaN for an infinite dividend.
                double y = kind.StartsWith("approx", StringComparison.Ordinal) && double.IsFinite(b) && Math.Abs(b) > Math.Pow(2, 126) ? a * Math.CopySign(0, b) : a / b;
                return [BitConverter.DoubleToUInt64Bits(ftz ? Flush(y) : y)];
            }, (_, expected, got) => Close(BitConverter.UInt64BitsToDouble(expected), Single(got), Math.Pow(2, -22), 3e-45), 2000);
        }
    }

    [Theory]
    [InlineData("ex2.approx.f16", false, -9.9)]
    [InlineData("ex2.approx.f16x2", false, -9.9)]
    [InlineData("ex2.approx.ftz.bf16", true, -7)]
    [InlineData("ex2.approx.ftz.bf16x2", true, -7)]
    [InlineData("tanh.approx.f16", false, -10.987)]
    [InlineData("tanh.approx.f16x2", false, -10.987)]
    [InlineData("tanh.approx.bf16", true, -8)]
    [InlineData("tanh.approx.bf16x2", true, -8)]
    public void HalfFunctionsAreWithinTheirBounds(string name, bool brain, double bits)
    {
        bool packed = name.EndsWith("x2", StringComparison.Ordinal), flush = name.Contains("ftz");
        FloatDefinition f = brain ? FloatDefinition.BF16 : FloatDefinition.F16;
        ulong[] codes = [.. InstructionCheck.Codes(f.FractionBits, f.ExponentBits)];
        string letter = packed ? "r" : "h";
        InstructionCheck.Compare($"{name} x, a;", $"{letter},{letter}", row => row, (_, input, got) => One(input & 0xFFFF, got & 0xFFFF) && (!packed || One(input >> 16, got >> 16)), 4000, null,
            packed ? [.. codes.Select((code, i) => code | codes[i * 7 % codes.Length] << 16)] : codes);

        double Number(ulong code) => brain ? Single(code << 16) : (double)BitConverter.UInt16BitsToHalf((ushort)code);

        bool One(ulong input, ulong got)
        {
            double x = Number(flush ? f.Flush(input) : input), y = Number(got);
            double expected = name.StartsWith("ex2", StringComparison.Ordinal) ? Math.Pow(2, x) : Math.Tanh(x);
            if (double.IsNaN(expected) || double.IsInfinity(y))
            {
                return double.IsNaN(expected) ? double.IsNaN(y) : expected > Number(f.Infinity - 1);
            }
            // Half a unit of the last place comes on top: of subnormal numbers it is more than the bound.
            return Math.Abs(y - expected) <= (expected == 0 ? 0 : Math.Abs(expected) * (Math.Pow(2, bits) + Math.Pow(2, -f.FractionBits - 1))) + (flush ? Number(1ul << f.FractionBits) : Number(1) / 2);
        }
    }

    [Fact]
    public void DoubleReciprocalsUseTheUpperHalf()
    {
        FloatDefinition f = FloatDefinition.F64;
        foreach ((string name, Func<double, double> function) in new (string, Func<double, double>)[]
        {
            ("rcp.approx.ftz.f64", x => 1 / x),
            ("rsqrt.approx.ftz.f64", x => x == 0 ? Math.CopySign(Infinite, x) : 1 / Math.Sqrt(x)),
        })
        {
            InstructionCheck.Compare($"{name} x, a;", "d,d", row =>
            {
                ulong code = f.IsNaN(row[0]) ? f.NaN : f.Flush(row[0] & 0xFFFF_FFFF_0000_0000);
                return [f.Flush(BitConverter.DoubleToUInt64Bits(function(BitConverter.UInt64BitsToDouble(code))))];
            }, (_, expected, got) =>
            {
                double x = BitConverter.UInt64BitsToDouble(expected), y = BitConverter.UInt64BitsToDouble(got);
                return double.IsNaN(x) ? double.IsNaN(y) : (got & 0xFFFF_FFFF) == 0 && (x == y || Math.Abs(x - y) <= Math.Abs(x) * Math.Pow(2, -20));
            }, 1000);
        }
        InstructionCheck.Compare("rsqrt.approx.f64 x, a;", "d,d", row => row, (_, input, got) =>
        {
            double x = BitConverter.UInt64BitsToDouble(input), y = BitConverter.UInt64BitsToDouble(got);
            double expected = x == 0 ? Math.CopySign(Infinite, x) : 1 / Math.Sqrt(x);
            return double.IsNaN(expected) ? double.IsNaN(y) : y == expected || Math.Abs(y - expected) <= expected * Math.Pow(2, -50);
        }, 1000);
    }
}
