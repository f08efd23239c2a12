using System.Globalization;
using System.Text.Json.Nodes;
using CsCheck;
using Llama4Kernels.Engine.Chat;

namespace Llama4Kernels.Tests.Engine.Chat;

public sealed class PythonJsonTests
{
    [Theory]
    [InlineData(0.0, "0.0")]
    [InlineData(-0.0, "-0.0")]
    [InlineData(1.0, "1.0")]
    [InlineData(-2.5, "-2.5")]
    [InlineData(100.0, "100.0")]
    [InlineData(0.1, "0.1")]
    [InlineData(0.0001, "0.0001")]
    [InlineData(0.00012345, "0.00012345")]
    [InlineData(0.00001, "1e-05")]
    [InlineData(1.5e-7, "1.5e-07")]
    [InlineData(123456.789, "123456.789")]
    [InlineData(1e15, "1000000000000000.0")]
    [InlineData(9999999999999998.0, "9999999999999998.0")]
    [InlineData(1e16, "1e+16")]
    [InlineData(1.25e22, "1.25e+22")]
    [InlineData(1e100, "1e+100")]
    [InlineData(5e-324, "5e-324")]
    [InlineData(double.MaxValue, "1.7976931348623157e+308")]
    [InlineData(double.PositiveInfinity, "inf")]
    [InlineData(double.NegativeInfinity, "-inf")]
    [InlineData(double.NaN, "nan")]
    public void FloatsAsPythonWritesThem(double value, string text) => Assert.Equal(text, PythonJson.Repr(value));

    [Fact]
    public void FloatsReadBackTheSame() => Gen.Double.Where(double.IsFinite).Sample(value =>
        BitConverter.DoubleToInt64Bits(double.Parse(PythonJson.Repr(value), CultureInfo.InvariantCulture))
            == BitConverter.DoubleToInt64Bits(value));

    [Theory]
    [InlineData("{}", "{}")]
    [InlineData("[]", "[]")]
    [InlineData("{\"a\":[1,2,{}],\"b\":{\"c\":null}}", "{\"a\": [1, 2, {}], \"b\": {\"c\": null}}")]
    [InlineData("[true,false,-0,1e2,12345678901234567890123]", "[true, false, 0, 100.0, 12345678901234567890123]")]
    [InlineData("\"\\u007f/ \\u0001\\b\\f\\r\\n\\t\\\\\\\" \\ud83d\\ude42\"", "\"\\u007f/ \\u0001\\b\\f\\r\\n\\t\\\\\\\" \\ud83d\\ude42\"")]
    public void ValuesAsPythonWritesThem(string json, string text) =>
        Assert.Equal(text, PythonJson.Dumps(JsonNode.Parse(json)));

    [Fact]
    public void NumbersMadeInCode() =>
        Assert.Equal(
            "[1, 2.0, 3.5, 4.0, 5.25, Infinity, null]",
            PythonJson.Dumps(new JsonArray(1, 2.0, 3.5f, 4m, 5.25m, double.PositiveInfinity, null)));
}
