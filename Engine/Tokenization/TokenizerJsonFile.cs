using System.Text;
using System.Text.Json;
using Llama4Kernels.Engine.Checkpoints;

namespace Llama4Kernels.Engine.Tokenization;

/// <summary>Reads Hugging Face's <c>tokenizer.json</c> as far as Llama 4 uses it, and refuses the rest.</summary>
internal static class TokenizerJsonFile
{
    /// <summary>Loads the file; see <see cref="Llama4Tokenizer.FromTokenizerJson"/>.</summary>
    public static Llama4Tokenizer Load(string path) => Parse(TiktokenModelFile.ReadAll(path), path);

    /// <summary>Reads a file's content.</summary>
    /// <param name="content">UTF-8.</param>
    /// <param name="path">Name for errors.</param>
    public static Llama4Tokenizer Parse(ReadOnlyMemory<byte> content, string path)
    {
        using JsonDocument document = ModelFiles.ParseJson(content, path);
        return Read(path, document.RootElement);
    }

    private static Llama4Tokenizer Read(string path, JsonElement root)
    {
        JsonElement model = Member(path, root, "model", JsonValueKind.Object);
        JsonElement type = Member(path, model, "type", JsonValueKind.String, "model.");
        if (!type.ValueEquals("BPE"))
        {
            throw new ModelFormatException(path, "model.type", $"\"{type.GetString()}\" instead of \"BPE\".");
        }
        CheckMerging(path, model);
        CheckSplitting(path, root);
        List<AddedToken> added = AddedTokenList.Read(path, Member(path, root, "added_tokens", JsonValueKind.Array));
        TokenTable table = ReadVocabulary(path, Member(path, model, "vocab", JsonValueKind.Object, "model."), added);
        MergeTable merges = ReadMerges(path, Member(path, model, "merges", JsonValueKind.Array, "model."), table);
        bool wholePieces = model.TryGetProperty("ignore_merges", out JsonElement ignore)
            && ignore.ValueKind == JsonValueKind.True;
        return new Llama4Tokenizer(path, table, merges, wholePieces, added);
    }

    // What would make other tokens of a text than merging by rank does, or another text of tokens.
    private static void CheckMerging(string path, JsonElement model)
    {
        foreach (string name in (string[])["dropout", "continuing_subword_prefix", "end_of_word_suffix"])
        {
            if (model.TryGetProperty(name, out JsonElement value)
                && !(value.ValueKind == JsonValueKind.Null || (value.ValueKind == JsonValueKind.String && value.ValueEquals("")) || (value.ValueKind == JsonValueKind.Number && value.GetDouble() == 0)))
            {
                throw new ModelFormatException(path, $"model.{name}", $"is {Quote(value.GetRawText())}; Llama 4 has none, and other tokenizers are not supported.");
            }
        }
    }

    private static void CheckSplitting(string path, JsonElement root)
    {
        if (root.TryGetProperty("normalizer", out JsonElement normalizer) && normalizer.ValueKind != JsonValueKind.Null)
        {
            throw new ModelFormatException(path, "normalizer", "Llama 4 has none; other tokenizers are not supported.");
        }
        JsonElement splitter = Member(path, root, "pre_tokenizer", JsonValueKind.Object);
        bool found = splitter.TryGetProperty("pretokenizers", out JsonElement steps)
            && steps.ValueKind == JsonValueKind.Array
            && steps.EnumerateArray().Any(step => step.ValueKind == JsonValueKind.Object
                && step.TryGetProperty("pattern", out JsonElement pattern)
                && pattern.ValueKind == JsonValueKind.Object
                && pattern.TryGetProperty("Regex", out JsonElement regex)
                && regex.ValueKind == JsonValueKind.String
                && regex.ValueEquals(PieceSplitter.Pattern));
        if (!found)
        {
            throw new ModelFormatException(
                path, "pre_tokenizer", "does not split by Llama 4's pattern; other tokenizers are not supported.");
        }
    }

