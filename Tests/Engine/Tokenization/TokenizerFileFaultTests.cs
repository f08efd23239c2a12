using System.Text;
using Llama4Kernels.Engine;
using Llama4Kernels.Engine.Tokenization;

namespace Llama4Kernels.Tests.Engine.Tokenization;

/// <summary>Malformed tokenizer files: each is refused with the file, the place and the reason.</summary>
public sealed class TokenizerFileFaultTests
{
    private static readonly string[] s_model =
        File.ReadAllLines(Path.Combine(GoldenFiles.SampleModel, "tokenizer.model"));

    private static readonly string s_json = File.ReadAllText(Path.Combine(GoldenFiles.SampleModel, "tokenizer.json"));

    [Theory]
    [InlineData("!!!! 6", "not valid base64")]
    [InlineData("YQ= 6", "not valid base64")]
    [InlineData(" 6", "expected the token")]
    [InlineData("YQ==", "expected the token")]
    [InlineData("YQ== ", "rank is not a whole number")]
    [InlineData("YQ== -6", "rank is not a whole number")]
    [InlineData("YQ== 6x", "rank is not a whole number")]
    [InlineData("YQ== 99999999999", "rank is not a whole number")]
    [InlineData("YQ== 1e1", "rank is not a whole number")]
    [InlineData("enp6enp6enp6 5", "already given on line 6")]
    [InlineData("enp6enp6enp6 1443", "leaves a gap")]
    public void BadLine(string line, string reason)
    {
        string[] lines = [.. s_model];
        lines[6] = line;
        Expect(Encoding.UTF8.GetBytes(string.Join('\n', lines)), "tokenizer.model", "line 7", reason);
    }

    [Fact]
    public void SameTokenTwice()
    {
        string[] lines = [.. s_model];
        lines[600] = lines[500].Split(' ')[0] + " 600";
        Expect(Encoding.UTF8.GetBytes(string.Join('\n', lines)), "tokenizer.model", "line 601", "given on line 501");
    }

    [Fact]
    public void GapInTheMiddle()
    {
        IEnumerable<string> lines = s_model.Where((_, index) => index != 700);
        Expect(Encoding.UTF8.GetBytes(string.Join('\n', lines)), "tokenizer.model", "line 1442", "leaves a gap");
    }

    [Fact]
    public void TokenOfAMegabyte()
    {
        string[] lines = [.. s_model];
        lines[6] = Convert.ToBase64String(new byte[1 << 20]) + " 6";
        Expect(Encoding.UTF8.GetBytes(string.Join('\n', lines)), "tokenizer.model", "line 7", "the limit is 4096");
    }

    [Fact]
    public void MissingByte()
    {
        // Every token is longer than one byte.
        string lines = string.Concat(Enumerable.Range(0, 300).Select(
            rank => Convert.ToBase64String([(byte)(rank >> 8), (byte)rank]) + $" {rank}\n"));
        Expect(Encoding.UTF8.GetBytes(lines), "tokenizer.model", null, "0x00 has no token");
    }

    [Theory]
    [InlineData("")]
    [InlineData("\n\n\n")]
    public void NoTokens(string content) =>
        Expect(Encoding.UTF8.GetBytes(content), "tokenizer.model", null, "no tokens");

    [Fact]
    public void BinaryFile() => Expect([0xFF, 0x00, 0x20, 0x80, 0x0A], "tokenizer.model", "line 1", "base64");

    [Fact]
    public void CarriageReturnsAreLegal()
    {
        using TemporaryFolder folder = new();
        string path = folder.Write("tokenizer.model", Encoding.UTF8.GetBytes(string.Join("\r\n", s_model)));
        Assert.Equal(TokenizerFiles.Nano.Encode("What is it?"), Llama4Tokenizer.Load(path).Encode("What is it?"));
    }

