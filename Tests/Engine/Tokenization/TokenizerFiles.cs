using System.Security.Cryptography;
using System.Text;
using System.Text.Json;
using System.Text.Json.Nodes;
using Llama4Kernels.Engine.Tokenization;

namespace Llama4Kernels.Tests.Engine.Tokenization;

/// <summary>Tokenizers and reference rows for the tests of tokenization and chat.</summary>
internal static class TokenizerFiles
{
    private static readonly Lazy<Llama4Tokenizer?> s_lazyReleased = new(() =>
        FindReleased() is string path ? Llama4Tokenizer.FromTiktokenModel(path) : null);

    private static readonly Lazy<Llama4Tokenizer> s_lazyNano = new(() => Llama4Tokenizer.Load(GoldenFiles.SampleModel));

    public static Llama4Tokenizer Nano => s_lazyNano.Value;

    /// <summary>Meta's released tokenizer, which cannot be in the repository for its licence.</summary>
    public static Llama4Tokenizer Released()
    {
        Assert.SkipWhen(
            s_lazyReleased.Value is null,
            "Meta's tokenizer.model is not part of the repository (licence); set LLAMA4_TOKENIZER to its path.");
        return s_lazyReleased.Value!;
    }

    public static string? FindReleased()
    {
        string? variable = Environment.GetEnvironmentVariable("LLAMA4_TOKENIZER");
        string beside = Path.Combine(GoldenFiles.Repository, "..", "shared", "golden", "tokenizer", "tokenizer.model");
        return !string.IsNullOrEmpty(variable) ? variable : File.Exists(beside) ? beside : null;
    }

    public static IEnumerable<JsonNode> Rows(params string[] path) =>
        File.ReadLines(GoldenFiles.Path(path)).Where(line => line.Length > 0).Select(line => JsonNode.Parse(line)!);

    public static string TextOf(JsonNode row)
    {
        if (row["utf16"] is JsonArray units)
        {
            return string.Concat(units.Select(unit => (char)unit!.GetValue<int>()));
        }
        if (row["repeat"] is not JsonArray parts)
        {
            return row["text"]!.GetValue<string>();
        }
        StringBuilder text = new();
        for (int i = 0; i < parts.Count; i += 2)
        {
            text.Insert(text.Length, parts[i]!.GetValue<string>(), parts[i + 1]!.GetValue<int>());
        }
        return text.ToString();
    }

    public static int[] Ids(JsonNode? ids) => ids.Deserialize<int[]>()!;

    /// <summary>Null if the ids are the row's, else a description.</summary>
    public static string? Compare(JsonNode row, int[] actual)
    {
        if (row["ids_sha256"] is JsonNode hash)
        {
            byte[] bytes = new byte[actual.Length * 4];
            for (int i = 0; i < actual.Length; i++)
            {
                BitConverter.TryWriteBytes(bytes.AsSpan(i * 4), actual[i]);
            }
            return actual.Length == row["count"]!.GetValue<int>()
                && Convert.ToHexStringLower(SHA256.HashData(bytes)) == hash.GetValue<string>()
                ? null
                : $"{Shorten(row)}: {actual.Length} other ids";
        }
        int[] expected = Ids(row["ids"]);
        return expected.AsSpan().SequenceEqual(actual)
            ? null
            : $"{Shorten(row)}: {string.Join(' ', actual.Take(40))} instead of {string.Join(' ', expected.Take(40))}";
    }

    public static AllowedSpecials? AllowedOf(JsonNode row) => row["allowed"] switch
    {
        null => null,
        JsonArray names => AllowedSpecials.Only(names.Select(name => name!.GetValue<string>())),
        _ => AllowedSpecials.All,
    };

    /// <summary>Fails with all faults at once; also if no row was there to check.</summary>
    public static void AssertNone(IEnumerable<JsonNode> rows, int expectedRows, Func<JsonNode, string?> check)
    {
        List<JsonNode> all = [.. rows];
        Assert.Equal(expectedRows, all.Count);
        List<string> faults = [.. all.Select(check).OfType<string>()];
        Assert.True(faults.Count == 0, $"{faults.Count} of {all.Count}:\n" + string.Join('\n', faults.Take(20)));
    }

    public static string Shorten(JsonNode row)
    {
        string text = row.ToJsonString();
        return text.Length <= 160 ? text : text[..160] + "…";
    }
}
