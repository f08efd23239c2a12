using System.Buffers;
using System.Text.Encodings.Web;
using System.Text.Json;
using Llama4Kernels.Engine.Tokenization;

namespace Llama4Kernels.Engine.Checkpoints.Gguf;

/// <summary>Translates the tokenizer in a GGUF file to a tokenizer.json, so that one reader checks both.</summary>
internal static class GgufTokenizer
{
    /// <summary>The key of the tokens' texts.</summary>
    public const string TokensKey = "tokenizer.ggml.tokens";

    private const string TypesKey = "tokenizer.ggml.token_type", MergesKey = "tokenizer.ggml.merges";
    private const int Normal = 1, UserDefined = 4, Unused = 5, Byte = 6;

    /// <summary>The texts of all tokens by id.</summary>
    /// <exception cref="ModelFormatException">There are none.</exception>
    public static string[] Tokens(GgufMetadata metadata) => metadata.Texts(TokensKey) ?? throw metadata.Fault(TokensKey, "is missing.");

    /// <summary>The tokenizer.json.</summary>
    /// <exception cref="ModelFormatException">An array is missing, of another type or of another length, or it is another kind of tokenizer.</exception>
    public static ReadOnlyMemory<byte> Translate(GgufMetadata metadata)
    {
        if (metadata.Text("tokenizer.ggml.model") is var model && model != "gpt2")
        {
            throw metadata.Fault("tokenizer.ggml.model", $"is '{model ?? "(absent)"}'; Llama 4's is 'gpt2'.");
        }
        if (metadata.Text("tokenizer.ggml.pre") is var splitter && splitter is not ("llama4" or "gpt-4o" or null))
        {
            throw metadata.Fault("tokenizer.ggml.pre", $"is '{splitter}'; Llama 4's is 'llama4'.");
        }
        string[] tokens = Tokens(metadata);
        string[] merges = metadata.Texts(MergesKey) ?? throw metadata.Fault(MergesKey, "is missing.");
        int[] types = metadata.Ints(TypesKey) ?? Array.ConvertAll(tokens, token => token.StartsWith("<|", StringComparison.Ordinal) && token.EndsWith("|>", StringComparison.Ordinal) ? 3 : Normal);
        if (types.Length != tokens.Length)
        {
            throw metadata.Fault(TypesKey, $"has {types.Length} entries for {tokens.Length} tokens.");
        }
        if (Array.IndexOf(types, Byte) is >= 0 and var at)
        {
            throw metadata.Fault(TypesKey, $"token {at} is a byte token, which a byte-level vocabulary has no use for.");
        }
        if (Array.FindIndex(types, type => type is < Normal or > Byte) is >= 0 and var unknown)
        {
            throw metadata.Fault(TypesKey, $"token {unknown} is of the unknown type {types[unknown]}.");
        }
        if (Array.FindIndex(merges, merge => merge.AsSpan().Count(' ') != 1) is >= 0 and var bad)
        {
            throw metadata.Fault(MergesKey, $"entry {bad} is not two tokens with a blank between them.");
        }
        HashSet<string> seen = new(StringComparer.Ordinal);
        if (Array.FindIndex(tokens, token => token.Length == 0 || !seen.Add(token)) is >= 0 and var twice)
        {
            throw metadata.Fault(TokensKey, $"token {twice} is empty or given twice.");
        }
        return Write(tokens, types, merges);
    }

    private static ReadOnlyMemory<byte> Write(string[] tokens, int[] types, string[] merges)
    {
        var buffer = new ArrayBufferWriter<byte>();
        using var json = new Utf8JsonWriter(buffer, new JsonWriterOptions { Encoder = JavaScriptEncoder.UnsafeRelaxedJsonEscaping });
        json.WriteStartObject();
        json.WriteString("version", "1.0");
        WriteAdded(json, tokens, types);
        WriteSplitting(json);
        json.WriteStartObject("model");
        json.WriteString("type", "BPE");
        json.WriteBoolean("ignore_merges", true);
        json.WriteStartObject("vocab");
        for (int id = 0; id < tokens.Length; id++)
        {
            if (types[id] == Normal)
            {
                json.WriteNumber(tokens[id], id);
            }
        }
        json.WriteEndObject();
        json.WriteStartArray("merges");
        foreach (string merge in merges)
        {
            json.WriteStringValue(merge);
        }
        json.WriteEndArray();
        json.WriteEndObject();
        json.WriteEndObject();
        json.Flush();
        return buffer.WrittenMemory;
    }

    // Texts of unused ids fill the list up and stand for nothing: left out, such an id decodes to nothing and no text becomes it.
    private static void WriteAdded(Utf8JsonWriter json, string[] tokens, int[] types)
    {
        json.WriteStartArray("added_tokens");
        for (int id = 0; id < tokens.Length; id++)
        {
            if (types[id] is Normal or Unused)
            {
                continue;
            }
            json.WriteStartObject();
            json.WriteNumber("id", id);
            json.WriteString("content", tokens[id]);
            json.WriteBoolean("single_word", false);
            json.WriteBoolean("lstrip", false);
            json.WriteBoolean("rstrip", false);
            json.WriteBoolean("normalized", false);
            json.WriteBoolean("special", types[id] != UserDefined);
            json.WriteEndObject();
        }
        json.WriteEndArray();
    }

    private static void WriteSplitting(Utf8JsonWriter json)
    {
        json.WriteNull("normalizer");
        json.WriteStartObject("pre_tokenizer");
        json.WriteString("type", "Sequence");
        json.WriteStartArray("pretokenizers");
        json.WriteStartObject();
        json.WriteString("type", "Split");
        json.WriteStartObject("pattern");
        json.WriteString("Regex", PieceSplitter.Pattern);
        json.WriteEndObject();
        json.WriteString("behavior", "Isolated");
        json.WriteBoolean("invert", false);
        json.WriteEndObject();
        WriteByteLevel(json, useRegex: false);
        json.WriteEndArray();
        json.WriteEndObject();
        json.WriteNull("post_processor");
        json.WritePropertyName("decoder");
        WriteByteLevel(json, useRegex: true);
    }

    private static void WriteByteLevel(Utf8JsonWriter json, bool useRegex)
    {
        json.WriteStartObject();
        json.WriteString("type", "ByteLevel");
        json.WriteBoolean("add_prefix_space", false);
        json.WriteBoolean("trim_offsets", true);
        json.WriteBoolean("use_regex", useRegex);
        json.WriteEndObject();
    }
}