    private static TokenTable ReadVocabulary(string path, JsonElement vocabulary, List<AddedToken> added)
    {
        Dictionary<string, AddedToken> addedByName = added.ToDictionary(token => token.Content, StringComparer.Ordinal);
        Dictionary<int, AddedToken> addedById = added.ToDictionary(token => token.Id);
        int count = vocabulary.GetPropertyCount() + added.Count;
        byte[]?[] tokens = new byte[count][];
        int end = 0;
        foreach (JsonProperty entry in vocabulary.EnumerateObject())
        {
            string field = $"model.vocab[{Quote(entry.Name)}]";
            if (entry.Value.ValueKind != JsonValueKind.Number || !entry.Value.TryGetInt32(out int id) || id < 0)
            {
                throw new ModelFormatException(path, field, "the id is not a whole number from 0 to 2147483647.");
            }
            if (entry.Name.Length > TiktokenModelFile.MaxTokenBytes)
            {
                throw new ModelFormatException(
                    path, field, $"{entry.Name.Length} bytes; the limit is {TiktokenModelFile.MaxTokenBytes}.");
            }
            // Added tokens may stand in the vocabulary too, spelled as they are.
            if (addedByName.TryGetValue(entry.Name, out AddedToken? same))
            {
                if (same.Id != id)
                {
                    throw new ModelFormatException(path, field, $"id {id}, but added_tokens has it with id {same.Id}.");
                }
                // A control token is never made of ordinary text.
                if (Llama4SpecialTokens.IsControl(entry.Name))
                {
                    continue;
                }
            }
            else if (addedById.TryGetValue(id, out AddedToken? other) && ByteLevelAlphabet.ToBytes(entry.Name) is { } spelled && !spelled.AsSpan().SequenceEqual(Encoding.UTF8.GetBytes(other.Content)))
            {
                throw id < vocabulary.GetPropertyCount()
                    ? new ModelFormatException(path, $"added_tokens[{added.IndexOf(other)}]", $"id {id} is taken by {Quote(entry.Name)} of the vocabulary.")
                    : new ModelFormatException(path, field, $"id {id} leaves a gap, and is {Quote(other.Content)}'s of added_tokens.");
            }
            if (id >= count)
            {
                throw new ModelFormatException(path, field, $"id {id} leaves a gap: there are {count} tokens.");
            }
            if (tokens[id] is not null)
            {
                throw new ModelFormatException(path, field, $"id {id} is given twice.");
            }
            if (ByteLevelAlphabet.ToBytes(entry.Name) is { Length: > 0 } bytes)
            {
                tokens[id] = bytes;
                end = Math.Max(end, id + 1);
            }
            else if (same is null)
            {
                throw new ModelFormatException(path, field, "not written in the byte-level alphabet.");
            }
        }
        for (int id = 0; id < end; id++)
        {
            tokens[id] ??= addedById.ContainsKey(id)
                ? []
                : throw new ModelFormatException(path, "model.vocab", $"no token has the id {id}: a gap below {end}.");
        }
        return new TokenTable(tokens[..end]!);
    }

    private static MergeTable ReadMerges(string path, JsonElement list, TokenTable table)
    {
        List<(int Left, int Right, int Merged)> merges = new(list.GetArrayLength());
        foreach (JsonElement entry in list.EnumerateArray())
        {
            string field = $"model.merges[{merges.Count}]";
            // Older files write "left right", newer ones ["left", "right"]; a blank is never inside a token.
            string[]? pair = entry.ValueKind switch
            {
                JsonValueKind.String => entry.GetString()!.Split(' '),
                JsonValueKind.Array when entry.EnumerateArray().All(part => part.ValueKind == JsonValueKind.String) =>
                    [.. entry.EnumerateArray().Select(part => part.GetString()!)],
                _ => null,
            };
            if (pair is not { Length: 2 })
            {
                throw new ModelFormatException(path, field, "expected two tokens.");
            }
            merges.Add((
                Find(path, field, table, pair[0]),
                Find(path, field, table, pair[1]),
                Find(path, field, table, pair[0] + pair[1])));
        }
        MergeTable result = MergeTable.FromList(merges, out int duplicate);
        return duplicate < 0
            ? result
            : throw new ModelFormatException(path, $"model.merges[{duplicate}]", "the pair is given twice.");
    }

    private static int Find(string path, string field, TokenTable table, string token)
    {
        byte[]? bytes = ByteLevelAlphabet.ToBytes(token);
        int id = bytes is null ? -1 : table.Find(bytes);
        return id >= 0
            ? id
            : throw new ModelFormatException(path, field, $"{Quote(token)} is not in the vocabulary.");
    }

    private static JsonElement Member(string path, JsonElement owner, string name, JsonValueKind kind, string ownerName = "") =>
        owner.TryGetProperty(name, out JsonElement value) && value.ValueKind == kind
            ? value
            : throw new ModelFormatException(path, ownerName + name, $"missing, or not of type {kind}.");

    /// <summary>A token as error messages show it.</summary>
    internal static string Quote(string token) => token.Length <= 64 ? $"\"{token}\"" : $"\"{token[..64]}…\"";
}
