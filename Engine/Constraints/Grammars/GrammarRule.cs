using Llama4Kernels.Engine.Constraints.Parsing;

namespace Llama4Kernels.Engine.Constraints.Grammars;

/// <summary>A rule of a grammar on its way to a rule of the machine.</summary>
internal sealed class GrammarRule
{
    /// <summary>The beginning of its body; null if the texts are given by <see cref="Parsed"/> alone.</summary>
    public GrammarState? Start { get; init; }

    /// <summary>What the machine runs; it never matches the empty text.</summary>
    public required Rule Parsed { get; set; }

    /// <summary>Whether the empty text belongs to it.</summary>
    public bool IsNullable { get; set; }

    /// <summary>Whether some text belongs to it.</summary>
    public bool IsProductive { get; set; }

    /// <summary>The rules that call each other before any text, this one among them; null if it does not begin with itself.</summary>
    public HashSet<GrammarRule>? LeftCycle { get; set; }
}
