using System.Text.Json.Nodes;
using Llama4Kernels.Engine.Checkpoints.SafeTensors;

namespace Llama4Kernels.Tests.Tools;

/// <summary>The commands that load a model, on the sample model and the smallest goldens.</summary>
public sealed class ModelCommandTests
{
    private static readonly string s_scout = GoldenFiles.Path("tiny-scout");
    private static readonly string s_nano = GoldenFiles.SampleModel;

    [Fact]
    public async Task ChatAnswersAKnownQuestion()
    {
        CliRun run = await CliRun.Of("chat", "How many experts does Scout have?", "--temperature", "0");
        Assert.Equal((0, "Scout has 16 experts."), (run.ExitCode, run.Out.TrimEnd()));
        Assert.Contains("generated", run.Error, StringComparison.Ordinal);
    }

    [Fact]
    public async Task AConversationGoesOnOverLinesAndStartsAgain()
    {
        CliRun run = await CliRun.WithInput("Hello!\n\nHow many experts does Scout have?\n/reset\n/what\nHello!\n/exit\nHello!\n", "chat", "--temperature", "0");
        Assert.Equal(0, run.ExitCode);
        string[] lines = run.Out.TrimEnd().Split('\n');
        Assert.Equal(3, lines.Length);
        Assert.Equal("Hello! How can I help?", lines[0]);
        Assert.Equal(lines[0], lines[2]);
        Assert.Contains("/what is unknown", run.Error, StringComparison.Ordinal);
        // The second turn computes only what is new.
        Assert.DoesNotContain("(0 reused)", run.Error.Split('\n')[1], StringComparison.Ordinal);
    }

    [Fact]
    public async Task ToolsAreOfferedAndCalled()
    {
        using var scratch = new ScratchFolder();
        const string Schema = """{"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]}""";
        string tools = scratch.Write("tools.json", "[{\"name\": \"get_time\", \"description\": \"Local time in a city\", \"parameters\": " + Schema + "}, {\"type\": \"function\", \"function\": {\"name\": \"get_weather\", \"description\": \"Weather in a city\", \"parameters\": " + Schema + "}}]");
        CliRun run = await CliRun.Of("chat", "What is the weather in Lima?", "--tools", tools, "--temperature", "0");
        Assert.Equal("[get_weather(city=\"Lima\")]", run.Out.TrimEnd());
    }

    [Fact]
    public async Task PicturesAreDescribedAndExplained()
    {
        using var scratch = new ScratchFolder();
        string picture = GoldenFiles.Path("nano", "eval", "p000.png");
        CliRun run = await CliRun.Of("describe", picture, "--explain", scratch.Path("tiles.png"));
        string[] lines = run.Out.TrimEnd().Split('\n');
        Assert.Equal((0, 2), (run.ExitCode, lines.Length));
        Assert.Equal("p000.png: 1x1 tiles of 112 pixels (columns x rows), 19 tokens", lines[0]);
        Assert.Equal("a black star, a purple circle and a green square", lines[1]);
        Assert.True(new FileInfo(scratch.Path("tiles.png")).Length > 100);
        CliRun chat = await CliRun.Of("chat", "What is in the picture?", "--image", picture, "--temperature", "0");
        Assert.Equal(lines[1], chat.Out.TrimEnd());
    }

    [Fact]
    public async Task GenerateContinuesTextByTheSeed()
    {
        string[] args = ["generate", "Hello", "--max-tokens", "8", "--seed", "7"];
        CliRun first = await CliRun.Of(args);
        Assert.Equal(0, first.ExitCode);
        Assert.Equal(first.Out, (await CliRun.Of(args)).Out);
    }

    [Fact]
    public async Task VerifyPassesOnTheReferenceAndFailsBeyondTheTolerance()
    {
        string golden = Path.Combine(s_scout, "golden", "text-40.safetensors");
        CliRun run = await CliRun.Of("verify", s_scout, "--golden", golden, "--json");
        JsonNode report = JsonNode.Parse(run.Out)!;
        Assert.Equal(0, run.ExitCode);
        Assert.True(report["passed"]!.GetValue<bool>());
        Assert.Equal("Float32", report["activations"]!.GetValue<string>());
        Assert.Equal(40, report["files"]![0]!["sameTop1"]!.GetValue<int>());
        Assert.Equal(200, report["files"]![0]!["routerChoices"]!.GetValue<int>());
        CliRun strict = await CliRun.Of("verify", s_scout, "--golden", golden, "--tolerance", "1e-12");
        Assert.Equal(1, strict.ExitCode);
        Assert.Contains("DIFFERS", strict.Out, StringComparison.Ordinal);
    }

