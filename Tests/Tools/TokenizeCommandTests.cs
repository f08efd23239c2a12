using System.Text.Json.Nodes;

namespace Llama4Kernels.Tests.Tools;

public sealed class TokenizeCommandTests
{
    [Fact]
    public async Task TextBecomesIdsAndPieces()
    {
        CliRun run = await CliRun.Of("tokenize", "Hello, world!", "--pieces", "--model", GoldenFiles.SampleModel);
        Assert.Equal(0, run.ExitCode);
        Assert.Equal(["1079 11 1047 0", "1079\t\"Hello\"", "11\t\",\"", "1047\t\" world\"", "0\t\"!\""], run.Out.TrimEnd().Split('\n'));
    }

    [Fact]
    public async Task SpecialTokensAreTextUnlessAskedFor()
    {
        CliRun plain = await CliRun.Of("tokenize", "<|eot|>");
        CliRun special = await CliRun.Of("tokenize", "<|eot|>", "--special", "--bos");
        Assert.True(plain.Out.Split(' ').Length > 2);
        Assert.Equal("1443 1451", special.Out.TrimEnd());
    }

    [Fact]
    public async Task BatchReproducesTheReferenceIds()
    {
        using var scratch = new ScratchFolder();
        string input = GoldenFiles.Path("tokenizer", "nano-vectors.jsonl");
        CliRun run = await CliRun.Of("tokenize", GoldenFiles.SampleModel, "--batch", input, "--out", scratch.Path("out.jsonl"));
        Assert.Equal(0, run.ExitCode);
        string[] expected = File.ReadAllLines(input);
        string[] rows = File.ReadAllLines(scratch.Path("out.jsonl"));
        Assert.Equal(expected.Length, rows.Length);
        Assert.All(rows.Zip(expected), pair => Assert.True(JsonNode.DeepEquals(JsonNode.Parse(pair.First), JsonNode.Parse(pair.Second))));
    }

    [Fact]
    public async Task BatchTakesRepeatsCodeUnitsAndIds()
    {
        using var scratch = new ScratchFolder();
        string input = scratch.Write("in.jsonl", """{"repeat": ["Hello", 1, "!", 1]}""", """{"utf16": [72, 101, 108, 108, 111]}""", """{"ids": [1079, 0]}""", """{"ids": [1079], "pieces": []}""");
        CliRun run = await CliRun.Of("tokenize", GoldenFiles.SampleModel, "--batch", input);
        JsonNode[] rows = [.. run.Out.TrimEnd().Split('\n').Select(line => JsonNode.Parse(line)!)];
        Assert.Equal("[1079,0]", rows[0]["ids"]!.ToJsonString());
        Assert.Equal("[1079]", rows[1]["ids"]!.ToJsonString());
        Assert.Equal("Hello!", rows[2]["text"]!.GetValue<string>());
        Assert.Equal("""["Hello"]""", rows[3]["pieces"]!.ToJsonString());
        Assert.Null(rows[3]["text"]);
    }

    [Fact]
    public async Task ChatRowsBecomePrompts()
    {
        using var scratch = new ScratchFolder();
        string input = scratch.Write("in.jsonl", """{"messages": [{"role": "user", "content": "Hello!"}]}""");
        CliRun run = await CliRun.Of("tokenize", GoldenFiles.SampleModel, "--chat", "--batch", input);
        int[] ids = [.. JsonNode.Parse(run.Out)!["ids"]!.AsArray().Select(id => id!.GetValue<int>())];
        // The evaluation data counts 12 tokens for this conversation.
        Assert.Equal(12, ids.Length);
        Assert.Equal(1443, ids[0]);
    }

    [Theory]
    [InlineData("{\"text\": 3}", "line 1")]
    [InlineData("[1]", "line 1: is not a JSON object")]
    [InlineData("{", "line 1: is not valid JSON")]
    [InlineData("{}", "none of text, repeat, utf16 and ids")]
    [InlineData("{\"ids\": [99999]}", "line 1")]
    [InlineData("{\"repeat\": [\"a\"]}", "pairs")]
    public async Task AFaultyRowIsNamed(string row, string expected)
    {
        using var scratch = new ScratchFolder();
        (await CliRun.Of("tokenize", GoldenFiles.SampleModel, "--batch", scratch.Write("in.jsonl", row))).AssertFails(expected);
    }

    [Theory]
    [InlineData("{\"messages\": [{\"role\": \"king\", \"content\": \"\"}]}", "'king' is unknown")]
    [InlineData("{\"messages\": [{\"role\": \"user\"}]}", "'content' is missing")]
    public async Task AFaultyConversationIsNamed(string row, string expected)
    {
        using var scratch = new ScratchFolder();
        (await CliRun.Of("tokenize", GoldenFiles.SampleModel, "--chat", "--batch", scratch.Write("in.jsonl", row))).AssertFails(expected);
    }

    [Fact]
    public async Task BatchOptionsNeedABatch() =>
        (await CliRun.Of("tokenize", "text", "--chat")).AssertFails("--batch");

    [Fact]
    public async Task AMissingTokenizerIsNamed() =>
        (await CliRun.Of("tokenize", "text", "--model", "nowhere.model")).AssertFails("nowhere.model");
}
