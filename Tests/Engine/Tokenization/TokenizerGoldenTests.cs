using System.Text.Json.Nodes;
using Llama4Kernels.Engine.Tokenization;

namespace Llama4Kernels.Tests.Engine.Tokenization;

/// <summary>Every reference row: Meta's own tokenizer code on the released file, and the sample model's tokenizer.</summary>
public sealed class TokenizerGoldenTests
{
    [Fact]
    public void NanoRowsFromTokenizerJson() => CheckNano(TokenizerFiles.Nano);

    [Fact]
    public void NanoRowsFromTiktokenModel() =>
        CheckNano(Llama4Tokenizer.FromTiktokenModel(Path.Combine(GoldenFiles.SampleModel, "tokenizer.model")));

    [Fact]
    public void NanoRowsDecodeToTheirText()
    {
        // A lone surrogate is the one thing that does not come back.
        TokenizerFiles.AssertNone(Rows("nano-vectors.jsonl"), 170, row =>
        {
            string text = TokenizerFiles.TextOf(row);
            string decoded = TokenizerFiles.Nano.Decode(TokenizerFiles.Nano.Encode(text, allowed: TokenizerFiles.AllowedOf(row)));
            return decoded == Repair(text) ? null : $"{TokenizerFiles.Shorten(row)}: {decoded}";
        });
    }

    [Fact]
    public void ReleasedRows()
    {
        Llama4Tokenizer tokenizer = TokenizerFiles.Released();
        TokenizerFiles.AssertNone(
            Rows("vectors.jsonl"),
            1238,
            row => TokenizerFiles.Compare(row, tokenizer.Encode(TokenizerFiles.TextOf(row))));
    }

    [Fact]
    public void ReleasedSpecialTokens()
    {
        Llama4Tokenizer tokenizer = TokenizerFiles.Released();
        Assert.Equal(200_000, tokenizer.BaseVocabularySize);
        Assert.Equal(202_048, tokenizer.VocabularySize);
        Assert.Equal(2048, tokenizer.SpecialTokens.Count);
        Assert.Equal(200_000, tokenizer.BosId);
        TokenizerFiles.AssertNone(Rows("special.jsonl"), 2048, row =>
            tokenizer.TryGetSpecial(row["token"]!.GetValue<string>(), out int id) && id == row["id"]!.GetValue<int>()
                ? null
                : row.ToJsonString());
    }

    [Fact]
    public void ReleasedSpecialTokensInText()
    {
        Llama4Tokenizer tokenizer = TokenizerFiles.Released();
        TokenizerFiles.AssertNone(Rows("special-parse.jsonl"), 32, row => TokenizerFiles.Compare(
            row, tokenizer.Encode(TokenizerFiles.TextOf(row), allowed: TokenizerFiles.AllowedOf(row))));
    }

    [Fact]
    public void ReleasedDecoding()
    {
        Llama4Tokenizer tokenizer = TokenizerFiles.Released();
        TokenizerFiles.AssertNone(Rows("decode.jsonl").Where(row => row["text"] is not null), 132, row =>
        {
            string text = tokenizer.Decode(TokenizerFiles.Ids(row["ids"]));
            return text == row["text"]!.GetValue<string>() ? null : $"{TokenizerFiles.Shorten(row)}: {text}";
        });
    }

    [Fact]
    public void ReleasedStreaming()
    {
        Llama4Tokenizer tokenizer = TokenizerFiles.Released();
        TokenizerFiles.AssertNone(Rows("decode.jsonl").Where(row => row["pieces"] is not null), 74, row =>
        {
            StreamDecoder decoder = new(tokenizer);
            List<string> pieces = [.. TokenizerFiles.Ids(row["ids"]).Select(decoder.Append)];
            string flush = decoder.Flush();
            bool equal = pieces.SequenceEqual(row["pieces"]!.AsArray().Select(piece => piece!.GetValue<string>()))
                && flush == row["flush"]!.GetValue<string>();
            return equal ? null : $"{row.ToJsonString()}: {string.Join('|', pieces)}|{flush}";
        });
    }

    private static void CheckNano(Llama4Tokenizer tokenizer)
    {
        Assert.Equal(1443, tokenizer.BaseVocabularySize);
        Assert.Equal(1536, tokenizer.VocabularySize);
        Assert.Equal(1443, tokenizer.BosId);
        TokenizerFiles.AssertNone(Rows("nano-vectors.jsonl"), 170, row => TokenizerFiles.Compare(
            row, tokenizer.Encode(TokenizerFiles.TextOf(row), allowed: TokenizerFiles.AllowedOf(row))));
    }

    private static IEnumerable<JsonNode> Rows(string file) => TokenizerFiles.Rows("tokenizer", file);

    private static string Repair(string text) =>
        System.Text.Encoding.UTF8.GetString(System.Text.Encoding.UTF8.GetBytes(text));
}
