using System.Text.Json;

namespace Llama4Kernels.Engine.Tokenization;

/// <summary>Reads the <c>added_tokens</c> of a <c>tokenizer.json</c>.</summary>
internal static class AddedTokenList
{
    /// <summary>Far beyond every vocabulary; an embedding with so many rows would not load either.</summary>
    private const int MaxId = (1 << 24) - 1;

    /// <summary>The tokens. Their ids need not be adjacent.</summary>
    /// <exception cref="ModelFormatException">An entry is malformed, or an id or a spelling is given twice.</exception>
    public static List<AddedToken> Read(string path, JsonElement list)
    {
        List<AddedToken> tokens = [];
        HashSet<string> names = new(StringComparer.Ordinal);
        HashSet<int> ids = [];
        foreach (JsonElement entry in list.EnumerateArray())
        {
            string field = $"added_tokens[{tokens.Count}]";
            AddedToken token = ReadOne(path, field, entry);
            if (!names.Add(token.Content))
            {
                throw new ModelFormatException(path, field, $"{TokenizerJsonFile.Quote(token.Content)} is given twice.");
            }
            if (!ids.Add(token.Id))
            {
                throw new ModelFormatException(path, field, $"id {token.Id} is taken.");
            }
            tokens.Add(token);
        }
        return tokens;
    }

    private static AddedToken ReadOne(string path, string field, JsonElement entry)
    {
        if (entry.ValueKind != JsonValueKind.Object
            || !entry.TryGetProperty("id", out JsonElement number) || number.ValueKind != JsonValueKind.Number
            || !number.TryGetInt32(out int id)
            || !entry.TryGetProperty("content", out JsonElement text) || text.ValueKind != JsonValueKind.String
            || text.GetString() is not { Length: > 0 and <= TiktokenModelFile.MaxTokenBytes } name)
        {
            throw new ModelFormatException(path, field, "expected an object with id and content.");
        }
        if (id is < 0 or > MaxId)
        {
            throw new ModelFormatException(path, field, $"id {id} is not within 0 and {MaxId}.");
        }
        // A control token stays one whatever the file says, or text from a user could forge it.
        bool special = Flag("special", false) || Llama4SpecialTokens.IsControl(name);
        return new AddedToken(id, name, special, Flag("single_word", false), Flag("lstrip", false), Flag("rstrip", false), Flag("normalized", !special));

        bool Flag(string flag, bool absent)
        {
            if (!entry.TryGetProperty(flag, out JsonElement value) || value.ValueKind == JsonValueKind.Null)
            {
                return absent;
            }
            return value.ValueKind is JsonValueKind.True or JsonValueKind.False
                ? value.GetBoolean()
                : throw new ModelFormatException(path, $"{field}.{flag}", "is neither true nor false.");
        }
    }
}
