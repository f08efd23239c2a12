using System.Text.Json;
using System.Text.Json.Nodes;
using System.Text.RegularExpressions;

namespace Llama4Kernels.Tests.Cases;

/// <summary>Compares rows of answers that were taken apart.</summary>
internal static class ToolCallRows
{
    /// <summary>The rows that differ, or null.</summary>
    public static string? Fault(string expected, string got)
    {
        JsonNode[] rows = Read(expected), answers = Read(got);
        if (rows.Length != answers.Length)
        {
            return $"{answers.Length} rows instead of {rows.Length}";
        }
        string[] faults = [.. rows.Zip(answers).Where(pair => !Same(pair.First["expected"]!, pair.Second) || pair.First["name"]!.GetValue<string>() != pair.Second["name"]!.GetValue<string>())
            .Select(pair => $"{pair.First["name"]}: {pair.Second.ToJsonString()}")];
        return faults.Length == 0 ? null : string.Join('\n', faults);
    }

    private static JsonNode[] Read(string path) => [.. File.ReadLines(path).Where(line => line.Length > 0).Select(line => JsonNode.Parse(line)!)];

    private static bool Same(JsonNode expected, JsonNode got)
    {
        bool beside = expected["calls"]!.AsArray().Count > 0 || expected["code"] is not null;
        return Text(expected["content"], beside) == Text(got["content"], beside)
            && Text(expected["code"], false) == Text(got["code"], false)
            && SameValue(expected["calls"], got["calls"]);
    }

    private static string Text(JsonNode? node, bool collapse)
    {
        string text = (node?.GetValue<string>() ?? "").Trim();
        return collapse ? Regex.Replace(text, @"\s+", " ") : text;
    }

    // Numbers by value: 1 equals 1.0, true is not 1, integers exactly.
    private static bool SameValue(JsonNode? a, JsonNode? b) => (a, b) switch
    {
        (null, null) => true,
        (JsonObject x, JsonObject y) => x.Count == y.Count && x.All(member => y.ContainsKey(member.Key) && SameValue(member.Value, y[member.Key])),
        (JsonArray x, JsonArray y) => x.Count == y.Count && x.Zip(y).All(pair => SameValue(pair.First, pair.Second)),
        (JsonValue x, JsonValue y) when x.GetValueKind() == JsonValueKind.Number && y.GetValueKind() == JsonValueKind.Number =>
            x.ToJsonString() == y.ToJsonString() || (decimal.TryParse(x.ToJsonString(), out decimal p) && decimal.TryParse(y.ToJsonString(), out decimal q) && p == q),
        (JsonValue x, JsonValue y) => x.GetValueKind() == y.GetValueKind() && x.ToJsonString() == y.ToJsonString(),
        _ => false,
    };
}
