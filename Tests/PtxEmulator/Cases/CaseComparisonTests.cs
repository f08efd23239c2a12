using Llama4Kernels.PtxEmulator.Cases;

namespace Llama4Kernels.Tests.PtxEmulator.Cases;

/// <summary>The comparison rules: NaN, signed zero, infinities, edges of tolerances, every element type.</summary>
public class CaseComparisonTests
{
    private static readonly CaseRule s_exact = new("out.y", Exact: true);
    private static readonly CaseRule s_anyNaN = new("out.y", Exact: true, AnyNaN: true);

    public static TheoryData<CaseElement> Types => [.. Enum.GetValues<CaseElement>()];

    [Theory]
    [MemberData(nameof(Types))]
    public void EqualBitsObeyEveryRule(CaseElement type)
    {
        byte[] data = [.. Enumerable.Range(0, 256).Select(i => (byte)i)];
        var tensor = new CaseTensor("out.y", type, [data.Length / type.Bytes()], data);
        Assert.Null(CaseComparison.Compare(s_exact, tensor, data));
        Assert.Null(CaseComparison.Compare(Close(0, 0), tensor, data));
    }

    [Theory]
    [MemberData(nameof(Types))]
    public void TheFirstDifferenceIsReportedAndAllAreCounted(CaseElement type)
    {
        byte[] expected = new byte[6 * type.Bytes()];
        byte[] got = [.. expected];
        // The lowest bit of the second row's second number, and of its third.
        got[4 * type.Bytes()] = 1;
        got[5 * type.Bytes()] = 1;
        CaseDifference? difference = CaseComparison.Compare(s_exact, new CaseTensor("out.y", type, [2, 3], expected), got);
        Assert.NotNull(difference);
        Assert.Equal((4L, "[1, 1]", 2L), (difference.Index, difference.Position, difference.Count));
        Assert.Equal(type.IsFloat() ? "0 (0x" + new string('0', 2 * type.Bytes()) + ")" : "0", difference.Expected);
        Assert.True(difference.Error > 0);
        Assert.Contains("2 elements differ", difference.ToString(), StringComparison.Ordinal);
    }

    /// <summary>Bits of 1, NaN, another NaN, infinity and -0 in every format; 0 stands for what a format does not have.</summary>
    [Theory]
    [InlineData(CaseElement.F8_E4M3, 0x38UL, 0x7FUL, 0xFFUL, 0UL, 0x80UL)]
    [InlineData(CaseElement.F8_E5M2, 0x3CUL, 0x7DUL, 0xFFUL, 0x7CUL, 0x80UL)]
    [InlineData(CaseElement.F16, 0x3C00UL, 0x7E00UL, 0xFC01UL, 0x7C00UL, 0x8000UL)]
    [InlineData(CaseElement.BF16, 0x3F80UL, 0x7FC0UL, 0xFF81UL, 0x7F80UL, 0x8000UL)]
    [InlineData(CaseElement.F32, 0x3F800000UL, 0x7FC00000UL, 0xFF800001UL, 0x7F800000UL, 0x80000000UL)]
    [InlineData(CaseElement.F64, 0x3FF0000000000000UL, 0x7FF8000000000000UL, 0xFFF0000000000001UL, 0x7FF0000000000000UL, 0x8000000000000000UL)]
    public void SpecialValuesOfEveryFormat(CaseElement type, ulong one, ulong nan, ulong otherNaN, ulong infinity, ulong minusZero)
    {
        Assert.Equal(1.0, type.Float(one));
        Assert.True(double.IsNaN(type.Float(nan)) && double.IsNaN(type.Float(otherNaN)));

        Assert.False(Obeys(s_exact, type, nan, otherNaN));
        Assert.True(Obeys(s_anyNaN, type, nan, otherNaN));
        Assert.False(Obeys(s_anyNaN, type, nan, one));
        Assert.False(Obeys(s_anyNaN, type, one, nan));
        Assert.True(Obeys(Close(0, 0), type, nan, otherNaN));
        Assert.False(Obeys(Close(1e30, 1e30), type, nan, one));
        Assert.False(Obeys(Close(1e30, 1e30), type, one, nan));

        Assert.False(Obeys(s_exact, type, 0, minusZero));
        Assert.False(Obeys(s_anyNaN, type, minusZero, 0));
        Assert.True(Obeys(Close(0, 0), type, 0, minusZero));
        Assert.True(Obeys(Close(0, 0), type, minusZero, 0));

        if (infinity != 0)
        {
            Assert.True(double.IsPositiveInfinity(type.Float(infinity)));
            Assert.False(Obeys(Close(1e30, 1e30), type, infinity, infinity | minusZero));
            Assert.False(Obeys(Close(1e30, 1e30), type, infinity, one));
            Assert.False(Obeys(Close(1e30, 1e30), type, one, infinity));
        }
    }

