using System.Numerics;

namespace Llama4Kernels.Tests.PtxEmulator.Execution;

/// <summary>Integer arithmetic of every width against big integers.</summary>
public class IntegerInstructionTests
{
    public static TheoryData<string> Types => ["u16", "s16", "u32", "s32", "u64", "s64"];

    private static int Width(string type) => int.Parse(type.AsSpan(1));

    private static char Letter(int width) => width switch { 16 => 'h', 32 => 'r', _ => 'l' };

    private static BigInteger Value(ulong word, string type)
    {
        int width = Width(type);
        BigInteger value = word & (ulong.MaxValue >> (64 - width));
        return type[0] == 's' && value >> (width - 1) != 0 ? value - (BigInteger.One << width) : value;
    }

    private static ulong Wrap(BigInteger value, int width) => (ulong)(value & ((BigInteger.One << width) - 1));

    private static BigInteger Floor(BigInteger value, int bits) => value >> bits;

    private static BigInteger Clamp(BigInteger value, int width) =>
        BigInteger.Max(-(BigInteger.One << (width - 1)), BigInteger.Min((BigInteger.One << (width - 1)) - 1, value));

    private static void Check(string name, string type, Func<BigInteger, BigInteger, BigInteger> definition, Func<ulong[], bool>? allowed = null)
    {
        char letter = Letter(Width(type));
        InstructionCheck.Word($"{name}.{type} x, a, b;", $"{letter},{letter}{letter}", row => Wrap(definition(Value(row[0], type), Value(row[1], type)), Width(type)), 300, allowed);
    }

    private static void Check(string name, string type, Func<BigInteger, BigInteger, BigInteger, BigInteger> definition)
    {
        char letter = Letter(Width(type));
        InstructionCheck.Word($"{name}.{type} x, a, b, c;", $"{letter},{letter}{letter}{letter}",
            row => Wrap(definition(Value(row[0], type), Value(row[1], type), Value(row[2], type)), Width(type)), 300);
    }

    [Theory]
    [MemberData(nameof(Types))]
    public void ArithmeticWraps(string type)
    {
        Check("add", type, (a, b) => a + b);
        Check("sub", type, (a, b) => a - b);
        Check("mul.lo", type, (a, b) => a * b);
        Check("mul.hi", type, (a, b) => Floor(a * b, Width(type)));
        Check("mad.lo", type, (a, b, c) => (a * b) + c);
        Check("mad.hi", type, (a, b, c) => Floor(a * b, Width(type)) + c);
        Check("min", type, BigInteger.Min);
        Check("max", type, BigInteger.Max);
        Check("sad", type, (a, b, c) => c + BigInteger.Abs(a - b));
    }

    [Theory]
    [MemberData(nameof(Types))]
    public void DivisionTruncates(string type)
    {
        // Division by zero has no defined result.
        Check("div", type, BigInteger.Divide, row => row[1] != 0);
        Check("rem", type, BigInteger.Remainder, row => row[1] != 0);
    }

    [Theory]
    [InlineData("u16", 'h', 'r')]
    [InlineData("s16", 'h', 'r')]
    [InlineData("u32", 'r', 'l')]
    [InlineData("s32", 'r', 'l')]
    public void WideProductsAreExact(string type, char narrow, char wide)
    {
        int width = Width(type) * 2;
        string wideType = $"{type[0]}{width}";
        InstructionCheck.Word($"mul.wide.{type} x, a, b;", $"{wide},{narrow}{narrow}", row => Wrap(Value(row[0], type) * Value(row[1], type), width));
        InstructionCheck.Word($"mad.wide.{type} x, a, b, c;", $"{wide},{narrow}{narrow}{wide}",
            row => Wrap((Value(row[0], type) * Value(row[1], type)) + Value(row[2], wideType), width));
    }

    [Theory]
    [InlineData("s16", 'h')]
    [InlineData("s32", 'r')]
    [InlineData("s64", 'l')]
    public void SignsChange(string type, char letter)
    {
        InstructionCheck.Word($"neg.{type} x, a;", $"{letter},{letter}", row => Wrap(-Value(row[0], type), Width(type)));
        InstructionCheck.Word($"abs.{type} x, a;", $"{letter},{letter}", row => Wrap(BigInteger.Abs(Value(row[0], type)), Width(type)));
    }

