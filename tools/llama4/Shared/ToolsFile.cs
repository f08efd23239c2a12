using System.Text.Json;
using System.Text.Json.Nodes;
using Llama4Kernels.Engine;
using Llama4Kernels.Engine.Chat;

namespace Llama4Kernels.Cli.Shared;

/// <summary>Reads the tools a model may call: a JSON list of name, description and parameters (a JSON schema).</summary>
internal static class ToolsFile
{
    /// <exception cref="ModelFormatException">The file is no such list.</exception>
    /// <exception cref="IOException">The file cannot be read.</exception>
    public static IReadOnlyList<ToolDefinition> Read(string path)
    {
        try
        {
            return JsonNode.Parse(File.ReadAllText(path)) is JsonArray { Count: > 0 } list
                ? [.. list.Select(node => ToolOf(node as JsonObject ?? throw new FormatException("an entry is not an object.")))]
                : throw new FormatException("a list of tools is needed.");
        }
        catch (Exception e) when (e is JsonException or FormatException or InvalidOperationException)
        {
            throw new ModelFormatException(path, null, e.Message, e);
        }
    }

    // Also in the wrapping that OpenAI's API uses: {"type": "function", "function": {...}}.
    private static ToolDefinition ToolOf(JsonObject entry)
    {
        JsonObject tool = entry["function"] as JsonObject ?? entry;
        return new ToolDefinition(
            JsonLines.Field(tool, "name").GetValue<string>(),
            tool["description"]?.GetValue<string>() ?? string.Empty,
            tool["parameters"]?.DeepClone() ?? new JsonObject { ["type"] = "object", ["properties"] = new JsonObject() });
    }
}
