namespace Llama4Kernels.Engine.Constraints.Grammars;

/// <summary>A part of a definition, as it is written.</summary>
internal abstract record GrammarTerm(string Place)
{
    /// <summary>One of several; a single one stands for itself.</summary>
    public sealed record Alternatives(string Place, IReadOnlyList<GrammarTerm> Parts) : GrammarTerm(Place);

    /// <summary>One after the other, possibly none.</summary>
    public sealed record Sequence(string Place, IReadOnlyList<GrammarTerm> Parts) : GrammarTerm(Place);

    /// <summary>Several times; at most <see cref="int.MaxValue"/> is without bound.</summary>
    public sealed record Repeat(string Place, GrammarTerm Part, int Min, int Max) : GrammarTerm(Place);

    /// <summary>A rule or terminal by its name.</summary>
    public sealed record Reference(string Place, string Name) : GrammarTerm(Place);

    /// <summary>A text.</summary>
    public sealed record Text(string Place, string Value, bool IgnoresCase) : GrammarTerm(Place);

    /// <summary>One character from one to another.</summary>
    public sealed record Span(string Place, int Low, int High) : GrammarTerm(Place);

    /// <summary>A regular expression.</summary>
    public sealed record Expression(string Place, string Pattern) : GrammarTerm(Place);

    /// <summary>A document of a JSON schema.</summary>
    public sealed record Schema(string Place, string Json) : GrammarTerm(Place);
}
