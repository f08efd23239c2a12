using System.CommandLine;
using Llama4Kernels.Engine;
using Llama4Kernels.Engine.Constraints;
using Llama4Kernels.Engine.Model;

namespace Llama4Kernels.Cli.Shared;

/// <summary>The options that say what an answer keeps to.</summary>
internal sealed class ConstraintArguments
{
    private readonly Option<string?> _schema = new("--schema") { Description = "File with a JSON schema that the answer keeps to." };
    private readonly Option<string?> _regex = new("--regex") { Description = "Regular expression (ECMA-262) that the whole answer matches." };
    private readonly Option<string?> _grammar = new("--grammar") { Description = "File with a grammar in Lark's notation that the answer keeps to." };
    private readonly Option<bool> _json = new("--json") { Description = "The answer is a JSON object." };

    public void AddTo(Command command)
    {
        command.Add(_schema);
        command.Add(_regex);
        command.Add(_grammar);
        command.Add(_json);
    }

    /// <summary>The constraint that the options ask for, or null.</summary>
    /// <param name="parsed">The command line.</param>
    /// <param name="model">Whose answers are to keep to it.</param>
    /// <param name="other">The name of an option that constrains too and is given, or null.</param>
    /// <exception cref="ArgumentException">More than one is given.</exception>
    /// <exception cref="ConstraintException">It cannot be kept to.</exception>
    public ITokenConstraint? Read(ParseResult parsed, Llama4Model model, string? other = null)
    {
        (string? schema, string? regex, string? grammar) = (parsed.GetValue(_schema), parsed.GetValue(_regex), parsed.GetValue(_grammar));
        bool json = parsed.GetValue(_json);
        string[] given = [.. new[] { (schema is not null, "--schema"), (regex is not null, "--regex"), (grammar is not null, "--grammar"), (json, "--json"), (other is not null, other!) }
            .Where(option => option.Item1).Select(option => option.Item2)];
        if (given.Length > 1)
        {
            throw new ArgumentException($"{string.Join(" and ", given)} exclude each other: an answer keeps to one of them.");
        }
        if (given.Length == 0 || other is not null)
        {
            return null;
        }
        ConstraintCompiler compiler = model.Constraints;
        return schema is not null ? compiler.JsonSchema(File.ReadAllText(schema))
            : regex is not null ? compiler.Regex(regex)
            : grammar is not null ? compiler.Grammar(File.ReadAllText(grammar))
            : compiler.JsonObject();
    }
}
