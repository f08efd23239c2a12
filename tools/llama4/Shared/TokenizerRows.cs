using System.Text;
using System.Text.Json;
using System.Text.Json.Nodes;
using Llama4Kernels.Engine.Tokenization;

namespace Llama4Kernels.Cli.Shared;

/// <summary>Encodes or decodes rows in the form of the tokenizer's reference data.</summary>
internal static class TokenizerRows
{
    /// <summary>Adds to a row what it lacks: <c>ids</c> for a text; <c>text</c>, <c>pieces</c> and <c>flush</c> for ids.</summary>
    public static JsonObject Complete(JsonObject row, Llama4Tokenizer tokenizer, bool decode)
    {
        if (decode || !HasText(row))
        {
            Decode(row, tokenizer);
        }
        else
        {
            row["ids"] = JsonLines.Array(tokenizer.Encode(TextOf(row), allowed: AllowedOf(row)));
        }
        return row;
    }

    private static bool HasText(JsonObject row) => row.ContainsKey("text") || row.ContainsKey("repeat") || row.ContainsKey("utf16");

    private static void Decode(JsonObject row, Llama4Tokenizer tokenizer)
    {
        if (row["ids"] is not JsonNode given)
        {
            throw new FormatException("the row has none of text, repeat, utf16 and ids.");
        }
        int[] ids = JsonLines.Integers(given);
        var stream = new StreamDecoder(tokenizer);
        var pieces = new JsonArray([.. ids.Select(JsonNode? (id) => JsonValue.Create(stream.Append(id)))]);
        // A row that holds one kind of answer gets that kind again; a bare list of ids gets both.
        bool whole = row.ContainsKey("text");
        bool streaming = row.ContainsKey("pieces");
        if (whole || !streaming)
        {
            row["text"] = tokenizer.Decode(ids);
        }
        if (streaming || !whole)
        {
            row["pieces"] = pieces;
            row["flush"] = stream.Flush();
        }
    }

    private static string TextOf(JsonObject row)
    {
        if (row["text"] is JsonNode text)
        {
            return text.GetValue<string>();
        }
        if (row["utf16"] is JsonNode units)
        {
            return new string([.. JsonLines.Integers(units).Select(unit => checked((char)unit))]);
        }
        JsonArray repeat = JsonLines.Field(row, "repeat").AsArray();
        if (repeat.Count % 2 != 0)
        {
            throw new FormatException("repeat needs pairs of a string and a count.");
        }
        var builder = new StringBuilder();
        for (int i = 0; i < repeat.Count; i += 2)
        {
            builder.Insert(builder.Length, JsonLines.Required(repeat[i]).GetValue<string>(), JsonLines.Required(repeat[i + 1]).GetValue<int>());
        }
        return builder.ToString();
    }

    private static AllowedSpecials AllowedOf(JsonObject row) => row["allowed"] switch
    {
        null => AllowedSpecials.None,
        JsonValue value when value.GetValueKind() == JsonValueKind.String && value.GetValue<string>() == "all" => AllowedSpecials.All,
        JsonArray names => AllowedSpecials.Only(JsonLines.Texts(names)),
        _ => throw new FormatException("allowed must be \"all\" or a list of special tokens."),
    };
}