    [Fact]
    public async Task VerifyOnTheEmulatorTellsWhatTheOrderOfSummationExplains()
    {
        CliRun run = await CliRun.Of("verify", s_scout, "--golden", Path.Combine(s_scout, "golden", "text-5.safetensors"), "--no-vision", "--backend", "emulator", "--json");
        Assert.Equal(0, run.ExitCode);
        JsonNode file = JsonNode.Parse(run.Out)!["files"]![0]!;
        Assert.InRange(file["orderOfSummation"]!.GetValue<double>(), 1e-9, 1e-5);
        Assert.True(file["greedy"]!.GetValue<int>() >= 16 && file["greedyDifference"] is null);
    }

    /// <summary>int4 experts on the emulated device's tensor cores: rounding flips a router's choice in one row, as it does in the official implementation.</summary>
    [Fact]
    public async Task VerifyOfInt4WeightsWithRoundedActivations()
    {
        string[] args = ["verify", s_scout, "--golden", Path.Combine(s_scout, "golden", "int4.safetensors"), "--weights", "int4", "--activations", "bf16", "--no-vision", "--backend", "emulator", "--json"];
        CliRun run = await CliRun.Of(args);
        Assert.Equal(0, run.ExitCode);
        JsonNode report = JsonNode.Parse(run.Out)!;
        JsonNode file = report["files"]![0]!;
        Assert.InRange(file["medianKl"]!.GetValue<double>(), 1e-9, 7.7e-5);
        Assert.InRange(file["rowsAbove001"]!.GetValue<int>(), 0, 1);
        Assert.InRange(file["maxKl"]!.GetValue<double>(), file["meanKl"]!.GetValue<double>(), 1);
        Assert.Equal(file["rows"]!.GetValue<int>(), report["all"]!["rows"]!.GetValue<int>());
        Assert.Equal(7.7e-5, report["bound"]!["medianKl"]!.GetValue<double>());
        CliRun kernels = await CliRun.Of("kernels", "--json");
        Assert.All(["matvec1_int4", "matvec16_int4", "expert_matvec8_int4", "round_operand_int4"], name =>
            Assert.Equal("PTX, part of the library", JsonNode.Parse(kernels.Out)!.AsArray().Single(kernel => kernel!["kernel"]!.GetValue<string>() == name)!["source"]!.GetValue<string>()));
    }

    [Fact]
    public async Task VerifyNamesWhatItSkipsAndRefusesForeignFiles()
    {
        (await CliRun.Of("verify", s_scout, "--golden", Path.Combine(s_scout, "golden", "int4.safetensors"))).AssertFails("give --weights int4");
        using var scratch = new ScratchFolder();
        foreach (string name in (string[])["int4.safetensors", "text-5.safetensors"])
        {
            File.Copy(Path.Combine(s_scout, "golden", name), scratch.Path(name));
        }
        CliRun skipped = await CliRun.Of("verify", s_scout, "--golden", scratch.Path(""), "--weights", "int4");
        Assert.Equal(0, skipped.ExitCode);
        Assert.Contains("skipped text-5.safetensors: the reference has its weights as stored", skipped.Out, StringComparison.Ordinal);
        (await CliRun.Of("verify", s_scout, "--golden", Path.Combine(s_scout, "model.safetensors"))).AssertFails("input_ids");
        (await CliRun.Of("verify", s_scout)).AssertFails("--golden");
    }

    [Fact]
    public async Task LogitsAreThoseOfTheReferenceInAnyPrefillSteps()
    {
        using var scratch = new ScratchFolder();
        string golden = Path.Combine(s_scout, "golden", "text-40.safetensors");
        CliRun run = await CliRun.Of("logits", s_scout, "--input", golden, "--greedy", "4", "--prefill-chunk", "7", "--out", scratch.Path("out.safetensors"));
        Assert.Equal(0, run.ExitCode);
        using SafeTensorsFile written = SafeTensorsFile.Open(scratch.Path("out.safetensors"));
        using SafeTensorsFile reference = SafeTensorsFile.Open(golden);
        Assert.True(Llama4Kernels.Engine.Diagnostics.ReferenceMetrics.Relative(written.ReadFloats("logits"), reference.ReadFloats("logits")) <= 1e-5);
        Assert.Equal(reference.ReadInt64("greedy").Take(4), written.ReadInt64("greedy"));
    }

