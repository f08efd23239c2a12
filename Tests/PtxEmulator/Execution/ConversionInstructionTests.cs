using System.Numerics;
using Llama4Kernels.PtxEmulator.Numerics;
using Llama4Kernels.Tests.PtxEmulator.Numerics;

namespace Llama4Kernels.Tests.PtxEmulator.Execution;

/// <summary>cvt between all pairs of types against exact values.</summary>
public class ConversionInstructionTests
{
    private static readonly string[] s_integers = ["u8", "s8", "u16", "s16", "u32", "s32", "u64", "s64"];
    private static readonly string[] s_floats = ["f16", "bf16", "f32", "f64"];
    private static readonly (string Name, Rounding Mode)[] s_roundings = [("rn", Rounding.NearestEven), ("rz", Rounding.Zero), ("rm", Rounding.Down), ("rp", Rounding.Up)];

    private static int Width(string type) => int.Parse(type.AsSpan(1));

    private static char Letter(string type) => type switch { "f16" or "bf16" or "u16" or "s16" => 'h', "f32" => 'f', "f64" => 'd', "u64" or "s64" => 'l', _ => 'r' };

    private static FloatDefinition Format(string type) => type switch { "f16" => FloatDefinition.F16, "bf16" => FloatDefinition.BF16, "f32" => FloatDefinition.F32, _ => FloatDefinition.F64 };

    private static BigInteger Value(ulong word, string type)
    {
        BigInteger value = word & (ulong.MaxValue >> (64 - Width(type)));
        return type[0] == 's' && value >> (Width(type) - 1) != 0 ? value - (BigInteger.One << Width(type)) : value;
    }

    private static (BigInteger Low, BigInteger High) Range(string type) => type[0] == 's'
        ? (-(BigInteger.One << (Width(type) - 1)), (BigInteger.One << (Width(type) - 1)) - 1)
        : (0, (BigInteger.One << Width(type)) - 1);

    private static BigInteger Clamp(BigInteger value, string type) => BigInteger.Max(Range(type).Low, BigInteger.Min(Range(type).High, value));

    /// <summary>A register holds a narrower type extended by its sign.</summary>
    private static ulong Register(BigInteger value, string type) => (ulong)(value & ((BigInteger.One << Math.Max(Width(type), Letter(type) == 'r' ? 32 : 16)) - 1));

    private static ulong[]? Special(string from) => s_floats.Contains(from) ? [.. InstructionCheck.Codes(Format(from).FractionBits, Format(from).ExponentBits)] : null;

    [Fact]
    public void IntegersToIntegers()
    {
        foreach (string to in s_integers)
        {
            foreach (string from in s_integers)
            {
                InstructionCheck.Word($"cvt.{to}.{from} x, a;", $"{Letter(to)},{Letter(from)}", row => Register(Value(Register(Value(row[0], from), to), to), to), 60);
                InstructionCheck.Word($"cvt.sat.{to}.{from} x, a;", $"{Letter(to)},{Letter(from)}", row => Register(Clamp(Value(row[0], from), to), to), 60);
            }
        }
    }

    [Fact]
    public void FloatsToIntegers()
    {
        foreach (string from in s_floats)
        {
            FloatDefinition f = Format(from);
            foreach (string to in s_integers)
            {
                foreach ((string name, Rounding mode) in s_roundings)
                {
                    foreach (bool ftz in from == "f32" ? new[] { false, true } : [false])
                    {
                        foreach (string sat in new[] { "", ".sat" })
                        {
                            InstructionCheck.Word($"cvt.{name}i{(ftz ? ".ftz" : "")}{sat}.{to}.{from} x, a;", $"{Letter(to)},{Letter(from)}", row => ToInteger(f, ftz ? f.Flush(row[0]) : row[0], mode, from, to), 60, null, Special(from));
                        }
                    }
                }
            }
        }
    }

