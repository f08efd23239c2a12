namespace Llama4Kernels.Engine.Constraints.Lexing;

/// <summary>
/// What the tokens do from one state of an automaton: those that stay inside it or just complete it, and, for those that go on after it
/// accepts, what they say then. Immutable.
/// </summary>
internal sealed class Slice(ulong[]? dense, int[] sparse, Slice.Exit[] exits)
{
    /// <summary>The tokens as bits, where they are many; else null.</summary>
    public ulong[]? Dense => dense;

    /// <summary>The tokens, where they are few.</summary>
    public int[] Sparse => sparse;

    public Exit[] Exits => exits;

    /// <summary>Acceptance with a tag, and the rests of the tokens that go on.</summary>
    public readonly record struct Exit(int Tag, SuffixTrie Rests);
}
