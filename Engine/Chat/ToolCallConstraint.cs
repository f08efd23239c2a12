using System.Text.Json;
using System.Text.Json.Nodes;
using Llama4Kernels.Engine.Constraints;
using Llama4Kernels.Engine.Constraints.JsonSchema;
using Llama4Kernels.Engine.Constraints.Lexing;
using Llama4Kernels.Engine.Constraints.Parsing;
using Llama4Kernels.Engine.Constraints.Regex;

namespace Llama4Kernels.Engine.Chat;

/// <summary>Constraints for answers that call tools with arguments that the tools' schemas accept.</summary>
internal static class ToolCallConstraint
{
    /// <summary>Compiles the constraint, or gives the one that the compiler keeps from the last request with the same tools and choice.</summary>
    /// <param name="compiler">The compiler of the model's vocabulary.</param>
    /// <param name="tools">The tools that may be called, at least one.</param>
    /// <param name="choice">Whether they may or must be called.</param>
    /// <param name="format">How calls are written. In the Python form arguments come in the order of the schema's properties.</param>
    /// <exception cref="ArgumentException">There is no tool, or the one chosen is not among them.</exception>
    /// <exception cref="ConstraintException">
    /// A schema is malformed or cannot be kept to (its place is the tool's name and a pointer into the schema), or in the Python form a call
    /// cannot be read with a name or arguments are needed whose names the schema does not spell.
    /// </exception>
    public static ITokenConstraint Compile(
        ConstraintCompiler compiler, IReadOnlyList<ToolDefinition> tools, ToolChoice choice, ToolPromptFormat format = ToolPromptFormat.PythonList)
    {
        ArgumentNullException.ThrowIfNull(compiler);
        ArgumentNullException.ThrowIfNull(tools);
        ArgumentNullException.ThrowIfNull(choice);
        if (tools.Count == 0)
        {
            throw new ArgumentException("There is no tool to call.", nameof(tools));
        }
        ToolDefinition[] callable = [.. tools.Where(tool => choice.Name is null || tool.Name == choice.Name)];
        if (callable.Length == 0)
        {
            throw new ArgumentException($"There is no tool {choice.Name}; there are {string.Join(", ", tools.Select(tool => tool.Name))}.", nameof(choice));
        }
        return compiler.Grammar("tools", Source(tools, choice, format), () => Answers(tools, callable, choice, format, compiler.Limits));
    }

    // All that the answers follow from.
    private static string Source(IReadOnlyList<ToolDefinition> tools, ToolChoice choice, ToolPromptFormat format) => new JsonArray(
        format.ToString(), choice.MayCall, choice.MustCall, choice.Name, choice.AllowsSeveral,
        new JsonArray([.. tools.SelectMany(tool => (JsonNode?[])[tool.Name, tool.Parameters.DeepClone()])])).ToJsonString();

    private static Grammar Answers(
        IReadOnlyList<ToolDefinition> tools, ToolDefinition[] callable, ToolChoice choice, ToolPromptFormat format, ConstraintLimits limits)
    {
        Dictionary<string, GrammarExpression> rules = new(StringComparer.Ordinal)
        {
            ["call"] = new GrammarExpression.Choice([.. callable.Select(tool => Call(tool, format, limits))]),
        };
        GrammarExpression call = new GrammarExpression.Reference("call");
        GrammarExpression calls = !choice.AllowsSeveral ? call : new GrammarExpression.Sequence(
            call, new GrammarExpression.Repeat(new GrammarExpression.Sequence(new GrammarExpression.Pattern(Separator(format)), call), 0, int.MaxValue));
        if (format == ToolPromptFormat.PythonList)
        {
            calls = new GrammarExpression.Sequence(new GrammarExpression.Literal("["), calls, new GrammarExpression.Literal("]"));
        }
        GrammarExpression text = TextWithoutCalls(tools, format, limits);
        rules["answer"] = choice.MustCall ? calls
            : choice.MayCall ? new GrammarExpression.Sequence(text, new GrammarExpression.Repeat(calls, 0, 1))
            : text;
        return new Grammar("answer", rules);
    }

