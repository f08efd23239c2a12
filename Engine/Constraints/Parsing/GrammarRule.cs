namespace Llama4Kernels.Engine.Constraints.Parsing;

/// <summary>A rule of a grammar on its way to a rule of the machine.</summary>
internal sealed class GrammarRule
{
    /// <summary>A rule whose body begins at <see cref="Start"/>, or that is <see cref="Parsed"/> as given.</summary>
    public GrammarRule() => Parsed = new Rule(() => GrammarNode.StartOf(this));

    /// <summary>The beginning of its body; null if the rule is given.</summary>
    public GrammarState? Start { get; init; }

    /// <summary>What the machine runs; it never matches the empty text.</summary>
    public Rule Parsed { get; init; }

    /// <summary>Whether the empty text belongs to it.</summary>
    public bool IsNullable { get; set; }

    /// <summary>Whether some text belongs to it.</summary>
    public bool IsProductive { get; set; }

    /// <summary>The rules that call each other before any text, this one among them; null if it does not begin with itself.</summary>
    public HashSet<GrammarRule>? LeftCycle { get; set; }
}
