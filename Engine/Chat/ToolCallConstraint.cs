using System.Text.Json;
using System.Text.Json.Nodes;
using System.Text.RegularExpressions;
using Llama4Kernels.Engine.Constraints;
using Llama4Kernels.Engine.Constraints.JsonSchema;
using Llama4Kernels.Engine.Constraints.Lexing;
using Llama4Kernels.Engine.Constraints.Parsing;
using Llama4Kernels.Engine.Constraints.Regex;

namespace Llama4Kernels.Engine.Chat;

/// <summary>Constraints for answers that call tools with arguments that the tools' schemas accept.</summary>
public static partial class ToolCallConstraint
{
    // What a schema may say about the arguments as a whole in the Python form; the rest of it would not be kept to.
    private static readonly HashSet<string> ArgumentKeywords = new(StringComparer.Ordinal)
    {
        "type", "properties", "required", "additionalProperties", "$defs", "definitions", "$schema", "$id", "title", "description", "examples", "default",
    };

    /// <summary>Compiles the constraint.</summary>
    /// <param name="compiler">The compiler of the model's vocabulary.</param>
    /// <param name="tools">The tools that may be called, at least one.</param>
    /// <param name="choice">Whether they may or must be called.</param>
    /// <param name="format">How calls are written. In the Python form arguments come in the order of the schema's properties.</param>
    /// <exception cref="ArgumentException">There is no tool, or the one chosen is not among them.</exception>
    /// <exception cref="ConstraintException">
    /// A schema cannot be kept to, or in the Python form a name is no identifier of Python or the arguments as a whole have conditions.
    /// </exception>
    public static Constraint Compile(
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
        Dictionary<string, GrammarExpression> rules = new(StringComparer.Ordinal)
        {
            ["call"] = new GrammarExpression.Choice([.. callable.Select(tool => Call(tool, format))]),
        };
        GrammarExpression call = new GrammarExpression.Reference("call");
        GrammarExpression calls = choice.Name is not null ? call : new GrammarExpression.Sequence(
            call, new GrammarExpression.Repeat(new GrammarExpression.Sequence(new GrammarExpression.Pattern(Separator(format)), call), 0, int.MaxValue));
        if (format == ToolPromptFormat.PythonList)
        {
            calls = new GrammarExpression.Sequence(new GrammarExpression.Literal("["), calls, new GrammarExpression.Literal("]"));
        }
        GrammarExpression text = TextWithoutCalls(tools, format);
        rules["answer"] = choice.MustCall ? calls
            : choice.MayCall ? new GrammarExpression.Sequence(text, new GrammarExpression.Repeat(calls, 0, 1))
            : text;
        return compiler.FromGrammar(new Grammar("answer", rules));
    }

    private static string Separator(ToolPromptFormat format) => format switch
    {
        ToolPromptFormat.Json => "; ?",
        ToolPromptFormat.FunctionTag => "\\n?",
        _ => ", ?",
    };

    private static GrammarExpression Call(ToolDefinition tool, ToolPromptFormat format)
    {
        switch (format)
        {
            case ToolPromptFormat.Json:
                return new GrammarExpression.Sequence(
                    new GrammarExpression.Literal(JsonOpening(tool) + ", \"parameters\": "), Arguments(tool), new GrammarExpression.Literal("}"));
            case ToolPromptFormat.FunctionTag:
                return new GrammarExpression.Sequence(
                    new GrammarExpression.Literal($"<function={tool.Name}>"), Arguments(tool), new GrammarExpression.Literal("</function>"));
            case ToolPromptFormat.PythonList:
                return PythonCall(tool);
            default:
                throw new ArgumentOutOfRangeException(nameof(format), format, "Unknown format.");
        }
    }

    // Arguments are an object, also where the schema does not say so.
    private static GrammarExpression.Value Arguments(ToolDefinition tool)
    {
        JsonObject schema = tool.Parameters.DeepClone() as JsonObject ?? [];
        schema.TryAdd("type", "object");
        return new GrammarExpression.Value(JsonElement.Parse(schema.ToJsonString()), FreeSpace: true);
    }

    private static string JsonOpening(ToolDefinition tool) => $"{{\"type\": \"function\", \"name\": {PythonJson.Dumps(tool.Name)}";

