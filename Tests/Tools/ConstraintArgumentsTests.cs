namespace Llama4Kernels.Tests.Tools;

/// <summary>The options of generate and chat that say what an answer keeps to.</summary>
public class ConstraintArgumentsTests
{
    [Fact]
    public async Task AnswersKeepToWhatIsAskedFor()
    {
        using var folder = new ScratchFolder();
        string schema = folder.Write("schema.json", """{"type":"object","properties":{"experts":{"enum":[16,128]}},"required":["experts"],"additionalProperties":false}""");
        string grammar = folder.Write("grammar.lark", "start: \"Scout has \" /[0-9]{2}/ \" experts\" (\".\" | \"!\")");
        const string Question = "How many experts does Scout have?";
        // A whole number of an enum is written as the schema has it, or with .0 behind it, and in no other form.
        Assert.Matches("^\\{\"experts\":(16|128)(\\.0)?\\}\\s*$", (await CliRun.Of("chat", Question, "--schema", schema, "--temperature", "0")).Out);
        Assert.Equal("Scout has 16 experts.", (await CliRun.Of("chat", Question, "--grammar", grammar, "--temperature", "0")).Out.Trim());
        Assert.Matches("^[ab]{5}\\s*$", (await CliRun.Of("generate", "Hello", "--regex", "[ab]{5}", "--seed", "1")).Out);
        Assert.StartsWith("{", (await CliRun.Of("generate", "Hello", "--json", "--seed", "1", "--max-tokens", "5")).Out, StringComparison.Ordinal);
        string tools = folder.Write("tools.json", """[{"name":"get_weather","description":"Weather in a city","parameters":{"type":"object","properties":{"city":{"type":"string"}},"required":["city"]}}]""");
        Assert.Equal("[get_weather(city=\"Lima\")]", (await CliRun.Of("chat", "What is the weather in Lima?", "--tools", tools, "--tool-choice", "required", "--temperature", "0")).Out.Trim());
    }

    [Theory]
    [InlineData("generate")]
    [InlineData("chat")]
    public async Task BothCommandsTakeEachOfThem(string command)
    {
        using var folder = new ScratchFolder();
        string schema = folder.Write("schema.json", """{"type":"array","items":{"type":"boolean"},"minItems":2,"maxItems":3}""");
        string grammar = folder.Write("grammar.lark", "start: \"<\" WORD \">\"\nWORD: /[a-z]{2,4}/");
        Assert.Matches("^\\[(true|false)(,(true|false)){1,2}\\]\\s*$", await Answer("--schema", schema));
        Assert.Matches("^[ab]{5}\\s*$", await Answer("--regex", "[ab]{5}"));
        Assert.Matches("^<[a-z]{2,4}>\\s*$", await Answer("--grammar", grammar));
        Assert.StartsWith("{", await Answer("--json"), StringComparison.Ordinal);

        async Task<string> Answer(params string[] constraint)
        {
            CliRun run = await CliRun.Of([command, "Hello", .. constraint, "--seed", "3", "--temperature", "2", "--max-tokens", "40"]);
            Assert.Equal(0, run.ExitCode);
            return run.Out;
        }
    }

    /// <summary>What is wrong is one line that names the file, or the keyword and its place.</summary>
    [Theory]
    [InlineData("generate")]
    [InlineData("chat")]
    public async Task WhatCannotBeKeptIsOneLine(string command)
    {
        using var folder = new ScratchFolder();
        string missing = Path.Combine(Path.GetDirectoryName(folder.Write("here", string.Empty))!, "missing.json");
        await Fails("missing.json", "--schema", missing);
        await Fails("missing.json", "--grammar", missing);
        await Fails("not JSON", "--schema", folder.Write("bad.json", "{"));
        await Fails("#/properties/a: type: there is no type nothing", "--schema", folder.Write("type.json", """{"properties":{"a":{"type":"nothing"}}}"""));
        await Fails("#/items: unevaluatedItems", "--schema", folder.Write("refused.json", """{"items":{"unevaluatedItems":false}}"""));
        await Fails("no value meets it", "--schema", folder.Write("false.json", "false"));
        await Fails("group", "--regex", "(");
        await Fails("matches no text", "--regex", "(?!)");
        await Fails("line 1, column 8", "--grammar", folder.Write("bad.lark", "start: x"));
        await Fails("no rule start", "--grammar", folder.Write("empty.lark", string.Empty));
        await Fails("exclude each other", "--regex", "a", "--json");

        async Task Fails(string expected, params string[] constraint) => (await CliRun.Of([command, "a", .. constraint])).AssertFails(expected);
    }

    [Fact]
    public async Task ToolsThatCannotBeCalledAreOneLine()
    {
        using var folder = new ScratchFolder();
        (await CliRun.Of("chat", "a", "--tool-choice", "auto")).AssertFails("--tools");
        string tools = folder.Write("tools.json", """[{"name":"f"}]""");
        (await CliRun.Of("chat", "a", "--tools", tools, "--tool-choice", "g")).AssertFails("no tool g");
        string refused = folder.Write("refused.json", """[{"name":"f","parameters":{"type":"object","properties":{"x":{"items":{"type":"text"}}}}}]""");
        (await CliRun.Of("chat", "a", "--tools", refused, "--tool-choice", "required")).AssertFails("f#/properties/x/items: type");
    }
}
