using Llama4Kernels.PtxEmulator.Numerics;

namespace Llama4Kernels.Tests.PtxEmulator.Execution;

/// <summary>Floating-point arithmetic of all formats against exact fractions rounded once.</summary>
public class FloatInstructionTests
{
    private static readonly (string Name, Rounding Mode)[] s_roundings = [(".rn", Rounding.NearestEven), (".rz", Rounding.Zero), (".rm", Rounding.Down), (".rp", Rounding.Up)];

    private static void Check(FloatDefinition format, string body, string signature, Func<ulong[], ulong> definition, int random = 150) =>
        InstructionCheck.Compare(body, signature, row => [definition(row)], (_, expected, got) => expected == got, random, null, [.. InstructionCheck.Codes(format.FractionBits, format.ExponentBits)]);

    [Fact]
    public void F32ArithmeticIsRoundedOnce()
    {
        FloatDefinition f = FloatDefinition.F32;
        foreach ((string name, Rounding mode) in s_roundings)
        {
            foreach (string flags in new[] { "", ".ftz", ".sat", ".ftz.sat" })
            {
                bool ftz = flags.Contains("ftz"), sat = flags.Contains("sat");
                ulong In(ulong code) => ftz ? f.Flush(code) : code;
                ulong Out(ulong code)
                {
                    code = ftz ? f.Flush(code) : code;
                    return sat ? f.Saturate(code) : code;
                }
                Check(f, $"add{name}{flags}.f32 x, a, b;", "f,ff", row => Out(f.Add(In(row[0]), In(row[1]), mode)), 60);
                Check(f, $"sub{name}{flags}.f32 x, a, b;", "f,ff", row => Out(f.Sub(In(row[0]), In(row[1]), mode)), 60);
                Check(f, $"mul{name}{flags}.f32 x, a, b;", "f,ff", row => Out(f.Mul(In(row[0]), In(row[1]), mode)), 60);
                Check(f, $"fma{name}{flags}.f32 x, a, b, c;", "f,fff", row => Out(f.Fma(In(row[0]), In(row[1]), In(row[2]), mode)), 60);
            }
            foreach (bool ftz in new[] { false, true })
            {
                string flags = ftz ? ".ftz" : "";
                ulong Flush(ulong code) => ftz ? f.Flush(code) : code;
                Check(f, $"div{name}{flags}.f32 x, a, b;", "f,ff", row => Flush(f.Div(Flush(row[0]), Flush(row[1]), mode)), 60);
                Check(f, $"rcp{name}{flags}.f32 x, a;", "f,f", row => Flush(f.Div(f.One, Flush(row[0]), mode)));
                Check(f, $"sqrt{name}{flags}.f32 x, a;", "f,f", row => Flush(f.Sqrt(Flush(row[0]), mode)));
                Check(f, $"mad{name}{flags}.f32 x, a, b, c;", "f,fff", row => Flush(f.Fma(Flush(row[0]), Flush(row[1]), Flush(row[2]), mode)), 60);
            }
        }
        Check(f, "add.f32 x, a, b;", "f,ff", row => f.Add(row[0], row[1]));
        Check(f, "sub.f32 x, a, b;", "f,ff", row => f.Sub(row[0], row[1]));
        Check(f, "mul.f32 x, a, b;", "f,ff", row => f.Mul(row[0], row[1]));
    }

    [Fact]
    public void F64ArithmeticIsRoundedOnce()
    {
        FloatDefinition f = FloatDefinition.F64;
        foreach ((string name, Rounding mode) in s_roundings)
        {
            Check(f, $"add{name}.f64 x, a, b;", "d,dd", row => f.Add(row[0], row[1], mode), 20);
            Check(f, $"sub{name}.f64 x, a, b;", "d,dd", row => f.Sub(row[0], row[1], mode), 20);
            Check(f, $"rcp{name}.f64 x, a;", "d,d", row => f.Div(f.One, row[0], mode), 20);
            Check(f, $"sqrt{name}.f64 x, a;", "d,d", row => f.Sqrt(row[0], mode), 20);
        }
        Check(f, "mul.rz.f64 x, a, b;", "d,dd", row => f.Mul(row[0], row[1], Rounding.Zero), 20);
        Check(f, "div.rp.f64 x, a, b;", "d,dd", row => f.Div(row[0], row[1], Rounding.Up), 20);
        Check(f, "fma.rm.f64 x, a, b, c;", "d,ddd", row => f.Fma(row[0], row[1], row[2], Rounding.Down), 20);
        Check(f, "mad.rn.f64 x, a, b, c;", "d,ddd", row => f.Fma(row[0], row[1], row[2]), 20);
    }

