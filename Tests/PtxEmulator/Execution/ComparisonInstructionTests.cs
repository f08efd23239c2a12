using System.Numerics;

namespace Llama4Kernels.Tests.PtxEmulator.Execution;

/// <summary>setp, set and testp in all types, comparisons and combinations.</summary>
public class ComparisonInstructionTests
{
    private static readonly string[] s_boolean = ["", "and", "or", "xor"];

    private static bool Holds(string name, int order) => name switch
    {
        "eq" or "equ" => order == 0,
        "ne" or "neu" => order != 0,
        "lt" or "ltu" or "lo" => order < 0,
        "le" or "leu" or "ls" => order <= 0,
        "gt" or "gtu" or "hi" => order > 0,
        _ => order >= 0,
    };

    private static bool HoldsFloat(string name, int? order) => name switch
    {
        "num" => order is not null,
        "nan" => order is null,
        _ => order is int known ? Holds(name, known) : name.Length == 3,
    };

    private static ulong Combine(string boolean, bool result, ulong c) => boolean switch
    {
        "and" => (result ? 1ul : 0) & c,
        "or" => (result ? 1ul : 0) | c,
        "xor" => (result ? 1ul : 0) ^ c,
        _ => result ? 1ul : 0,
    };

    [Theory]
    [InlineData("b16", 'h')]
    [InlineData("u16", 'h')]
    [InlineData("s16", 'h')]
    [InlineData("b32", 'r')]
    [InlineData("u32", 'r')]
    [InlineData("s32", 'r')]
    [InlineData("b64", 'l')]
    [InlineData("u64", 'l')]
    [InlineData("s64", 'l')]
    public void Integers(string type, char letter)
    {
        int width = int.Parse(type.AsSpan(1));
        BigInteger Value(ulong word) => type[0] == 's' && word >> (width - 1) != 0 ? word - (BigInteger.One << width) : word;
        string[] names = type[0] switch { 'b' => ["eq", "ne"], 'u' => ["eq", "ne", "lt", "le", "gt", "ge", "lo", "ls", "hi", "hs"], _ => ["eq", "ne", "lt", "le", "gt", "ge"] };
        foreach (string name in names)
        {
            InstructionCheck.Word($"set.{name}.u32.{type} x, a, b;", $"r,{letter}{letter}", row => Holds(name, Value(row[0]).CompareTo(Value(row[1]))) ? 0xFFFF_FFFF : 0, 50);
            InstructionCheck.Word($"set.{name}.f32.{type} x, a, b;", $"f,{letter}{letter}", row => Holds(name, Value(row[0]).CompareTo(Value(row[1]))) ? 0x3F80_0000ul : 0, 50);
            All(name, type, letter, row => Holds(name, Value(row[0]).CompareTo(Value(row[1]))), null);
        }
    }

    [Theory]
    [InlineData("f32", 'f')]
    [InlineData("f64", 'd')]
    [InlineData("f16", 'h')]
    [InlineData("bf16", 'h')]
    public void Floats(string type, char letter)
    {
        FloatDefinition f = type switch { "f32" => FloatDefinition.F32, "f64" => FloatDefinition.F64, "f16" => FloatDefinition.F16, _ => FloatDefinition.BF16 };
        ulong[] special = [.. InstructionCheck.Codes(f.FractionBits, f.ExponentBits)];
        foreach (string name in new[] { "eq", "ne", "lt", "le", "gt", "ge", "equ", "neu", "ltu", "leu", "gtu", "geu", "num", "nan" })
        {
            foreach (bool ftz in type is "f32" or "f16" ? new[] { false, true } : [false])
            {
                ulong In(ulong code) => ftz ? f.Flush(code) : code;
                bool Test(ulong[] row) => HoldsFloat(name, f.Order(In(row[0]), In(row[1])));
                string full = name + (ftz ? ".ftz" : "");
                All(full, type, letter, Test, special);
                (string To, char Letter, ulong One)[] targets = type is "f16" or "bf16"
                    ? [("u16", 'h', 0xFFFF), ("u32", 'r', 0xFFFF_FFFF), (type, 'h', f.One)]
                    : [("u32", 'r', 0xFFFF_FFFF), ("s32", 'r', 0xFFFF_FFFF), ("f32", 'f', 0x3F80_0000)];
                foreach ((string to, char target, ulong one) in targets)
                {
                    InstructionCheck.Word($"set.{full}.{to}.{type} x, a, b;", $"{target},{letter}{letter}", row => Test(row) ? one : 0, 50, null, special);
                    InstructionCheck.Word($"set.{full}.xor.{to}.{type} x, a, b, !c;", $"{target},{letter}{letter}p", row => Combine("xor", Test(row), row[2] ^ 1) != 0 ? one : 0, 50, null, special);
                }
            }
        }
    }

