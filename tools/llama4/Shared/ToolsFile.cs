using System.Text.Json;
using System.Text.Json.Nodes;
using Llama4Kernels.Engine.Chat;
using Llama4Kernels.Interop.Files;

namespace Llama4Kernels.Cli.Shared;

/// <summary>
/// Reads the tools a model may call: a JSON list, or an object with such a list under <c>tools</c>. A tool is a bare function
/// (name, description, parameters), OpenAI's form (<c>{"type": "function", "function": {…}}</c>, or with the function's keys
/// beside the type) or MCP's (<c>inputSchema</c> in place of parameters). A key that none of them has is an error: read over,
/// it would leave a tool without its schema.
/// </summary>
internal static class ToolsFile
{
    private static readonly HashSet<string> s_keys = new(StringComparer.Ordinal)
    {
        "name", "description", "parameters", "inputSchema",
        // Known, and of no use to the model.
        "type", "strict", "title", "annotations", "outputSchema", "icons", "execution", "_meta",
    };

    /// <exception cref="InvalidDataException">The file is no such list.</exception>
    /// <exception cref="IOException">The file cannot be read.</exception>
    public static IReadOnlyList<ToolDefinition> Read(string path)
    {
        try
        {
            string text = File.ReadAllText(path);
            JsonText.Check(text);
            JsonNode? root = JsonNode.Parse(text, documentOptions: new JsonDocumentOptions { AllowDuplicateProperties = false });
            if (root is JsonObject wrapper && wrapper.ContainsKey("tools"))
            {
                CheckKeys(wrapper, name => name is "tools" or "nextCursor" or "_meta", "tools and nextCursor");
                root = wrapper["tools"];
            }
            if (root is not JsonArray { Count: > 0 } list)
            {
                throw new FormatException("a list of tools is needed.");
            }
            ToolDefinition[] tools = [.. list.Select((node, index) => ToolOf(node, index))];
            return tools.GroupBy(tool => tool.Name, StringComparer.Ordinal).FirstOrDefault(group => group.Count() > 1) is { } twice
                ? throw new FormatException($"the tool '{twice.Key}' is declared twice.")
                : tools;
        }
        catch (Exception e) when (e is JsonException or FormatException)
        {
            throw new InvalidDataException($"{path}: {e.Message}", e);
        }
    }

    private static ToolDefinition ToolOf(JsonNode? node, int index)
    {
        JsonObject entry = node as JsonObject ?? throw new FormatException($"tools[{index}] is not an object.");
        if (entry["type"] is JsonNode type && !(type.GetValueKind() == JsonValueKind.String && type.GetValue<string>() == "function"))
        {
            throw new FormatException($"tools[{index}] has the type {type.ToJsonString()}; only functions can be called.");
        }
        if (entry.ContainsKey("function"))
        {
            CheckKeys(entry, name => name is "type" or "function", "type and function");
            entry = entry["function"] as JsonObject ?? throw new FormatException($"function of tools[{index}] is not an object.");
        }
        CheckKeys(entry, s_keys.Contains, "name, description and parameters (or MCP's inputSchema)");
        string? name = TextOf(entry, "name");
        if (string.IsNullOrWhiteSpace(name))
        {
            throw new FormatException($"tools[{index}] has no name.");
        }
        if (entry.ContainsKey("parameters") && entry.ContainsKey("inputSchema"))
        {
            throw new FormatException($"the tool '{name}' has both parameters and inputSchema.");
        }
        JsonNode? schema = entry["parameters"] ?? entry["inputSchema"];
        return schema is null or JsonObject
            ? new ToolDefinition(name, TextOf(entry, "description") ?? string.Empty, schema?.DeepClone() ?? new JsonObject { ["type"] = "object", ["properties"] = new JsonObject() })
            : throw new FormatException($"the schema of the tool '{name}' is not an object.");
    }

    private static string? TextOf(JsonObject entry, string key) =>
        entry[key] is not JsonNode value ? null
        : value.GetValueKind() == JsonValueKind.String ? value.GetValue<string>()
        : throw new FormatException($"{key} is {value.ToJsonString()}; a text is needed.");

    private static void CheckKeys(JsonObject entry, Predicate<string> isKnown, string known)
    {
        foreach ((string key, _) in entry)
        {
            if (!isKnown(key))
            {
                throw new FormatException($"the key '{key}' is unknown; known are {known}.");
            }
        }
    }
}
