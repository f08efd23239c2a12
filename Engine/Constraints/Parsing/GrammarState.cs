using Llama4Kernels.Engine.Constraints.Lexing;

namespace Llama4Kernels.Engine.Constraints.Parsing;

/// <summary>A place in a rule's body: what may come there, and where it leads.</summary>
internal sealed class GrammarState
{
    public List<(Automaton Automaton, GrammarState Target)> Terminals { get; } = [];

    public List<(GrammarRule Rule, GrammarState Target)> Calls { get; } = [];

    /// <summary>Places that are as good as this one.</summary>
    public List<GrammarState> Empty { get; } = [];

    /// <summary>Whether the rule may end here.</summary>
    public bool IsFinal { get; set; }
}