    [Fact]
    public async Task LogitsRefusesWrongInput()
    {
        using var scratch = new ScratchFolder();
        string[] start = ["logits", s_scout, "--out", scratch.Path("out.safetensors")];
        (await CliRun.Of(start)).AssertFails("--input or --tokens");
        (await CliRun.Of([.. start, "--tokens", "1,x"])).AssertFails("'x' is not a token id");
        (await CliRun.Of([.. start, "--tokens", "1,99999"])).AssertFails("vocabulary");
        Assert.False(File.Exists(scratch.Path("out.safetensors")));
    }

    [Fact]
    public async Task EvalJudgesByTruthAndReference()
    {
        using var scratch = new ScratchFolder();
        const string Question = "{\"kind\": \"fact\", \"lang\": \"en\", \"messages\": [{\"role\": \"user\", \"content\": \"How many experts does Scout have?\"}], ";
        string right = scratch.Write("right.jsonl", Question + "\"expected\": \"Scout has 16 experts.\", \"reference\": \"Scout has 16 experts.\", \"min_margin\": 15}");
        string tie = scratch.Write("tie.jsonl", Question + "\"expected\": \"17\", \"reference\": \"17\", \"min_margin\": 0.001}");
        string wrong = scratch.Write("wrong.jsonl", Question + "\"expected\": \"17\", \"reference\": \"17\", \"min_margin\": 15}");
        CliRun run = await CliRun.Of("eval", right, "--out", scratch.Path("answers.jsonl"));
        Assert.Equal(0, run.ExitCode);
        Assert.Contains("1 questions, 1 right, 0 different", run.Out, StringComparison.Ordinal);
        JsonNode answer = JsonNode.Parse(File.ReadAllText(scratch.Path("answers.jsonl")))!;
        Assert.Equal("Scout has 16 experts.", answer["answer"]!.GetValue<string>());
        Assert.Equal("fact", answer["kind"]!.GetValue<string>());
        Assert.Equal(0, (await CliRun.Of("eval", tie)).ExitCode);
        Assert.Equal(1, (await CliRun.Of("eval", wrong)).ExitCode);
        (await CliRun.Of("eval", scratch.Write("bad.jsonl", "{\"messages\": [{\"role\": \"user\", \"content\": \"<image>\"}]}"))).AssertFails("line 1");
    }

    [Fact]
    public async Task EvalMeasuresTextsBesideQuestions()
    {
        using var scratch = new ScratchFolder();
        string text = scratch.Write("text.txt", "Scout has 16 experts.");
        CliRun run = await CliRun.Of("eval", "--perplexity", text, "--weights", "int4", "--against", s_nano, "--json");
        Assert.Equal(0, run.ExitCode);
        JsonNode measured = JsonNode.Parse(run.Out)!["text"]!;
        Assert.Null(JsonNode.Parse(run.Out)!["questions"]);
        Assert.Equal(Math.Exp(measured["meanNll"]!.GetValue<double>()), measured["perplexity"]!.GetValue<double>(), 1e-9);
        Assert.Equal(measured["tokens"]!.GetValue<int>(), measured["divergence"]!["rows"]!.GetValue<int>());
        Assert.True(measured["against"]!["perplexity"]!.GetValue<double>() > 1);
        string questions = scratch.Write("one.jsonl", "{\"messages\": [{\"role\": \"user\", \"content\": \"Hello\"}]}");
        Assert.Matches("1 questions, 0 right, 0 different[^·]*perplexity [0-9.]+ ± [0-9.]+ over [0-9]+ tokens", (await CliRun.Of("eval", questions, "-n", "2", "--perplexity", text, "--window", "3")).Out);
        (await CliRun.Of("eval")).AssertFails("--perplexity");
        (await CliRun.Of("eval", questions, "--against", s_nano)).AssertFails("--against needs --perplexity");
        (await CliRun.Of("eval", "--perplexity", text, "--window", "0")).AssertFails("--window");
        (await CliRun.Of("eval", "--perplexity", text, "--window", "99999999")).AssertFails("context");
        (await CliRun.Of("eval", "--perplexity", scratch.Write("empty.txt"))).AssertFails("empty.txt: has no text");
        (await CliRun.Of("eval", "--perplexity", Path.Combine(s_nano, "model.safetensors"))).AssertFails("not UTF-8");
        (await CliRun.Of("eval", "--perplexity", text, "--against", scratch.Path("nowhere"))).AssertFails("nowhere");
    }

