using System.Text.Json;

namespace Llama4Kernels.Tests.Engine.Constraints;

/// <summary>The schemas from practice, which lie beside the repository.</summary>
internal static class SharedSchemas
{
    private static readonly string s_path =
        Path.Combine(GoldenFiles.Repository, "..", "shared", "golden", "schemas", "schemas.jsonl");

    /// <summary>All rows: name, schema and instances. The test is skipped where the file is not.</summary>
    public static IReadOnlyList<Row> Read()
    {
        Assert.SkipUnless(File.Exists(s_path), "The schemas from practice (golden/schemas) are not beside the repository.");
        return [.. File.ReadLines(s_path).Select(Parse)];
    }

    private static Row Parse(string line)
    {
        JsonElement row = JsonElement.Parse(line, new JsonDocumentOptions { MaxDepth = 1000 });
        return new Row(
            row.GetProperty("name").GetString()!,
            row.GetProperty("schema"),
            [.. row.GetProperty("tests").EnumerateArray().Select(test => (test.GetProperty("valid").GetBoolean(), test.GetProperty("data")))]);
    }

    internal sealed record Row(string Name, JsonElement Schema, (bool Valid, JsonElement Data)[] Tests);
}
