using System.Text.Json.Nodes;

namespace Llama4Kernels.Tests.Tools;

public sealed class ParseAnswerCommandTests
{
    private static readonly string s_tools = GoldenFiles.Path("cases", "tool-calls", "tools.json");

    [Fact]
    public async Task OneAnswerIsPrinted()
    {
        CliRun run = await CliRun.Of("parse-answer", "Soon. [now()]<|eot|>", "--tools", s_tools);
        Assert.Equal((0, """{"content":"Soon.","calls":[{"name":"now","arguments":{}}],"code":null}"""), (run.ExitCode, run.Out.TrimEnd()));
        CliRun code = await CliRun.Of("parse-answer", "<|python_start|>1+1<|python_end|>", "--tools", s_tools, "--code-interpreter");
        Assert.Equal("1+1", JsonNode.Parse(code.Out)!["code"]!.GetValue<string>());
    }

    [Fact]
    public async Task WithoutToolsItIsMetasParser()
    {
        CliRun run = await CliRun.Of("parse-answer", "[f(x=1), g()]");
        Assert.Equal("f", JsonNode.Parse(run.Out)!["calls"]![0]!["name"]!.GetValue<string>());
    }

    [Fact]
    public async Task FaultsNameTheLine()
    {
        using var scratch = new ScratchFolder();
        (await CliRun.Of("parse-answer", "--tools", s_tools, "--batch", scratch.Write("a.jsonl", """{"text": "a"}""", "", """{"name": "b"}"""))).AssertFails("line 3: the field 'text' is missing");
        (await CliRun.Of("parse-answer", "--tools", s_tools, "--batch", scratch.Write("b.jsonl", """{"text": "a", "code_interpreter": 1}"""))).AssertFails("line 1");
        (await CliRun.Of("parse-answer", "--tools", s_tools)).AssertFails("Give either an answer or --batch");
    }

    [Theory]
    [InlineData("""[{"name": "f", "input_schema": {}}]""", "the key 'input_schema' is unknown")]
    [InlineData("""[{"type": "function", "function": {"name": "f", "params": {}}}]""", "the key 'params' is unknown")]
    [InlineData("""[{"type": "function", "function": {"name": "f"}, "parameters": {}}]""", "the key 'parameters' is unknown")]
    [InlineData("""[{"type": "web_search", "name": "f"}]""", "only functions")]
    [InlineData("""[{"name": "f", "parameters": {}, "inputSchema": {}}]""", "both parameters and inputSchema")]
    [InlineData("""[{"name": "f", "parameters": "{}"}]""", "is not an object")]
    [InlineData("""[{"name": 3}]""", "a text is needed")]
    [InlineData("""[{"description": "f"}]""", "has no name")]
    [InlineData("""[{"name": "f"}, {"name": "f"}]""", "declared twice")]
    [InlineData("""[{"name": "f", "name": "g"}]""", "name")]
    [InlineData("""[3]""", "not an object")]
    [InlineData("""[]""", "a list of tools is needed")]
    [InlineData("""{"name": "f"}""", "a list of tools is needed")]
    [InlineData("""{"tools": [{"name": "f"}], "tool": 1}""", "the key 'tool' is unknown")]
    public async Task ToolFilesThatAreRefused(string json, string reason)
    {
        using var scratch = new ScratchFolder();
        (await CliRun.Of("parse-answer", "x", "--tools", scratch.Write("tools.json", json))).AssertFails(reason);
    }

    [Theory]
    [InlineData("""[{"name": "f", "description": null}]""")]
    [InlineData("""[{"type": "function", "name": "f", "parameters": {"type": "object"}, "strict": true}]""")]
    [InlineData("""[{"type": "function", "function": {"name": "f", "parameters": {"type": "object"}, "strict": true}}]""")]
    [InlineData("""{"tools": [{"name": "f", "title": "F", "inputSchema": {"type": "object"}, "annotations": {"readOnlyHint": true}}], "nextCursor": "x"}""")]
    public async Task ToolFilesThatAreTaken(string json)
    {
        using var scratch = new ScratchFolder();
        CliRun run = await CliRun.Of("parse-answer", "[f()]", "--tools", scratch.Write("tools.json", json));
        Assert.Equal("f", JsonNode.Parse(run.Out)!["calls"]![0]!["name"]!.GetValue<string>());
    }
}