    private static ulong ToInteger(FloatDefinition f, ulong code, Rounding mode, string from, string to)
    {
        if (f.IsNaN(code))
        {
            // The manual: 0, but 1 << (width - 1) if the source is f64 or the result has 64 bits.
            BigInteger nan = from == "f64" || Width(to) == 64 ? BigInteger.One << (Width(to) - 1) : 0;
            return Register(Value((ulong)nan, to), to);
        }
        if (f.IsInfinite(code))
        {
            return Register(f.IsNegative(code) ? Range(to).Low : Range(to).High, to);
        }
        return Register(Clamp(Integral(f.Value(code), mode), to), to);
    }

    private static BigInteger Integral(Rational value, Rounding mode)
    {
        BigInteger down = BigInteger.Divide(value.Top - (value.Top.Sign < 0 ? value.Bottom - 1 : 0), value.Bottom);
        BigInteger twice = (value.Top * 2) - (down * value.Bottom * 2);
        bool exact = twice.IsZero;
        return mode switch
        {
            Rounding.Down => down,
            Rounding.Up => exact ? down : down + 1,
            Rounding.Zero => exact || value.Top.Sign > 0 ? down : down + 1,
            _ => twice > value.Bottom || (twice == value.Bottom && !down.IsEven) ? down + 1 : down,
        };
    }

    [Fact]
    public void IntegersToFloats()
    {
        foreach (string to in s_floats)
        {
            FloatDefinition f = Format(to);
            foreach (string from in s_integers)
            {
                foreach ((string name, Rounding mode) in s_roundings)
                {
                    InstructionCheck.Word($"cvt.{name}.{to}.{from} x, a;", $"{Letter(to)},{Letter(from)}", row => FromInteger(f, Value(row[0], from), mode), 40);
                }
                if (to is "f16" or "f32" or "f64")
                {
                    InstructionCheck.Word($"cvt.rn.sat.{to}.{from} x, a;", $"{Letter(to)},{Letter(from)}", row => f.Saturate(FromInteger(f, Value(row[0], from), Rounding.NearestEven)), 40);
                }
            }
        }
    }

    private static ulong FromInteger(FloatDefinition f, BigInteger value, Rounding mode) => value.IsZero ? 0 : f.Round(new Rational(value, 1), mode);

    /// <summary>A number of one format rounded to another, with what follows the rounding.</summary>
    private static ulong Convert(FloatDefinition from, FloatDefinition to, ulong code, Rounding mode, string flags, bool ftzIn = false, bool ftzOut = false)
    {
        code = ftzIn ? from.Flush(code) : code;
        ulong sign = from.IsNegative(code) ? to.Sign : 0;
        ulong result = from.IsNaN(code) ? to.NaN : from.IsInfinite(code) ? sign | to.Infinity : from.IsZero(code) ? sign : to.Round(from.Value(code), mode);
        result = ftzOut ? to.Flush(result) : result;
        if (flags.Contains("satfinite", StringComparison.Ordinal) && to.IsInfinite(result))
        {
            result--;
        }
        return flags.Contains("sat", StringComparison.Ordinal) && !flags.Contains("satfinite", StringComparison.Ordinal) ? to.Saturate(result)
            : flags.Contains("relu", StringComparison.Ordinal) ? to.Relu(result) : result;
    }

    private static void Check(string modifiers, string to, string from, Rounding mode, int random = 300)
    {
        bool ftz = modifiers.Contains("ftz", StringComparison.Ordinal);
        InstructionCheck.Word($"cvt{modifiers}.{to}.{from} x, a;", $"{Letter(to)},{Letter(from)}",
            row => Convert(Format(from), Format(to), row[0], mode, modifiers, ftz && from == "f32", ftz && to == "f32"), random, null, Special(from));
    }

    [Fact]
    public void FloatsToNarrowerFloats()
    {
        foreach ((string name, Rounding mode) in s_roundings)
        {
            foreach (string flags in new[] { "", ".ftz", ".sat", ".ftz.sat" })
            {
                Check($".{name}{flags}", "f32", "f64", mode);
                Check($".{name}{flags}", "f16", "f32", mode);
            }
            Check($".{name}", "f16", "f64", mode);
            Check($".{name}.sat", "f16", "f64", mode);
        }
        foreach ((string name, Rounding mode) in s_roundings.Take(2))
        {
            foreach (string flags in new[] { "", ".relu", ".satfinite", ".relu.satfinite" })
            {
                Check($".{name}{flags}", "bf16", "f32", mode);
                Check($".{name}{flags}", "f16", "f32", mode);
            }
        }
        Check(".rn", "bf16", "f16", Rounding.NearestEven);
        Check(".rn", "f16", "bf16", Rounding.NearestEven);
        Check(".rn", "bf16", "f64", Rounding.NearestEven);
    }

