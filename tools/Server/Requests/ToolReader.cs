using System.Text.Json;
using System.Text.Json.Nodes;
using System.Text.RegularExpressions;
using Llama4Kernels.Engine.Chat;
using Llama4Kernels.Server.Errors;

namespace Llama4Kernels.Server.Requests;

/// <summary>Tools as a request declares them, and which of them are to be called.</summary>
/// <param name="Definitions">The tools, possibly none.</param>
/// <param name="Choice">What the answer keeps to; null lets the model write what it likes.</param>
/// <param name="IsText">The answer is to be text: what it keeps to may be a schema.</param>
/// <param name="AllowsSeveral">Whether an answer may call more than one.</param>
internal sealed record RequestTools(IReadOnlyList<ToolDefinition> Definitions, ToolChoice? Choice, bool IsText, bool AllowsSeveral);

/// <summary>Reads tools and the choice of them.</summary>
internal static partial class ToolReader
{
    private static readonly RequestField[] s_function = ["name", "description", "parameters", "strict"];

    /// <summary>The tools of a chat, whose functions stand in objects of their own, or of a response, where they do not.</summary>
    /// <param name="request">The request.</param>
    /// <param name="limits">The server's.</param>
    /// <param name="isFlat">Whether a function's fields stand beside the type.</param>
    public static RequestTools Read(Fields request, ServerLimits limits, bool isFlat)
    {
        List<ToolDefinition> tools = [];
        bool isStrict = false;
        foreach ((JsonElement item, string path) in request.List("tools", limits.MaxTools))
        {
            Fields tool = Fields.Of(item, path);
            if (tool.NeedText("type") != "function")
            {
                throw ApiException.Unsupported(tool.At("type"), "Only functions can be called.");
            }
            Fields function = isFlat ? tool : tool.NeedObject("function");
            tool.Check(isFlat ? [.. s_function, "type"] : ["type", "function"]);
            function.Check(isFlat ? [.. s_function, "type"] : s_function);
            string name = NameOf(function);
            if (tools.Any(other => other.Name == name))
            {
                throw ApiException.Invalid(function.At("name"), $"The tool '{name}' is declared twice.");
            }
            isStrict |= function.Flag("strict");
            tools.Add(new ToolDefinition(name, function.Text("description") ?? string.Empty, Parameters(function, limits)));
        }
        return Choose(request, tools, isStrict, isFlat);
    }

    /// <summary>A tool's name, of the characters that OpenAI allows.</summary>
    public static string NameOf(Fields function)
    {
        string name = function.NeedText("name");
        return Name().IsMatch(name)
            ? name
            : throw ApiException.Invalid(function.At("name"), $"'{function.At("name")}' must be 1 to 64 letters, digits, '_' and '-'.");
    }

    private static JsonNode Parameters(Fields function, ServerLimits limits)
    {
        if (function.Object("parameters") is not Fields parameters)
        {
            return new JsonObject { ["type"] = "object", ["properties"] = new JsonObject() };
        }
        string text = parameters.Element.GetRawText();
        return text.Length <= limits.MaxSchemaLength
            ? JsonNode.Parse(text)!
            : throw ApiException.Invalid(function.At("parameters"), $"The schema has {text.Length} characters; {limits.MaxSchemaLength} are allowed.");
    }

    private static RequestTools Choose(Fields request, List<ToolDefinition> tools, bool isStrict, bool isFlat)
    {
        const string Field = "tool_choice";
        bool several = request.Flag("parallel_tool_calls", usual: true);
        // The model writes what it likes where nothing is demanded of its calls; arguments keep to the schemas where a tool is strict, as OpenAI has it.
        ToolChoice? auto = isStrict || !several ? ToolChoice.Auto with { AllowsSeveral = several } : null;
        if (request.Any(Field) is not JsonElement choice)
        {
            return tools.Count == 0 ? new RequestTools(tools, null, true, several) : new RequestTools(tools, auto, false, several);
        }
        if (choice.ValueKind == JsonValueKind.String)
        {
            return choice.GetString() switch
            {
                // No tool, no call: clients say so by habit.
                "none" or "auto" when tools.Count == 0 => new RequestTools(tools, null, true, several),
                "none" => new RequestTools(tools, ToolChoice.None, true, several),
                "auto" => new RequestTools(tools, auto, false, several),
                "required" when tools.Count > 0 => new RequestTools(tools, ToolChoice.Required with { AllowsSeveral = several }, false, several),
                "required" => throw ApiException.Invalid(Field, "There is no tool to call."),
                _ => throw ApiException.Invalid(Field, "'tool_choice' must be none, auto, required or the name of a function in an object."),
            };
        }
        Fields named = Fields.Of(choice, Field);
        if (named.NeedText("type") != "function")
        {
            throw ApiException.Unsupported(named.At("type"), "Only a function can be chosen.");
        }
        named.Check(isFlat ? ["type", "name"] : ["type", "function"]);
        Fields function = isFlat ? named : named.NeedObject("function");
        string name = NameOf(function);
        return tools.Any(tool => tool.Name == name)
            ? new RequestTools(tools, ToolChoice.Named(name), false, several)
            : throw ApiException.Invalid(function.At("name"), $"There is no tool '{name}'.");
    }

    [GeneratedRegex(@"\A[A-Za-z0-9_-]{1,64}\z")]
    private static partial Regex Name();
}