    private static string Separator(ToolPromptFormat format) => format switch
    {
        ToolPromptFormat.Json => "; ?",
        ToolPromptFormat.FunctionTag => "\\n?",
        _ => ", ?",
    };

    private static GrammarExpression Call(ToolDefinition tool, ToolPromptFormat format, ConstraintLimits limits)
    {
        JsonElement schema = Schema(tool, limits);
        switch (format)
        {
            case ToolPromptFormat.Json:
                return new GrammarExpression.Sequence(
                    new GrammarExpression.Literal(JsonOpening(tool) + ", \"parameters\": "), Arguments(tool, schema), new GrammarExpression.Literal("}"));
            case ToolPromptFormat.FunctionTag:
                return new GrammarExpression.Sequence(
                    new GrammarExpression.Literal($"<function={tool.Name}>"), Arguments(tool, schema), new GrammarExpression.Literal("</function>"));
            case ToolPromptFormat.PythonList:
                return PythonCall(tool, schema);
            default:
                throw new ArgumentOutOfRangeException(nameof(format), format, "Unknown format.");
        }
    }

    // Arguments are an object, also where the schema does not say so.
    private static JsonElement Schema(ToolDefinition tool, ConstraintLimits limits)
    {
        JsonNode schema = tool.Parameters.GetValueKind() == JsonValueKind.True ? new JsonObject() : tool.Parameters.DeepClone();
        (schema as JsonObject ?? throw Error(tool, "parameters", "is no schema of an object.")).TryAdd("type", "object");
        try
        {
            return JsonElement.Parse(schema.ToJsonString(), new JsonDocumentOptions { MaxDepth = limits.MaxDepth });
        }
        catch (JsonException)
        {
            throw Error(tool, "parameters", $"nests deeper than {limits.MaxDepth} levels.");
        }
    }

    private static GrammarExpression.Value Arguments(ToolDefinition tool, JsonElement schema) => new(schema, FreeSpace: true, Owner: tool.Name);

    private static string JsonOpening(ToolDefinition tool) => $"{{\"type\": \"function\", \"name\": {PythonJson.Dumps(tool.Name)}";

    private static GrammarExpression PythonCall(ToolDefinition tool, JsonElement schema)
    {
        PythonName.CheckFunction(tool.Name, tool.Name + "#");
        return new GrammarExpression.Sequence(
            new GrammarExpression.Literal(tool.Name + "("),
            new GrammarExpression.Value(schema, JsonDialect.PythonArguments, FreeSpace: true, Owner: tool.Name));
    }

    private static ConstraintException Error(ToolDefinition tool, string keyword, string reason) => new(keyword, tool.Name + "#", reason);

    /// <summary>Texts in which no call of a tool begins.</summary>
    private static GrammarExpression.Automaton TextWithoutCalls(IReadOnlyList<ToolDefinition> tools, ToolPromptFormat format, ConstraintLimits limits)
    {
        ConstraintBudget budget = new(limits) { Subject = ("tools", string.Empty) };
        string[] openings = [.. tools.Select(tool => format switch
        {
            ToolPromptFormat.Json => JsonOpening(tool),
            ToolPromptFormat.FunctionTag => $"<function={tool.Name}>",
            _ => $"[{tool.Name}(",
        })];
        RegexAlgebra algebra = new(budget);
        RegexNode begins = algebra.Concat(algebra.Anything, algebra.Concat(algebra.Or(openings.Select(algebra.Literal).ToArray()), algebra.Anything));
        Dfa texts = RegexDerivatives.Compile(algebra, algebra.Not(begins), budget);
        return new GrammarExpression.Automaton("text without calls " + string.Join('\0', openings), texts);
    }
}