    [Fact]
    public void FloatsToWiderFloats()
    {
        Check("", "f64", "f32", Rounding.NearestEven);
        Check(".ftz", "f64", "f32", Rounding.NearestEven);
        Check(".sat", "f64", "f32", Rounding.NearestEven);
        Check("", "f32", "f16", Rounding.NearestEven, 5000);
        Check(".ftz", "f32", "f16", Rounding.NearestEven);
        Check(".sat", "f32", "f16", Rounding.NearestEven);
        Check("", "f64", "f16", Rounding.NearestEven);
        Check("", "f32", "bf16", Rounding.NearestEven, 5000);
        Check("", "f64", "bf16", Rounding.NearestEven);
        Check("", "f32", "f32", Rounding.NearestEven);
        Check(".ftz", "f32", "f32", Rounding.NearestEven);
        Check(".sat", "f32", "f32", Rounding.NearestEven);
        Check(".ftz.sat", "f32", "f32", Rounding.NearestEven);
        Check(".sat", "f64", "f64", Rounding.NearestEven);
        Check(".sat", "f16", "f16", Rounding.NearestEven);
    }

    [Fact]
    public void FloatsToIntegralFloats()
    {
        foreach (string type in s_floats)
        {
            FloatDefinition f = Format(type);
            foreach ((string name, Rounding mode) in s_roundings)
            {
                foreach (string flags in type == "f32" ? new[] { "", ".ftz", ".sat" } : [""])
                {
                    InstructionCheck.Word($"cvt.{name}i{flags}.{type}.{type} x, a;", $"{Letter(type)},{Letter(type)}", row =>
                    {
                        ulong code = flags == ".ftz" ? f.Flush(row[0]) : row[0];
                        ulong result = code;
                        if (f.IsNaN(code))
                        {
                            result = f.NaN;
                        }
                        else if (!f.IsInfinite(code))
                        {
                            BigInteger whole = Integral(f.Value(code), mode);
                            result = whole.IsZero ? code & f.Sign : f.Round(new Rational(whole, 1));
                        }
                        return flags == ".sat" ? f.Saturate(result) : result;
                    }, 200, null, Special(type));
                }
            }
        }
    }

    [Fact]
    public void SinglesToTf32()
    {
        foreach ((string name, Rounding mode) in new[] { ("rna", Rounding.NearestAway), ("rn", Rounding.NearestEven), ("rz", Rounding.Zero) })
        {
            foreach (string flags in new[] { "", ".relu", ".satfinite", ".relu.satfinite" })
            {
                var tf32 = new FloatDefinition(10, 8, 0x3_FFFF);
                InstructionCheck.Word($"cvt.{name}{flags}.tf32.f32 x, a;", "r,f", row =>
                {
                    ulong code = Convert(FloatDefinition.F32, tf32, row[0], mode, flags);
                    return code == tf32.NaN ? 0x7FFF_FFFF : code << 13;
                });
            }
        }
    }

    [Theory]
    [InlineData("f16x2")]
    [InlineData("bf16x2")]
    public void PairsOfSingles(string type)
    {
        FloatDefinition to = type == "f16x2" ? FloatDefinition.F16 : FloatDefinition.BF16;
        foreach ((string name, Rounding mode) in s_roundings.Take(2))
        {
            foreach (string flags in new[] { "", ".relu", ".satfinite", ".relu.satfinite" })
            {
                InstructionCheck.Word($"cvt.{name}{flags}.{type}.f32 x, a, b;", "r,ff",
                    row => Convert(FloatDefinition.F32, to, row[0], mode, flags) << 16 | Convert(FloatDefinition.F32, to, row[1], mode, flags));
            }
        }
    }

