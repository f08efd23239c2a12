using Llama4Kernels.Cli;
using Llama4Kernels.Cli.Shared;

namespace Llama4Kernels.Tests.Tools;

/// <summary><c>--cache-bytes</c> and <c>--cache-format</c> reach the cache, and what cannot be is said in a line.</summary>
public sealed class CacheArgumentsTests
{
    [Theory]
    [InlineData("generate", "Hello", "-n", "4")]
    [InlineData("chat", "hi", "-n", "4", "--no-vision")]
    [InlineData("bench", "--prompt-tokens", "4", "--new-tokens", "2", "--repeat", "1")]
    public async Task ABudgetAndAFormatAreTakenAndToldToWhoWatches(params string[] arguments)
    {
        using var output = new StringWriter();
        using var error = new StringWriter();
        var console = new CommandConsole(new StringReader(string.Empty), output, error, new Interrupts()) { ErrorIsTerminal = true };
        int code = await CommandLine.RunAsync([.. arguments, "--cache-bytes", "1.5MiB", "--cache-format", "bf16"], console, TestContext.Current.CancellationToken);
        Assert.Equal(0, code);
        Assert.Contains("cache of up to 1.5 MiB, context of ", error.ToString(), StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("--cache-bytes: '2GB' is not an amount of memory", "--cache-bytes", "2GB")]
    [InlineData("--cache-bytes: '0' is not an amount of memory", "--cache-bytes", "0")]
    [InlineData("--cache-bytes: '-1MiB' is not an amount of memory", "--cache-bytes=-1MiB")]
    [InlineData("int8", "--cache-format", "int8")]
    [InlineData("are needed", "--cache-bytes", "1KiB")]
    [InlineData("raise the cache's budget", "--cache-bytes", "400KiB", "--cache-format", "float32")]
    public async Task WhatCannotBeIsOneLine(string expected, params string[] options) =>
        (await CliRun.Of(["generate", string.Concat(Enumerable.Repeat("Hello and ", 200)), .. options])).AssertFails(expected);
}
