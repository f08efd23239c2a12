using System.Text.Json;

namespace Llama4Kernels.Tests.Engine.Constraints;

/// <summary>Only what the validator cannot hold is kept from it.</summary>
public class OracleLimitsTests
{
    [Theory]
    [InlineData("0", true)]
    [InlineData("-0.000e999999999999", true)]
    [InlineData("79228162514264337593543950335", true)]
    [InlineData("79228162514264337593543950336", false)]
    [InlineData("-7.9228162514264337593543950335e28", true)]
    [InlineData("7922816251426433759354395033500e-2", true)]
    [InlineData("1e28", true)]
    [InlineData("1e29", false)]
    [InlineData("1e-28", true)]
    [InlineData("1.0e-28", true)]
    [InlineData("1e-29", false)]
    [InlineData("12e-29", false)]
    [InlineData("10e-29", true)]
    [InlineData("1e99999999999", false)]
    [InlineData("1e-99999999999", false)]
    [InlineData("0.00000000000000000000000000001", false)]
    [InlineData("1.50000000000000000000000000000000000", true)]
    [InlineData("-109101284000128128.201288109", false)]
    [InlineData("-109101284000128128.0", true)]
    [InlineData("0.99999999999999999999", false)]
    [InlineData("1234567890.5", true)]
    public void ANumberIsSeenAsItIs(string number, bool holds)
    {
        Assert.Equal(holds, OracleLimits.IsSeen(number));
        Assert.Equal(holds, OracleLimits.CanJudge($$"""{"a":["x",{{number}}]}"""));
        if (holds)
        {
            Assert.True(JsonElement.Parse(number).TryGetDecimal(out _));
        }
    }
}
