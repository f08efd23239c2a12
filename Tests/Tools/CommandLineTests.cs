using System.Globalization;
using System.Text;
using Llama4Kernels.Cli;
using Llama4Kernels.Cli.Shared;

namespace Llama4Kernels.Tests.Tools;

/// <summary>What holds for every command: numbers, prompts, outputs, and failures in one line.</summary>
public sealed class CommandLineTests
{
    private static readonly string s_long = GoldenFiles.Path("tiny-long");

    [Theory]
    [InlineData("chat", "x", "--min-p", "0,1")]
    [InlineData("chat", "x", "--top-p", "nan")]
    [InlineData("chat", "x", "-n", "1,000")]
    [InlineData("chat", "x", "--seed", "-1")]
    [InlineData("bench", "-p", "1.5")]
    [InlineData("chat", "x", "--threads", "1e3")]
    [InlineData("preprocess", "x", "--tile", "3 36")]
    [InlineData("eval", "x", "--limit", "0x1")]
    public async Task NumbersThatAreNoneAreRefused(params string[] args)
    {
        CliRun run = await CliRun.Of(args);
        run.AssertFails($"'{args[^1]}' is not a");
        Assert.Contains(args[^2], run.Error, StringComparison.Ordinal);
    }

    [Fact]
    public async Task TheSystemsLanguageChangesNothing()
    {
        CultureInfo before = CultureInfo.CurrentCulture;
        CultureInfo german = (CultureInfo)CultureInfo.InvariantCulture.Clone();
        german.NumberFormat.NumberDecimalSeparator = ",";
        german.NumberFormat.NumberGroupSeparator = ".";
        try
        {
            CultureInfo.CurrentCulture = german;
            CliRun run = await CliRun.Of("generate", "Hello", "-t", "0.6", "--seed", "3", "-n", "6");
            CultureInfo.CurrentCulture = before;
            Assert.Equal((await CliRun.Of("generate", "Hello", "-t", "0.6", "--seed", "3", "-n", "6")).Out, run.Out);
        }
        finally
        {
            CultureInfo.CurrentCulture = before;
        }
    }

    [Fact]
    public async Task AFailedBatchLeavesTheOldFileAndNamesTheLine()
    {
        using var scratch = new ScratchFolder();
        string output = scratch.Write("out.jsonl", "old");
        string rows = scratch.Write("in.jsonl", """{"text": "a"}""", """{"text": 1}""");
        (await CliRun.Of("tokenize", GoldenFiles.SampleModel, "--batch", rows, "--out", output)).AssertFails("line 2");
        Assert.Equal("old", File.ReadAllText(output).TrimEnd());
        Assert.Equal(2, Directory.GetFiles(scratch.Path("")).Length);
        string questions = scratch.Write("q.jsonl", """{"messages": [{"role": "user", "content": "Hello!"}]}""", """{"messages": [{"role": "user", "content": "<image>"}], "files": ["none.png"]}""");
        (await CliRun.Of("eval", questions, "--out", output, "-n", "2")).AssertFails("line 2");
        Assert.Equal("old", File.ReadAllText(output).TrimEnd());
    }

    [Fact]
    public async Task OutputsReplaceFilesThroughLinksAndMakeWhatLinksLeadTo()
    {
        using var scratch = new ScratchFolder();
        File.CreateSymbolicLink(scratch.Path("link"), "made.jsonl");
        string rows = scratch.Write("in.jsonl", """{"text": "a"}""");
        Assert.Equal(0, (await CliRun.Of("tokenize", GoldenFiles.SampleModel, "--batch", rows, "--out", scratch.Path("link"))).ExitCode);
        Assert.Equal("made.jsonl", new FileInfo(scratch.Path("link")).LinkTarget);
        Assert.True(File.Exists(scratch.Path("made.jsonl")));
        (await CliRun.Of("logits", s_long, "--tokens", "1,2", "-o", scratch.Path(""))).AssertFails("is a folder");
    }

    [Fact]
    public async Task AnUnexpectedErrorIsOneLineWithThePlaceOfTheDetails()
    {
        using var error = new StringWriter();
        var console = new CommandConsole(TextReader.Null, new Broken(new InvalidTimeZoneException("odd")), error, new Interrupts());
        Assert.Equal(70, await CommandLine.RunAsync(["tokenize", "secret"], console));
        string line = Assert.Single(error.ToString().Split('\n', StringSplitOptions.RemoveEmptyEntries));
        Assert.StartsWith("llama4: unexpected error in tokenize: InvalidTimeZoneException: odd", line, StringComparison.Ordinal);
        string file = line[(line.LastIndexOf(' ') + 1)..].TrimEnd('.', '\r') + "";
        string details = File.ReadAllText(file);
        File.Delete(file);
        Assert.Contains("   at ", details, StringComparison.Ordinal);
        Assert.DoesNotContain("secret", details, StringComparison.Ordinal);
    }

    [Fact]
    public async Task AClosedOutputEndsQuietly()
    {
        using var error = new StringWriter();
        var console = new CommandConsole(TextReader.Null, new Broken(new OutputClosedException()), error, new Interrupts());
        Assert.Equal(0, await CommandLine.RunAsync(["generate", "hello", "-n", "100000"], console));
        Assert.Empty(error.ToString());
    }

    private sealed class Broken(Exception fault) : TextWriter
    {
        public override Encoding Encoding => Encoding.UTF8;

        public override void Write(char value) => throw fault;

        public override void Write(string? value) => throw fault;

        public override void WriteLine(string? value) => throw fault;
    }
}
