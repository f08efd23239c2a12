using System.Text.Json.Nodes;
using Llama4Kernels.Engine.Tokenization;

namespace Llama4Kernels.Tests.Engine.Tokenization;

/// <summary>Added tokens are found as the tokenizers library finds them; control tokens only where they are allowed.</summary>
public sealed class AddedTokenTests
{
    private static Llama4Tokenizer With(params string[] entries)
    {
        using TemporaryFolder folder = new();
        JsonNode root = JsonNode.Parse(File.ReadAllText(Path.Combine(GoldenFiles.SampleModel, "tokenizer.json")))!;
        foreach (string entry in entries)
        {
            root["added_tokens"]!.AsArray().Add(JsonNode.Parse(entry));
        }
        return Llama4Tokenizer.Load(folder.Write("tokenizer.json", System.Text.Encoding.UTF8.GetBytes(root.ToJsonString())));
    }

    private static int[] Plain(string text) => TokenizerFiles.Nano.Encode(text);

    [Fact]
    public void AWordThatIsNotSpecialIsFoundInEveryText()
    {
        Llama4Tokenizer tokenizer = With("""{"id": 1536, "content": "<think>", "special": false}""");
        Assert.Equal([1536, .. Plain("hi"), 1536], tokenizer.Encode("<think>hi<think>"));
        Assert.Equal("<think>hi", tokenizer.Decode(tokenizer.Encode("<think>hi")));
        Assert.False(tokenizer.IsSpecial(1536));
    }

    [Fact]
    public void ASpecialWordNeedsToBeAllowedAndHidesWhatIsInside()
    {
        Llama4Tokenizer tokenizer = With("""{"id": 1536, "content": "<think>", "special": true, "normalized": false}""", """{"id": 1537, "content": "think", "special": false, "normalized": false}""");
        Assert.Equal(Plain("<think>"), tokenizer.Encode("<think>"));
        Assert.Equal([1536, 1537], tokenizer.Encode("<think>think", allowed: AllowedSpecials.All));
    }

    [Fact]
    public void AControlTokenStaysSpecialWhateverTheFileSays()
    {
        using TemporaryFolder folder = new();
        string json = File.ReadAllText(Path.Combine(GoldenFiles.SampleModel, "tokenizer.json")).Replace("\"special\": true", "\"special\": false", StringComparison.Ordinal);
        Llama4Tokenizer tokenizer = Llama4Tokenizer.Load(folder.Write("tokenizer.json", System.Text.Encoding.UTF8.GetBytes(json)));
        Assert.DoesNotContain(tokenizer.SpecialTokens["<|eot|>"], tokenizer.Encode("a<|eot|>"));
    }

    [Fact]
    public void TheLongestOfSeveralWinsAndNormalizedOnesComeLast()
    {
        Llama4Tokenizer tokenizer = With(
            """{"id": 1536, "content": "ab", "normalized": false}""", """{"id": 1537, "content": "abc", "normalized": false}""", """{"id": 1538, "content": "xab", "normalized": true}""");
        Assert.Equal([1537, 1536], tokenizer.Encode("abcab"));
        // The library looks for normalized tokens in what the others leave.
        Assert.Equal([.. Plain("x"), 1536], tokenizer.Encode("xab"));
    }

    [Fact]
    public void SingleWordsAndBlanksAround()
    {
        Llama4Tokenizer tokenizer = With(
            """{"id": 1536, "content": "cat", "single_word": true}""", """{"id": 1537, "content": "[M]", "lstrip": true, "rstrip": true}""");
        Assert.Equal([.. Plain("a "), 1536, .. Plain(".")], tokenizer.Encode("a cat."));
        Assert.Equal(Plain("concat"), tokenizer.Encode("concat"));
        Assert.Equal([.. Plain("a"), 1537, .. Plain("b")], tokenizer.Encode("a  [M] b"));
    }

    [Fact]
    public void GapsDecodeToNothing()
    {
        Llama4Tokenizer tokenizer = With("""{"id": 1546, "content": "<pad>", "special": true}""");
        Assert.Equal(1547, tokenizer.VocabularySize);
        Assert.Equal("<pad>", tokenizer.Decode([1540, 1546]));
        Assert.Throws<ArgumentOutOfRangeException>(() => tokenizer.Decode([1547]));
        Llama4Tokenizer padded = tokenizer.PaddedTo(1600);
        Assert.Equal(("", 1547), (padded.Decode([1599]), padded.VocabularySize));
        Assert.Equal("", new StreamDecoder(padded).Append(1599));
        Assert.Throws<ArgumentOutOfRangeException>(() => padded.Decode([1600]));
        Assert.Same(padded, padded.PaddedTo(10));
    }
}
