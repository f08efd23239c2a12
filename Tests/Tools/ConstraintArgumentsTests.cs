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

    [Fact]
    public async Task WhatCannotBeKeptIsOneLine()
    {
        using var folder = new ScratchFolder();
        string schema = folder.Write("schema.json", """{"type":"nothing"}""");
        (await CliRun.Of("generate", "a", "--schema", schema)).AssertFails("type");
        (await CliRun.Of("generate", "a", "--regex", "(")).AssertFails("group");
        (await CliRun.Of("generate", "a", "--regex", "a", "--json")).AssertFails("exclude each other");
        (await CliRun.Of("generate", "a", "--schema", folder.Write("bad.json", "{"))).AssertFails("not JSON");
        (await CliRun.Of("generate", "a", "--grammar", folder.Write("bad.lark", "start: x"))).AssertFails("line 1, column 8");
        (await CliRun.Of("chat", "a", "--tool-choice", "auto")).AssertFails("--tools");
        string tools = folder.Write("tools.json", """[{"name":"f"}]""");
        (await CliRun.Of("chat", "a", "--tools", tools, "--tool-choice", "g")).AssertFails("no tool g");
    }
}
