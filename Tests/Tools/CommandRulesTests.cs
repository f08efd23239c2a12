using System.CommandLine;
using Llama4Kernels.Cli;
using Llama4Kernels.Cli.Shared;

namespace Llama4Kernels.Tests.Tools;

/// <summary>What holds for every command that has an option of a kind; a new command cannot be forgotten, for the commands are walked.</summary>
public sealed class CommandRulesTests : IDisposable
{
    private static readonly Dictionary<string, string[]> s_writers = new()
    {
        ["tokenize"] = ["tokenize", GoldenFiles.SampleModel, "--batch", "{texts}", "--out", "{out}"],
        ["parse-answer"] = ["parse-answer", "--batch", "{texts}", "--out", "{out}"],
        ["preprocess"] = ["preprocess", "--batch", "{pictures}", "--folder", GoldenFiles.Path("pictures"), "--out", "{out}"],
        ["logits"] = ["logits", GoldenFiles.SampleModel, "--tokens", "1,2", "-o", "{out}"],
        ["eval"] = ["eval", "{questions}", "-m", GoldenFiles.SampleModel, "-n", "2", "-o", "{out}"],
        ["schemas"] = ["schemas", "{schemas}", "--tokenizer", GoldenFiles.SampleModel, "--out", "{out}"],
    };

    // The first line of each kind of batch file is right.
    private static readonly Dictionary<string, string> s_rows = new()
    {
        ["{texts}"] = """{"text": "a"}""",
        ["{pictures}"] = """{"file": "small.png"}""",
        ["{questions}"] = """{"messages": [{"role": "user", "content": "hi"}]}""",
        ["{schemas}"] = """{"schema": {"type": "integer"}, "tests": [{"data": 5, "valid": true}]}""",
    };

    private readonly ScratchFolder _scratch = new();

    public static TheoryData<string> Writers { get; } = [.. s_writers.Keys];

    public static bool HasDevices => File.Exists("/dev/full");

    public void Dispose() => _scratch.Dispose();

    [Fact]
    public async Task NegativeThreadsAreRefusedBeforeAnythingRuns()
    {
        string[] commands = [.. With("--threads")];
        Assert.Superset(new HashSet<string>(["bench", "chat", "describe", "doctor", "eval", "generate", "logits", "schemas", "serve", "verify"]), new HashSet<string>(commands));
        foreach (string command in commands)
        {
            CliRun run = await CliRun.Of(command, "--threads", "-1");
            run.AssertFails("--threads must be 0 or more");
            Assert.Empty(run.Out);
        }
    }

    [Fact]
    public async Task MoreThreadsThanProcessorsAreCappedWithAWord()
    {
        foreach (string[] arguments in (string[][])[["schemas", "{schemas}", "--tokenizer", GoldenFiles.SampleModel], ["generate", "hi", "-n", "1", "-m", GoldenFiles.SampleModel], ["logits", GoldenFiles.SampleModel, "--tokens", "1", "-o", "{out}"]])
        {
            CliRun run = await Run([.. arguments, "--threads", "100000"], _scratch.Path("out"), "");
            Assert.Equal(0, run.ExitCode);
            Assert.Contains("--threads 100000 is more than", run.Error, StringComparison.Ordinal);
        }
    }

    /// <summary>Those that write a folder are none of these.</summary>
    [Fact]
    public void EveryCommandThatWritesAFileIsTried() =>
        Assert.Equal(new HashSet<string>(s_writers.Keys), With("--out").Except(["convert", "quantize", "ptx dump", "ptx run"]).ToHashSet());

    [Theory]
    [MemberData(nameof(Writers))]
    public async Task OutputsGoThroughLinksAndReplaceWholeFiles(string command)
    {
        File.CreateSymbolicLink(_scratch.Path("link"), "made");
        for (int turn = 0; turn < 2; turn++)
        {
            CliRun run = await Run(s_writers[command], _scratch.Path("link"), "");
            Assert.True(run.ExitCode == 0, run.Error);
            Assert.Equal("made", new FileInfo(_scratch.Path("link")).LinkTarget);
            Assert.True(new FileInfo(_scratch.Path("made")).Length > 0);
            Assert.Empty(Directory.GetFiles(_scratch.Path(""), "*.partial"));
        }
    }

    [Theory(SkipUnless = nameof(HasDevices), Skip = "needs Unix devices")]
    [MemberData(nameof(Writers))]
    public async Task OutputsGoIntoDevices(string command)
    {
        Assert.Equal(0, (await Run(s_writers[command], "/dev/null", "")).ExitCode);
        (await Run(s_writers[command], "/dev/full", "")).AssertFails("/dev/full");
        Assert.True(File.Exists("/dev/null") && new FileInfo("/dev/null").LinkTarget is null);
    }

    /// <summary>A failure in the middle of a batch names the line and leaves the file that was there.</summary>
    [Theory]
    [MemberData(nameof(Writers))]
    public async Task AFailureInTheMiddleNamesTheLine(string command)
    {
        if (command == "logits")
        {
            // It has no rows.
            return;
        }
        string output = _scratch.Write("out", "old");
        (await Run(s_writers[command], output, "{\"text\": 5, \"file\": 5, \"messages\": 5, \"schema\": 5, \"tests\": 5}\n")).AssertFails("line 2");
        Assert.Equal("old", File.ReadAllText(output).TrimEnd());
        (await Run(s_writers[command], output, "not json\n")).AssertFails("line 2");
        Assert.Equal("old", File.ReadAllText(output).TrimEnd());
    }

    private Task<CliRun> Run(string[] arguments, string output, string secondLine) => CliRun.Of([.. arguments.Select(argument =>
        argument == "{out}" ? output : s_rows.TryGetValue(argument, out string? row) ? _scratch.Write($"rows-{secondLine.Length}.jsonl", $"{row}\n{secondLine}") : argument)]);

    private static IEnumerable<string> With(string option)
    {
        var console = new CommandConsole(TextReader.Null, TextWriter.Null, TextWriter.Null, new Interrupts());
        return Walk(CommandLine.Build(console), "");

        IEnumerable<string> Walk(Command command, string path)
        {
            if (command.Options.Any(own => own.Name == option))
            {
                yield return path.TrimStart();
            }
            foreach (string inner in command.Subcommands.SelectMany(inner => Walk(inner, $"{path} {inner.Name}")))
            {
                yield return inner;
            }
        }
    }
}
