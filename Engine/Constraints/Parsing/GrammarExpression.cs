using System.Text.Json;
using Llama4Kernels.Engine.Constraints.JsonSchema;
using Llama4Kernels.Engine.Constraints.Lexing;
using Llama4Kernels.Engine.Constraints.Regex;

namespace Llama4Kernels.Engine.Constraints.Parsing;

/// <summary>A part of a <see cref="Grammar"/>.</summary>
internal abstract record GrammarExpression
{
    /// <summary>A fixed text; may be empty.</summary>
    public sealed record Literal(string Text) : GrammarExpression;

    /// <summary>Texts of a regular expression, from beginning to end.</summary>
    public sealed record Pattern(string Expression) : GrammarExpression;

    /// <summary>One character of a set.</summary>
    public sealed record Character(CodePointSet Set) : GrammarExpression;

    /// <summary>Texts of an automaton, as they are.</summary>
    /// <param name="Key">Equal keys mean equal automata.</param>
    /// <param name="Texts">The texts.</param>
    public sealed record Automaton(string Key, Dfa Texts) : GrammarExpression;

    /// <summary>A rule by its name.</summary>
    public sealed record Reference(string Rule) : GrammarExpression;

    /// <summary>One after the other.</summary>
    public sealed record Sequence(params IReadOnlyList<GrammarExpression> Parts) : GrammarExpression;

    /// <summary>Any of them.</summary>
    public sealed record Choice(params IReadOnlyList<GrammarExpression> Parts) : GrammarExpression;

    /// <summary>Several times; without an upper bound int.MaxValue.</summary>
    public sealed record Repeat(GrammarExpression Part, int Min, int Max) : GrammarExpression;

    /// <summary>A value that a JSON Schema accepts.</summary>
    /// <param name="Schema">The schema.</param>
    /// <param name="Dialect">How values are written.</param>
    /// <param name="FreeSpace">Whether they may hold white space.</param>
    /// <param name="Owner">Whose schema it is, for errors.</param>
    public sealed record Value(
        JsonElement Schema, JsonDialect Dialect = JsonDialect.Json, bool FreeSpace = false, string Owner = "") : GrammarExpression;
}