    [Fact]
    public void SaturatedSumsStayInRange()
    {
        Check("add.sat", "s32", (a, b) => Clamp(a + b, 32));
        Check("sub.sat", "s32", (a, b) => Clamp(a - b, 32));
        Check("mad.hi.sat", "s32", (a, b, c) => Clamp(Floor(a * b, 32) + c, 32));
        Check("min.relu", "s32", (a, b) => BigInteger.Max(0, BigInteger.Min(a, b)));
        Check("max.relu", "s32", (a, b) => BigInteger.Max(0, BigInteger.Max(a, b)));
    }

    [Theory]
    [InlineData("u32")]
    [InlineData("s32")]
    public void ProductsOf24Bits(string type)
    {
        string part = $"{type[0]}24";
        BigInteger Product(BigInteger a, BigInteger b) => Value((ulong)(a & 0xFF_FFFF), part) * Value((ulong)(b & 0xFF_FFFF), part);
        Check("mul24.lo", type, Product);
        Check("mul24.hi", type, (a, b) => Floor(Product(a, b), 16));
        Check("mad24.lo", type, (a, b, c) => Product(a, b) + c);
        Check("mad24.hi", type, (a, b, c) => Floor(Product(a, b), 16) + c);
        if (type == "s32")
        {
            Check("mad24.hi.sat", type, (a, b, c) => Clamp(Value(Wrap(Floor(Product(a, b), 16), 32), "s32") + c, 32));
        }
    }

    [Theory]
    [InlineData("u32", 'r')]
    [InlineData("s32", 'r')]
    [InlineData("u64", 'l')]
    [InlineData("s64", 'l')]
    public void CarriesRipple(string type, char letter)
    {
        int width = Width(type);
        BigInteger Double(ulong low, ulong high) => ((BigInteger)high << width) | low;
        ulong[] Halves(BigInteger value) => [Wrap(value, width), Wrap(value >> width, width), Wrap(value >> (2 * width), width)];
        string signature = $"{letter}{letter}{letter},{letter}{letter}{letter}{letter}";
        InstructionCheck.Words($"add.cc.{type} x, a, b; addc.cc.{type} y, c, e; addc.{type} z, 0, 0;", signature,
            row => Halves(Double(row[0], row[2]) + Double(row[1], row[3])));
        InstructionCheck.Words($"sub.cc.{type} x, a, b; subc.cc.{type} y, c, e; subc.{type} z, 0, 0;", signature,
            row => Halves(Double(row[0], row[2]) - Double(row[1], row[3])));
        // a * b + (c, e) through the carry, and what it leaves.
        InstructionCheck.Words($"mad.lo.cc.{type} x, a, b, c; madc.hi.cc.{type} y, a, b, e; addc.{type} z, 0, 0;", signature, row =>
        {
            ulong low = Wrap(Value(row[0], type) * Value(row[1], type), width), high = Wrap(Floor(Value(row[0], type) * Value(row[1], type), width), width);
            return Halves(Double(low, high) + Double(row[2], row[3]));
        });
        InstructionCheck.Words($"mad.hi.cc.{type} x, a, b, c; madc.lo.{type} y, a, b, e; mov.b{width} z, 0;", signature, row =>
        {
            BigInteger product = Value(row[0], type) * Value(row[1], type);
            BigInteger first = Wrap(Floor(product, width), width) + (BigInteger)row[2];
            return [Wrap(first, width), Wrap(product + row[3] + (first >> width), width), 0];
        });
    }

