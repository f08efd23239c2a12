using System.Text.Json;

namespace Llama4Kernels.Tests.Tools;

/// <summary><c>llama4 predict</c>.</summary>
public class PredictCommandTests
{
    [Fact]
    public async Task ItsJsonHasTheFiguresAndTheOperations()
    {
        CliRun run = await CliRun.Of("predict", "--shape", "scout", "--weights", "int4", "--include", "experts,shared,attention", "--rows", "1", "--context", "256", "--json");
        Assert.Equal(0, run.ExitCode);
        Assert.Contains("decode, 1 row: 435 launches", run.Error, StringComparison.Ordinal);
        JsonElement report = JsonDocument.Parse(run.Out).RootElement;
        Assert.Equal(["experts", "shared", "attention"], report.GetProperty("include").EnumerateArray().Select(part => part.GetString()));
        Assert.True(report.GetProperty("fits").GetBoolean());
        JsonElement decode = Assert.Single(report.GetProperty("decode").EnumerateArray());
        Assert.Equal(1, decode.GetProperty("rows").GetInt32());
        Assert.Equal(report.GetProperty("launchesPerToken").GetInt32(), decode.GetProperty("launches").GetInt32());
        Assert.Empty(report.GetProperty("prefill").EnumerateArray());
        double tokens = decode.GetProperty("tokensPerSecond").GetDouble(), floor = decode.GetProperty("floorTokensPerSecond").GetDouble();
        Assert.InRange(tokens, 1, floor);
        // All linears but head and router in int4: the note's 340 tokens/s, with scales in float32 and little context.
        Assert.InRange(floor, 310, 340);
        JsonElement[] operations = [.. decode.GetProperty("operations").EnumerateArray()];
        Assert.Equal(decode.GetProperty("milliseconds").GetDouble(), operations.Sum(one => one.GetProperty("microseconds").GetDouble()) / 1e3, 1e-6);
        Assert.Equal(1000 / decode.GetProperty("milliseconds").GetDouble(), tokens, 1e-6);
        int launches = operations.Sum(one => one.GetProperty("count").GetInt32() * one.GetProperty("launches").GetArrayLength());
        Assert.Equal(decode.GetProperty("launches").GetInt32(), launches);
        // Nine a layer; embedding, rotations and head.
        Assert.InRange(launches, 0, (9 * 48) + 4);
        JsonElement qkv = operations.Single(one => one.GetProperty("name").GetString() == "norm, qkv, int4 7168 x 5120");
        Assert.Equal(48, qkv.GetProperty("count").GetInt32());
        JsonElement product = qkv.GetProperty("launches")[1];
        Assert.Equal("matvec1_int4", product.GetProperty("kernel").GetString());
        JsonElement terms = product.GetProperty("terms");
        string bound = product.GetProperty("bound").GetString()!;
        double sum = terms.GetProperty(bound).GetDouble() + terms.GetProperty("ramp").GetDouble() + terms.GetProperty("tail").GetDouble() + terms.GetProperty("launch gap").GetDouble();
        Assert.Equal(product.GetProperty("microseconds").GetDouble(), sum, 1e-6);
    }

    [Theory]
    [InlineData("--shape", "--device", "h100")]
    [InlineData("Must be one of", "--shape", "nano")]
    [InlineData("'rtx4090'", "--shape", "scout", "--device", "rtx1")]
    [InlineData("--rows takes numbers from 1 to 512", "--shape", "scout", "--rows", "0")]
    [InlineData("--rows takes numbers from 1 to 512", "--shape", "scout", "--rows", "1,,2")]
    [InlineData("--prefill takes numbers from 1 to 1048575", "--shape", "maverick", "--prefill", "1048576")]
    [InlineData("--context must be 1 to 1048576", "--shape", "maverick", "--context", "0")]
    [InlineData("--context must be 1 to 10485760", "--shape", "scout", "--context", "10485761")]
    [InlineData("--include takes experts, shared, attention", "--shape", "scout", "--include", "experts,router")]
    [InlineData("--weights int4, int8 or fp8", "--shape", "scout", "--weights", "bf16", "--include", "experts")]
    [InlineData("There is no product 'fast'", "--shape", "scout", "--kernel", "fast")]
    public async Task WrongCallsSayWhatIsWrong(string expected, params string[] arguments) => (await CliRun.Of(["predict", .. arguments])).AssertFails(expected);

    [Fact]
    public async Task WhatDoesNotFitTheDeviceIsSaid()
    {
        CliRun run = await CliRun.Of("predict", "--shape", "scout", "--context", "1", "--device", "rtx4090");
        Assert.Equal(0, run.ExitCode);
        Assert.Contains("not even the fewest rows fit", run.Error, StringComparison.Ordinal);
        Assert.Contains("rtx4090 has 25.8 GB", run.Error, StringComparison.Ordinal);
        Assert.Contains("expert_gate_up1_int4", run.Out, StringComparison.Ordinal);
        Assert.Contains("Predicted, not measured", run.Out, StringComparison.Ordinal);
    }
}