    [Theory]
    [InlineData("\"type\": \"BPE\"", "\"type\": \"Unigram\"", "model.type", "Unigram")]
    [InlineData("{1,3}", "{1,2}", "pre_tokenizer", "does not split")]
    [InlineData("\"normalizer\": null", "\"normalizer\": {\"type\": \"NFC\"}", "normalizer", "other tokenizers")]
    [InlineData("\"added_tokens\"", "\"added\"", "added_tokens", "missing")]
    [InlineData("\"vocab\"", "\"words\"", "model.vocab", "missing")]
    [InlineData("\"merges\"", "\"joins\"", "model.merges", "missing")]
    [InlineData("\"dropout\": null", "\"dropout\": 0.1", "model.dropout", "is \"0.1\"; Llama 4 has none")]
    [InlineData("\"continuing_subword_prefix\": null", "\"continuing_subword_prefix\": \"##\"", "model.continuing_subword_prefix", "Llama 4 has none")]
    [InlineData("\"end_of_word_suffix\": null", "\"end_of_word_suffix\": \"</w>\"", "model.end_of_word_suffix", "Llama 4 has none")]
    [InlineData("\"id\": 1443,", "\"id\": 1442,", "added_tokens[0]", "is taken")]
    [InlineData("\"id\": 1444,", "\"id\": 1443,", "added_tokens[1]", "is taken")]
    [InlineData("\"id\": 1535,", "\"id\": 16777216,", "added_tokens[92]", "is not within 0 and 16777215")]
    [InlineData("\"special\": true", "\"special\": 1", "added_tokens[0].special", "neither true nor false")]
    [InlineData("\"content\": \"<|end_of_text|>\"", "\"content\": \"\\ud800\"", null, "unpaired surrogate")]
    [InlineData("\"id\": 1535,", "\"id\": \"1535\",", "added_tokens[92]", "with id and content")]
    [InlineData("\"content\": \"<|end_of_text|>\"", "\"content\": \"<|begin_of_text|>\"", "added_tokens[1]", "twice")]
    [InlineData("\"content\": \"<|begin_of_text|>\"", "\"content\": \"<s>\"", "<|begin_of_text|>", "no Llama 4")]
    [InlineData("\"#\": 2", "\"#\": 1", "model.vocab[\"#\"]", "twice")]
    [InlineData("\"#\": 2", "\"#\": 1443", "model.vocab[\"#\"]", "leaves a gap")]
    [InlineData("\"#\": 2", "\"#\": -2", "model.vocab[\"#\"]", "whole number")]
    [InlineData("\"#\": 2", "\"#\": 2.5", "model.vocab[\"#\"]", "whole number")]
    [InlineData("\"#\": 2", "\"#\": null", "model.vocab[\"#\"]", "whole number")]
    [InlineData("\"#\": 2", "\"語\": 2", "model.vocab[\"語\"]", "alphabet")]
    [InlineData("\"#\": 2", "\"\": 2", "model.vocab[\"\"]", "alphabet")]
    public void BadJsonField(string find, string replace, string? field, string reason)
    {
        int at = s_json.IndexOf(find, StringComparison.Ordinal);
        Assert.True(at >= 0, $"the sample tokenizer has no {find}");
        string text = string.Concat(s_json.AsSpan(0, at), replace, s_json.AsSpan(at + find.Length));
        Expect(Encoding.UTF8.GetBytes(text), "tokenizer.json", field, reason);
    }

    [Theory]
    [InlineData("", "is not valid JSON")]
    [InlineData("[]", "must be a JSON object")]
    [InlineData("{\n\"model\": ,\n}", "is not valid JSON")]
    [InlineData("{\"a\": 1, \"a\": 2}", "is not valid JSON")]
    [InlineData("{}", "missing")]
    public void NoTokenizerJson(string text, string reason) =>
        Expect(Encoding.UTF8.GetBytes(text), "tokenizer.json", null, reason, anyField: true);

    [Fact]
    public void DeepJsonIsRefused() =>
        Expect(
            Encoding.UTF8.GetBytes(new string('[', 100_000)), "tokenizer.json", null, "is not valid JSON", anyField: true);

    [Theory]
    [InlineData("[\"!\", \"#\"]", "not in the vocabulary")]
    [InlineData("[\"!\"]", "two tokens")]
    [InlineData("\"a b c\"", "two tokens")]
    [InlineData("7", "two tokens")]
    public void BadMerge(string merge, string reason)
    {
        int at = s_json.IndexOf("\"merges\":", StringComparison.Ordinal);
        at = s_json.IndexOf('[', at) + 1;
        Expect(
            Encoding.UTF8.GetBytes(s_json.Insert(at, merge + ",")), "tokenizer.json", "model.merges[0]", reason);
    }

    [Fact]
    public void MergesAsStringsAreLegal()
    {
        int from = s_json.IndexOf('[', s_json.IndexOf("\"merges\":", StringComparison.Ordinal));
        string merges = System.Text.RegularExpressions.Regex.Replace(
            s_json[from..], @"\[\s*""((?:[^""\\]|\\.)*)"",\s*""((?:[^""\\]|\\.)*)""\s*\]", "\"$1 $2\"");
        using TemporaryFolder folder = new();
        string path = folder.Write("tokenizer.json", Encoding.UTF8.GetBytes(s_json[..from] + merges));
        Assert.NotEqual(s_json[from..], merges);
        const string Text = "How many experts does Scout have?";
        Assert.Equal(TokenizerFiles.Nano.Encode(Text), Llama4Tokenizer.Load(path).Encode(Text));
    }

    private static void Expect(byte[] content, string name, string? field, string reason, bool anyField = false)
    {
        using TemporaryFolder folder = new();
        string path = folder.Write(name, content);
        ModelFormatException error = Assert.Throws<ModelFormatException>(() => Llama4Tokenizer.Load(path));
        Assert.Equal(path, error.File);
        Assert.Contains(reason, error.Message, StringComparison.Ordinal);
        if (!anyField)
        {
            Assert.Equal(field, error.Field);
        }
    }
}