    [Theory]
    [InlineData("add.u16x2", "u16", false)]
    [InlineData("add.s16x2", "s16", false)]
    [InlineData("min.u16x2", "u16", false)]
    [InlineData("min.s16x2", "s16", false)]
    [InlineData("max.u16x2", "u16", false)]
    [InlineData("max.s16x2", "s16", false)]
    [InlineData("min.relu.s16x2", "s16", true)]
    [InlineData("max.s16x2.relu", "s16", true)]
    public void PairsOf16Bits(string name, string type, bool relu)
    {
        ulong One(ulong a, ulong b)
        {
            BigInteger x = Value(a, type), y = Value(b, type);
            BigInteger result = name[..3] switch { "add" => x + y, "min" => BigInteger.Min(x, y), _ => BigInteger.Max(x, y) };
            return Wrap(relu ? BigInteger.Max(0, result) : result, 16);
        }
        InstructionCheck.Word($"{name} x, a, b;", "r,rr", row => One(row[0], row[1]) | One(row[0] >> 16, row[1] >> 16) << 16);
    }

    [Theory]
    [InlineData(16, 'h')]
    [InlineData(32, 'r')]
    [InlineData(64, 'l')]
    public void ShiftsTakeAnyAmount(int width, char letter)
    {
        string signature = $"{letter},{letter}r";
        InstructionCheck.Word($"shl.b{width} x, a, b;", signature, row => row[1] >= (ulong)width ? 0 : Wrap((BigInteger)row[0] << (int)row[1], width));
        foreach (string type in new[] { $"b{width}", $"u{width}", $"s{width}" })
        {
            InstructionCheck.Word($"shr.{type} x, a, b;", signature, row => Wrap(Floor(Value(row[0], type), (int)Math.Min(row[1], 200)), width));
        }
    }

    [Theory]
    [InlineData(16, 'h')]
    [InlineData(32, 'r')]
    [InlineData(64, 'l')]
    public void LogicIsBitwise(int width, char letter)
    {
        ulong mask = ulong.MaxValue >> (64 - width);
        InstructionCheck.Word($"and.b{width} x, a, b;", $"{letter},{letter}{letter}", row => row[0] & row[1]);
        InstructionCheck.Word($"or.b{width} x, a, b;", $"{letter},{letter}{letter}", row => row[0] | row[1]);
        InstructionCheck.Word($"xor.b{width} x, a, b;", $"{letter},{letter}{letter}", row => row[0] ^ row[1]);
        InstructionCheck.Word($"not.b{width} x, a;", $"{letter},{letter}", row => ~row[0] & mask);
        InstructionCheck.Word($"cnot.b{width} x, a;", $"{letter},{letter}", row => row[0] == 0 ? 1ul : 0);
    }

    [Fact]
    public void PredicateLogic()
    {
        InstructionCheck.Word("and.pred x, a, b;", "p,pp", row => row[0] & row[1]);
        InstructionCheck.Word("or.pred x, a, b;", "p,pp", row => row[0] | row[1]);
        InstructionCheck.Word("xor.pred x, a, b;", "p,pp", row => row[0] ^ row[1]);
        InstructionCheck.Word("not.pred x, a;", "p,pp", row => row[0] ^ 1);
        InstructionCheck.Word("mov.pred x, a;", "p,pp", row => row[0]);
    }

    [Theory]
    [InlineData("s32", "s32")]
    [InlineData("s32", "u32")]
    [InlineData("u32", "s32")]
    [InlineData("u32", "u32")]
    public void DotProductsOfBytes(string first, string second)
    {
        BigInteger Part(ulong word, int at, int width, string type) => Value(word >> at & ((1ul << width) - 1), $"{type[0]}{width}");
        InstructionCheck.Word($"dp4a.{first}.{second} x, a, b, c;", "r,rrr", row =>
            Wrap(Enumerable.Range(0, 4).Aggregate((BigInteger)row[2], (sum, i) => sum + (Part(row[0], 8 * i, 8, first) * Part(row[1], 8 * i, 8, second))), 32));
        foreach (int half in new[] { 0, 1 })
        {
            InstructionCheck.Word($"dp2a.{(half == 0 ? "lo" : "hi")}.{first}.{second} x, a, b, c;", "r,rrr", row =>
                Wrap(Enumerable.Range(0, 2).Aggregate((BigInteger)row[2], (sum, i) => sum + (Part(row[0], 16 * i, 16, first) * Part(row[1], 8 * (i + (2 * half)), 8, second))), 32));
        }
    }
}