    private static GrammarExpression PythonCall(ToolDefinition tool)
    {
        CheckName(tool, tool.Name);
        JsonObject schema = tool.Parameters as JsonObject ?? [];
        if (schema.FirstOrDefault(member => !ArgumentKeywords.Contains(member.Key)) is { Key: string keyword })
        {
            throw new ConstraintException(keyword, $"#/{keyword}", $"stands for the arguments of {tool.Name} as a whole, which calls in Python's form cannot keep to; call it in the JSON form.");
        }
        JsonObject properties = schema["properties"] as JsonObject ?? [];
        HashSet<string> required = [.. (schema["required"] as JsonArray ?? []).Select(name => name!.GetValue<string>())];
        List<(string Name, GrammarExpression Value)> parameters = [];
        foreach ((string name, JsonNode? value) in properties.Concat(required.Where(name => !properties.ContainsKey(name)).Select(name => KeyValuePair.Create<string, JsonNode?>(name, JsonValue.Create(true)))))
        {
            CheckName(tool, name);
            // What a reference may point to stays where the schema has it.
            JsonObject whole = new() { ["allOf"] = new JsonArray(value?.DeepClone()) };
            foreach (string definitions in (string[])["$schema", "$defs", "definitions"])
            {
                if (schema[definitions] is JsonNode known)
                {
                    whole[definitions] = known.DeepClone();
                }
            }
            parameters.Add((name, new GrammarExpression.Value(JsonElement.Parse(whole.ToJsonString()), JsonDialect.Python, FreeSpace: true)));
        }
        return new GrammarExpression.Sequence(
            new GrammarExpression.Literal(tool.Name + "("), Assignments(parameters, required), new GrammarExpression.Literal(")"));
    }

    // x=1, y=2: what comes first has no comma before it, so there is one way for each parameter that may be the first.
    private static GrammarExpression Assignments(List<(string Name, GrammarExpression Value)> parameters, HashSet<string> required)
    {
        GrammarExpression first = new GrammarExpression.Literal(string.Empty);
        GrammarExpression rest = first;
        for (int i = parameters.Count - 1; i >= 0; i--)
        {
            (string name, GrammarExpression value) = parameters[i];
            GrammarExpression assignment = new GrammarExpression.Sequence(new GrammarExpression.Literal(name + "="), value);
            GrammarExpression begun = new GrammarExpression.Sequence(assignment, rest);
            GrammarExpression continued = new GrammarExpression.Sequence(new GrammarExpression.Pattern(", ?"), assignment);
            bool must = required.Contains(name);
            first = must ? begun : new GrammarExpression.Choice(begun, first);
            rest = new GrammarExpression.Sequence(must ? continued : new GrammarExpression.Repeat(continued, 0, 1), rest);
        }
        return first;
    }

    private static void CheckName(ToolDefinition tool, string name)
    {
        if (!Identifier().IsMatch(name))
        {
            throw new ConstraintException("name", $"{tool.Name}", $"'{name}' is no name in Python; call the tool in the JSON form.");
        }
    }

    /// <summary>Texts in which no call of a tool begins.</summary>
    private static GrammarExpression.Automaton TextWithoutCalls(IReadOnlyList<ToolDefinition> tools, ToolPromptFormat format)
    {
        string[] openings = [.. tools.Select(tool => format switch
        {
            ToolPromptFormat.Json => JsonOpening(tool),
            ToolPromptFormat.FunctionTag => $"<function={tool.Name}>",
            _ => $"[{tool.Name}(",
        })];
        RegexAlgebra algebra = new(ConstraintBudget.Unbounded());
        RegexNode begins = algebra.Concat(algebra.Anything, algebra.Concat(algebra.Or(openings.Select(algebra.Literal).ToArray()), algebra.Anything));
        Dfa texts = RegexDerivatives.Compile(algebra, algebra.Not(begins), ConstraintBudget.Unbounded());
        return new GrammarExpression.Automaton("text without calls " + string.Join('\0', openings), texts);
    }

    [GeneratedRegex("^[A-Za-z_][A-Za-z0-9_]*$")]
    private static partial Regex Identifier();
}
