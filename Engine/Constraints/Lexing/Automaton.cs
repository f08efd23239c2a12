namespace Llama4Kernels.Engine.Constraints.Lexing;

/// <summary>A deterministic automaton over bytes. From every state acceptance can be reached. Thread-safe.</summary>
internal abstract class Automaton
{
    public const int Dead = -1;

    /// <summary>The state after a byte, or <see cref="Dead"/>. The first state is 0.</summary>
    public abstract int Next(int state, byte value);

    /// <summary>The tag of a state that accepts, else −1.</summary>
    public abstract int Tag(int state);

    /// <summary>Whether some byte goes on from a state.</summary>
    public abstract bool Continues(int state);

    /// <summary>What the tokens of a vocabulary do from a state.</summary>
    public abstract Slice SliceOf(int state, VocabularyTrie vocabulary);
}