    [Theory]
    [InlineData("e4m3x2", 3, 4)]
    [InlineData("e5m2x2", 2, 5)]
    public void PairsOf8Bits(string type, int fractionBits, int exponentBits)
    {
        // e4m3 has numbers where other formats have infinity: only the highest code is NaN.
        bool finite = type == "e4m3x2";
        var format = new FloatDefinition(fractionBits, exponentBits, 0x7F);
        int largest = finite ? 0x7E : 0x7B;
        ulong To(FloatDefinition from, ulong code, bool relu)
        {
            if (from.IsNaN(code))
            {
                return 0x7F;
            }
            ulong sign = from.IsNegative(code) ? 0x80ul : 0;
            if (relu && sign != 0)
            {
                return 0;
            }
            if (from.IsInfinite(code))
            {
                return sign | (uint)largest;
            }
            Rational value = from.Value(code & ~from.Sign);
            int below = Enumerable.Range(0, largest + 1).Last(candidate => format.Value((ulong)candidate).CompareTo(value) <= 0);
            Rational middle = (format.Value((uint)below) + format.Value((uint)below + 1)) * new Rational(1, 2);
            int order = value.CompareTo(middle);
            return sign | (uint)(below < largest && (order > 0 || (order == 0 && below % 2 == 1)) ? below + 1 : below);
        }
        ulong From(ulong code, bool relu)
        {
            ulong magnitude = code & 0x7F;
            bool isNaN = finite ? magnitude == 0x7F : magnitude > 0x7C;
            ulong result = isNaN ? 0x7FFF : !finite && magnitude == 0x7C ? 0x7C00 : magnitude == 0 ? 0 : FloatDefinition.F16.Round(format.Value(magnitude));
            return isNaN ? result : relu && (code & 0x80) != 0 ? 0 : result | (code & 0x80) << 8;
        }
        foreach (bool relu in new[] { false, true })
        {
            string flags = relu ? ".relu" : "";
            InstructionCheck.Word($"cvt.rn.satfinite{flags}.{type}.f32 x, a, b;", "h,ff", row => To(FloatDefinition.F32, row[0], relu) << 8 | To(FloatDefinition.F32, row[1], relu));
            ulong[] halves = [.. InstructionCheck.Codes(10, 5)];
            InstructionCheck.Word($"cvt.rn.satfinite{flags}.{type}.f16x2 x, a;", "h,r",
                row => To(FloatDefinition.F16, row[0] >> 16, relu) << 8 | To(FloatDefinition.F16, row[0] & 0xFFFF, relu), 3000, null, [.. halves.Select((half, i) => half << 16 | halves[i * 5 % halves.Length])]);
            InstructionCheck.Word($"cvt.rn{flags}.f16x2.{type} x, a;", "r,h", row => From(row[0] >> 8, relu) << 16 | From(row[0] & 0xFF, relu), 0, null, [.. Enumerable.Range(0, 256).Select(i => (ulong)(i | (255 - i) << 8))]);
        }
    }

    [Theory]
    [InlineData("u16", 16)]
    [InlineData("s16", 16)]
    [InlineData("u8", 8)]
    [InlineData("s8", 8)]
    [InlineData("u4", 4)]
    [InlineData("s4", 4)]
    [InlineData("u2", 2)]
    [InlineData("s2", 2)]
    public void TwoIntegersArePacked(string type, int width)
    {
        ulong One(ulong word) => (ulong)(Clamp(Value(word, "s32"), type) & ((BigInteger.One << width) - 1));
        if (width == 16)
        {
            InstructionCheck.Word($"cvt.pack.sat.{type}.s32 x, a, b;", "r,rr", row => One(row[0]) << 16 | One(row[1]));
            return;
        }
        InstructionCheck.Word($"cvt.pack.sat.{type}.s32.b32 x, a, b, c;", "r,rrr", row =>
            (row[2] << (2 * width) & 0xFFFF_FFFF) | One(row[0]) << width | One(row[1]));
    }
}
