using System.Text.Json;
using System.Text.Json.Nodes;

namespace Llama4Kernels.Engine.Chat;

/// <summary>Writes past tool calls the way the models were trained to write them.</summary>
internal static class ToolCallWriter
{
    /// <summary>The tool whose call is its bare code.</summary>
    public const string CodeInterpreter = "code_interpreter";

    /// <summary>Tools that are called as <c>name.call(query="…")</c> in every format.</summary>
    public static bool IsQueryTool(string name) => name is "brave_search" or "wolfram_alpha" or "photogen";

    /// <summary>The text of one call.</summary>
    /// <exception cref="ArgumentException">The arguments do not suit the format or the built-in tool.</exception>
    public static string Write(ToolCall call, ToolPromptFormat format)
    {
        if (IsQueryTool(call.Name))
        {
            return $"{call.Name}.call(query=\"{TextArgument(call, "query")}\")";
        }
        if (call.Name == CodeInterpreter)
        {
            return TextArgument(call, "code");
        }
        switch (format)
        {
            case ToolPromptFormat.Json:
                return PythonJson.Dumps(new JsonObject
                {
                    ["type"] = "function",
                    ["name"] = call.Name,
                    ["parameters"] = call.Arguments.DeepClone(),
                });
            case ToolPromptFormat.FunctionTag:
                return $"<function={call.Name}>{PythonJson.Dumps(call.Arguments)}</function>";
            case ToolPromptFormat.PythonList:
                return call.Arguments is JsonObject arguments
                    ? $"[{call.Name}({Assignments(arguments)})]"
                    : throw new ArgumentException(
                        $"The arguments of {call.Name} are no object; a Python call needs their names.", nameof(call));
            default:
                throw new ArgumentOutOfRangeException(nameof(format), format, "Unknown format.");
        }
    }

    private static string TextArgument(ToolCall call, string name) =>
        call.Arguments is JsonObject arguments && arguments[name] is JsonValue value
            && value.GetValueKind() == JsonValueKind.String
            ? value.GetValue<string>()
            : throw new ArgumentException($"The call of {call.Name} lacks the text argument {name}.", nameof(call));

    private static string Assignments(JsonObject members) =>
        string.Join(", ", members.Select(member => $"{member.Key}={Value(member.Value)}"));

    private static string Value(JsonNode? node) => node switch
    {
        null => "None",
        JsonObject members => $"{{{Assignments(members)}}}",
        JsonArray items => $"[{string.Join(", ", items.Select(Value))}]",
        _ => node.GetValueKind() switch
        {
            JsonValueKind.String => $"\"{node.GetValue<string>()}\"",
            JsonValueKind.True => "True",
            JsonValueKind.False => "False",
            JsonValueKind.Null => "None",
            _ => PythonJson.Number(node.AsValue()),
        },
    };
}