    private static void All(string name, string type, char letter, Func<ulong[], bool> test, ulong[]? special)
    {
        foreach (string boolean in s_boolean)
        {
            string dotted = boolean.Length > 0 ? "." + boolean : "";
            string[] operands = boolean.Length > 0 ? [", c", ", !c"] : [""];
            foreach (string operand in operands)
            {
                // The flag comes after the Boolean operator: setp.lt.and.ftz.f32.
                string[] parts = name.Split('.');
                string opcode = $"setp.{parts[0]}{dotted}{string.Concat(parts.Skip(1).Select(part => "." + part))}.{type}";
                InstructionCheck.Words($"{opcode} x|y, a, b{operand};", $"pp,{letter}{letter}{(boolean.Length > 0 ? "p" : "")}", row =>
                {
                    ulong c = boolean.Length == 0 ? 0 : operand == ", c" ? row[2] : row[2] ^ 1;
                    return [Combine(boolean, test(row), c), Combine(boolean, !test(row), c)];
                }, 40, null, special);
            }
        }
        InstructionCheck.Word($"setp.{name}.{type} x, a, b;", $"p,{letter}{letter}", row => test(row) ? 1ul : 0, 40, null, special);
    }

    [Theory]
    [InlineData("f16x2")]
    [InlineData("bf16x2")]
    public void PairsOfHalves(string type)
    {
        FloatDefinition f = type == "f16x2" ? FloatDefinition.F16 : FloatDefinition.BF16;
        ulong[] codes = [.. InstructionCheck.Codes(f.FractionBits, f.ExponentBits)];
        ulong[] special = [.. codes.Select((code, i) => code | codes[(i * 7) % codes.Length] << 16)];
        foreach (string name in new[] { "eq", "ne", "lt", "le", "gt", "ge", "equ", "neu", "ltu", "leu", "gtu", "geu", "num", "nan" })
        {
            bool Half(ulong[] row, int shift) => HoldsFloat(name, f.Order(row[0] >> shift & 0xFFFF, row[1] >> shift & 0xFFFF));
            InstructionCheck.Words($"setp.{name}.{type} x|y, a, b;", "pp,rr", row => [Half(row, 0) ? 1ul : 0, Half(row, 16) ? 1ul : 0], 100, null, special);
            foreach (string boolean in s_boolean.Skip(1))
            {
                InstructionCheck.Words($"setp.{name}.{boolean}.{type} x|y, a, b, c;", "pp,rrp", row => [Combine(boolean, Half(row, 0), row[2]), Combine(boolean, Half(row, 16), row[2])], 100, null, special);
                InstructionCheck.Word($"set.{name}.{boolean}.{type}.{type} x, a, b, !c;", "r,rrp",
                    row => (Combine(boolean, Half(row, 0), row[2] ^ 1) * f.One) | (Combine(boolean, Half(row, 16), row[2] ^ 1) * f.One << 16), 100, null, special);
            }
            InstructionCheck.Word($"set.{name}.{type}.{type} x, a, b;", "r,rr", row => (Half(row, 0) ? f.One : 0) | (Half(row, 16) ? f.One << 16 : 0), 100, null, special);
            InstructionCheck.Word($"set.{name}.u32.{type} x, a, b;", "r,rr", row => (Half(row, 0) ? 0xFFFFul : 0) | (Half(row, 16) ? 0xFFFF_0000ul : 0), 100, null, special);
        }
    }

    [Fact]
    public void Properties()
    {
        foreach ((FloatDefinition f, string type, char letter) in new[] { (FloatDefinition.F32, "f32", 'f'), (FloatDefinition.F64, "f64", 'd') })
        {
            bool Subnormal(ulong code) => !f.IsZero(code) && f.IsZero(f.Flush(code));
            (string Name, Func<ulong, bool> Test)[] properties =
            [
                ("finite", code => !f.IsNaN(code) && !f.IsInfinite(code)),
                ("infinite", f.IsInfinite),
                ("number", code => !f.IsNaN(code)),
                ("notanumber", f.IsNaN),
                // As in the conformance corpus: the manual counts zeros as normal.
                ("normal", code => !f.IsZero(code) && !f.IsNaN(code) && !f.IsInfinite(code) && !Subnormal(code)),
                ("subnormal", Subnormal),
            ];
            foreach ((string name, Func<ulong, bool> test) in properties)
            {
                InstructionCheck.Word($"testp.{name}.{type} x, a;", $"p,{letter}", row => test(row[0]) ? 1ul : 0);
            }
        }
    }
}