    [Fact]
    public async Task BenchPrintsSpeeds()
    {
        CliRun run = await CliRun.Of("bench", "--prompt-tokens", "16", "--new-tokens", "4", "--repeat", "1", "--json");
        JsonNode report = JsonNode.Parse(run.Out)!;
        Assert.True(report["prefillTokensPerSecond"]!.GetValue<double>() > 0);
        Assert.True(report["decodeTokensPerSecond"]!.GetValue<double>() > 0);
        Assert.Equal("Int8", report["activations"]!.GetValue<string>());
        (await CliRun.Of("bench", "--new-tokens", "0")).AssertFails("--new-tokens");
    }

    [Theory]
    [InlineData("--shape", "--layers", "2")]
    [InlineData("--model", "--shape", "scout", "--model", "nano")]
    [InlineData("--experts 1 to 16", "--shape", "scout", "--experts", "17")]
    [InlineData("--layers 1 to 48", "--shape", "maverick", "--layers", "0")]
    [InlineData("behemoth", "--shape", "behemoth")]
    [InlineData("--weights int4, int8 or fp8", "--include", "all")]
    [InlineData("or all, not 'router'", "--weights", "int4", "--include", "router")]
    public async Task BenchRefusesShapesThatAreNone(string expected, params string[] arguments) =>
        (await CliRun.Of(["bench", .. arguments])).AssertFails(expected);

    [Fact]
    public async Task BenchMeasuresRequestsThatRunTogether()
    {
        string[] arguments = ["bench", "--prompt-tokens", "24", "--new-tokens", "4", "--requests", "6", "--concurrency", "1,3", "--json"];
        foreach (int prefix in (int[])[0, 16])
        {
            CliRun run = await CliRun.Of([.. arguments, "--shared-prefix", $"{prefix}"]);
            JsonArray levels = JsonNode.Parse(run.Out)!["levels"]!.AsArray();
            Assert.Equal([1, 3], levels.Select(level => level!["concurrency"]!.GetValue<int>()));
            Assert.All(levels, level =>
            {
                Assert.True(level!["tokensPerSecond"]!.GetValue<double>() > 0);
                Assert.InRange(level["betweenTokensMs"]!["p99"]!.GetValue<double>(), level["betweenTokensMs"]!["median"]!.GetValue<double>(), double.MaxValue);
                // At least one of each kind.
                Assert.InRange(level["peakBlocks"]!.GetValue<int>(), 2, 64);
                Assert.InRange(level["peakCacheBytes"]!.GetValue<long>(), 1, long.MaxValue);
                Assert.Equal(prefix / 24.0, level["reusedShare"]!.GetValue<double>(), 0.001);
            });
        }
        (await CliRun.Of("bench", "--concurrency", "1,x")).AssertFails("--concurrency");
        (await CliRun.Of("bench", "--concurrency", "1", "--shared-prefix", "256")).AssertFails("--shared-prefix");
    }

    [Fact]
    public async Task WrongOptionsAndModelsFailInOneLine()
    {
        (await CliRun.Of("chat", "Hello!", "--model", "nowhere")).AssertFails("nowhere");
        (await CliRun.Of("chat", "Hello!", "--top-p", "2")).AssertFails("TopP");
        (await CliRun.Of("chat", "Hello!", "--image", GoldenFiles.Path("images", "bad", "text.png"))).AssertFails("text.png");
        (await CliRun.Of("chat", "Hello!", "--activations", "int3")).AssertFails("int3");
    }

    [Fact]
    public async Task CancellingEndsWithTheShellCode()
    {
        using var cancelled = new CancellationTokenSource();
        await cancelled.CancelAsync();
        using var error = new StringWriter();
        var console = new Llama4Kernels.Cli.Shared.CommandConsole(TextReader.Null, TextWriter.Null, error, new Llama4Kernels.Cli.Shared.Interrupts());
        Assert.Equal(130, await Llama4Kernels.Cli.CommandLine.RunAsync(["chat", "Hello!"], console, cancelled.Token));
        Assert.Equal("llama4: interrupted.", error.ToString().TrimEnd());
    }
}
