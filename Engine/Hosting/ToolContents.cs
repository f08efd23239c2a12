using System.Text.Json;
using System.Text.Json.Nodes;
using Llama4Kernels.Engine.Chat;
using Microsoft.Extensions.AI;
using EngineMessage = Llama4Kernels.Engine.Chat.ChatMessage;
using EngineRole = Llama4Kernels.Engine.Chat.ChatRole;
using TextContent = Microsoft.Extensions.AI.TextContent;

namespace Llama4Kernels.Hosting;

/// <summary>Tools, their calls and results: between Microsoft.Extensions.AI and the engine.</summary>
internal static class ToolContents
{
    /// <summary>The function that a tool declares.</summary>
    /// <exception cref="UnsupportedRequestException">The tool is no function.</exception>
    public static ToolDefinition Definition(AITool tool) => tool is AIFunctionDeclaration function
        ? new ToolDefinition(function.Name, function.Description, JsonNode.Parse(function.JsonSchema.GetRawText())!)
        : throw new UnsupportedRequestException($"ChatOptions.Tools ({tool.GetType().Name})", "only functions can be called; there is no service that carries this tool out.");

    /// <summary>What the model called, with an id of its own: the model gives none.</summary>
    public static FunctionCallContent FromModel(ToolCall call)
    {
        string id = $"call_{Guid.NewGuid():N}";
        return call.Arguments is JsonObject members
            ? new FunctionCallContent(id, call.Name, members.ToDictionary(member => member.Key, member => (object?)(member.Value is null ? null : JsonElement.Parse(member.Value.ToJsonString()))))
            : new FunctionCallContent(id, call.Name) { Exception = new FormatException($"The arguments of {call.Name} are no object: {call.Arguments.ToJsonString()}") };
    }

    /// <summary>A call of an earlier answer.</summary>
    /// <exception cref="UnsupportedRequestException">An argument cannot be written as JSON.</exception>
    public static ToolCall ToModel(FunctionCallContent call)
    {
        JsonObject arguments = [];
        foreach ((string name, object? value) in call.Arguments ?? new Dictionary<string, object?>())
        {
            arguments[name] = Node(value, $"FunctionCallContent.Arguments[\"{name}\"] of {call.Name}");
        }
        return new ToolCall(call.Name, arguments);
    }

    /// <summary>A call's result: a text as it is, all else as JSON.</summary>
    /// <exception cref="UnsupportedRequestException">The result cannot be written as JSON, or is a picture.</exception>
    public static EngineMessage Result(FunctionResultContent result) => result switch
    {
        { Result: string text } => EngineMessage.FromText(EngineRole.Tool, text),
        { Result: TextContent text } => EngineMessage.FromText(EngineRole.Tool, text.Text),
        { Result: AIContent or IEnumerable<AIContent> } => throw new UnsupportedRequestException(
            $"FunctionResultContent.Result ({result.Result.GetType().Name})", "a function's result is text or what can be written as JSON; give pictures in a message of the user."),
        { Result: null, Exception: not null } => EngineMessage.FromText(EngineRole.Tool, "Error: the function failed."),
        _ => EngineMessage.FromJson(EngineRole.Tool, Node(result.Result, "FunctionResultContent.Result")),
    };

    private static JsonNode? Node(object? value, string subject)
    {
        try
        {
            return value switch
            {
                null => null,
                JsonNode node => node.DeepClone(),
                JsonElement json => JsonNode.Parse(json.GetRawText()),
                // By the type that it has, so that a program that was compiled ahead of time says what it lacks.
                _ => JsonSerializer.SerializeToNode(value, AIJsonUtilities.DefaultOptions.GetTypeInfo(value.GetType())),
            };
        }
        catch (Exception error) when (error is NotSupportedException or JsonException or InvalidOperationException)
        {
            throw new UnsupportedRequestException($"{subject} ({value!.GetType().Name})", "it cannot be written as JSON.", error);
        }
    }
}