    [Theory]
    [InlineData("f16", false)]
    [InlineData("f16x2", true)]
    [InlineData("bf16", false)]
    [InlineData("bf16x2", true)]
    public void HalfArithmeticIsRoundedOnce(string type, bool packed)
    {
        bool brain = type[0] == 'b';
        FloatDefinition f = brain ? FloatDefinition.BF16 : FloatDefinition.F16;
        string letter = packed ? "r" : "h";
        foreach (string flags in brain ? new[] { "" } : ["", ".ftz", ".sat", ".ftz.sat"])
        {
            Binary($"add{flags}", flags, f.Add);
            Binary($"sub{flags}", flags, f.Sub);
            Binary($"mul{flags}", flags, f.Mul);
            Binary($"add.rn{flags}", flags, f.Add);
            Ternary($"fma.rn{flags}", flags);
        }
        foreach (string flags in brain ? new[] { ".relu" } : [".relu", ".ftz.relu"])
        {
            Ternary($"fma.rn{flags}", flags);
        }
        foreach (bool nan in new[] { false, true })
        {
            string name = nan ? ".NaN" : "";
            Binary($"min{name}", "", (a, b, _) => f.Min(a, b, nan));
            Binary($"max{name}", "", (a, b, _) => f.Max(a, b, nan));
            Binary($"min{name}.xorsign.abs", "", (a, b, _) => f.XorSignAbs(a, b, nan, below: true));
            Binary($"max{name}.xorsign.abs", "", (a, b, _) => f.XorSignAbs(a, b, nan, below: false));
        }
        Single("abs", a => f.IsNaN(a) ? f.NaN : a & ~f.Sign);
        Single("neg", a => f.IsNaN(a) ? f.NaN : a ^ f.Sign);

        // A NaN that abs and neg pass on keeps its payload, which no rule fixes.
        void Single(string name, Func<ulong, ulong> one) => Run($"{name}.{type} x, a;", 1, row => one(row[0]), anyNaN: true);

        void Binary(string name, string flags, Func<ulong, ulong, Rounding, ulong> one) =>
            Run($"{name}.{type} x, a, b;", 2, row => After(one(Before(row[0], flags), Before(row[1], flags), Rounding.NearestEven), flags));

        void Ternary(string name, string flags) =>
            Run($"{name}.{type} x, a, b, c;", 3, row => After(f.Fma(Before(row[0], flags), Before(row[1], flags), Before(row[2], flags)), flags));

        ulong Before(ulong code, string flags) => flags.Contains("ftz") ? f.Flush(code) : code;

        ulong After(ulong code, string flags)
        {
            code = Before(code, flags);
            return flags.Contains("sat") ? f.Saturate(code) : flags.Contains("relu") ? f.Relu(code) : code;
        }

        void Run(string body, int operands, Func<ulong[], ulong> one, bool anyNaN = false)
        {
            ulong[] codes = [.. InstructionCheck.Codes(f.FractionBits, f.ExponentBits)];
            ulong[] special = packed ? [.. codes.Select((code, i) => code | codes[(i * 7) % codes.Length] << 16)] : codes;
            InstructionCheck.Compare(
                body,
                $"{letter},{string.Concat(Enumerable.Repeat(letter, operands))}",
                row => [one([.. row.Select(word => word & 0xFFFF)]) | (packed ? one([.. row.Select(word => word >> 16)]) << 16 : 0)],
                (_, expected, got) => anyNaN ? Same(expected, got) && Same(expected >> 16, got >> 16) : expected == got,
                100,
                null,
                special);
        }

        bool Same(ulong expected, ulong got) => (expected & 0xFFFF) == (got & 0xFFFF) || (f.IsNaN(expected & 0xFFFF) && f.IsNaN(got & 0xFFFF));
    }

    [Fact]
    public void SinglesAreChosen()
    {
        FloatDefinition f = FloatDefinition.F32;
        foreach (string ftz in new[] { "", ".ftz" })
        {
            ulong In(ulong code) => ftz.Length > 0 ? f.Flush(code) : code;
            foreach (bool nan in new[] { false, true })
            {
                string name = ftz + (nan ? ".NaN" : "");
                Check(f, $"min{name}.f32 x, a, b;", "f,ff", row => f.Min(In(row[0]), In(row[1]), nan));
                Check(f, $"max{name}.f32 x, a, b;", "f,ff", row => f.Max(In(row[0]), In(row[1]), nan));
                Check(f, $"min{name}.xorsign.abs.f32 x, a, b;", "f,ff", row => f.XorSignAbs(In(row[0]), In(row[1]), nan, below: true));
                Check(f, $"max{name}.xorsign.abs.f32 x, a, b;", "f,ff", row => f.XorSignAbs(In(row[0]), In(row[1]), nan, below: false));
                Check(f, $"min{name}.f32 x, a, b, c;", "f,fff", row => f.Min(f.Min(In(row[0]), In(row[1]), nan), In(row[2]), nan));
                Check(f, $"max{name}.f32 x, a, b, c;", "f,fff", row => f.Max(f.Max(In(row[0]), In(row[1]), nan), In(row[2]), nan));
            }
            InstructionCheck.Compare($"abs{ftz}.f32 x, a;", "f,f", row => [In(row[0]) & ~f.Sign], (_, e, g) => e == g || (f.IsNaN(e) && f.IsNaN(g)), 300);
            InstructionCheck.Compare($"neg{ftz}.f32 x, a;", "f,f", row => [In(row[0]) ^ f.Sign], (_, e, g) => e == g || (f.IsNaN(e) && f.IsNaN(g)), 300);
        }
        Check(f, "copysign.f32 x, a, b;", "f,ff", row => (row[0] & f.Sign) | (row[1] & ~f.Sign));
    }

    [Fact]
    public void DoublesAreChosen()
    {
        FloatDefinition f = FloatDefinition.F64;
        Check(f, "min.f64 x, a, b;", "d,dd", row => f.Min(row[0], row[1], false));
        Check(f, "max.f64 x, a, b;", "d,dd", row => f.Max(row[0], row[1], false));
        Check(f, "copysign.f64 x, a, b;", "d,dd", row => (row[0] & f.Sign) | (row[1] & ~f.Sign));
        InstructionCheck.Compare("abs.f64 x, a;", "d,d", row => [row[0] & ~f.Sign], (_, e, g) => e == g || (f.IsNaN(e) && f.IsNaN(g)), 300);
        InstructionCheck.Compare("neg.f64 x, a;", "d,d", row => [row[0] ^ f.Sign], (_, e, g) => e == g || (f.IsNaN(e) && f.IsNaN(g)), 300);
    }
}