    [Fact]
    public void TheEdgeOfATolerance()
    {
        CaseTensor four = SmallCase.Tensor("out.y", CaseElement.F32, 4f, -4f);
        CaseRule rule = Close(0.25, 0.5);
        Assert.Null(CaseComparison.Compare(rule, four, Bytes(5.5f, -2.5f)));
        Assert.Equal(0, CaseComparison.Compare(rule, four, Bytes(MathF.BitIncrement(5.5f), -2.5f))!.Index);
        CaseDifference below = CaseComparison.Compare(rule, four, Bytes(2.5f, MathF.BitIncrement(-2.5f)))!;
        Assert.Equal((1L, 1L), (below.Index, below.Count));
        Assert.Equal(1.5, below.Error, 1e-6);
        Assert.StartsWith("-2.4999", below.Got, StringComparison.Ordinal);
        // The bound is a share of what is expected, not of what came.
        Assert.NotNull(CaseComparison.Compare(Close(0.5, 0), SmallCase.Tensor("out.y", CaseElement.F32, 2f), Bytes(3.5f)));
        Assert.Null(CaseComparison.Compare(Close(0.5, 0), SmallCase.Tensor("out.y", CaseElement.F32, 3.5f), Bytes(2f)));
    }

    [Fact]
    public void SubnormalDoublesAndHalvesAreExact()
    {
        Assert.Equal(Math.ScaleB(1, -24), CaseElement.F16.Float(1));
        Assert.Equal(Math.ScaleB(1, -133), CaseElement.BF16.Float(1));
        Assert.Equal(Math.ScaleB(1, -9), CaseElement.F8_E4M3.Float(1));
        Assert.Equal(Math.ScaleB(1, -16), CaseElement.F8_E5M2.Float(1));
        Assert.Equal(448, CaseElement.F8_E4M3.Float(0x7E));
        Assert.True(Obeys(Close(0, double.Epsilon), CaseElement.F64, 0, 1));
        Assert.False(Obeys(Close(0, 0), CaseElement.F64, 0, 1));
    }

    [Theory]
    [InlineData(CaseElement.U8, 0xFFUL, "255")]
    [InlineData(CaseElement.I8, 0xFFUL, "-1")]
    [InlineData(CaseElement.U16, 0xFFFFUL, "65535")]
    [InlineData(CaseElement.I16, 0xFFFFUL, "-1")]
    [InlineData(CaseElement.U32, 0xFFFFFFFFUL, "4294967295")]
    [InlineData(CaseElement.I32, 0x80000000UL, "-2147483648")]
    [InlineData(CaseElement.U64, ulong.MaxValue, "18446744073709551615")]
    [InlineData(CaseElement.I64, ulong.MaxValue, "-1")]
    public void IntegersOfEveryType(CaseElement type, ulong bits, string text)
    {
        Assert.Equal(text, type.Text(bits));
        ulong zero = 0;
        double distance = (double)Int128.Abs(type.Integer(bits));
        Assert.True(Obeys(Close(0, distance), type, zero, bits));
        Assert.False(Obeys(Close(0, distance / 2), type, zero, bits));
        Assert.True(Obeys(Close(1, 0), type, bits, zero));
        Assert.False(Obeys(s_exact, type, zero, bits));
    }

    [Fact]
    public void AnOutputOfAnotherSizeIsRefused() =>
        Assert.Throws<ArgumentException>(() => CaseComparison.Compare(s_exact, SmallCase.Tensor("out.y", CaseElement.F32, 1f), new byte[8]));

    private static CaseRule Close(double relative, double absolute) => new("out.y", Exact: false, Relative: relative, Absolute: absolute);

    private static ReadOnlySpan<byte> Bytes(params float[] values) => System.Runtime.InteropServices.MemoryMarshal.AsBytes(values.AsSpan());

    private static bool Obeys(CaseRule rule, CaseElement type, ulong expected, ulong got) =>
        CaseComparison.Compare(rule, new CaseTensor("out.y", type, [1], Bytes(type, expected)), Bytes(type, got)) is null;

    private static byte[] Bytes(CaseElement type, ulong bits) => BitConverter.GetBytes(bits)[..type.Bytes()];
}
