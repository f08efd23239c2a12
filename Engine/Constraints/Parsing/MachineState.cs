using Llama4Kernels.Engine.Constraints.Lexing;

namespace Llama4Kernels.Engine.Constraints.Parsing;

/// <summary>
/// All that a constraint knows after some text: the terminals that the text may be in, and whether it may end. What follows from it is
/// remembered here: the states after each byte and the mask.
/// </summary>
internal sealed class MachineState(MachineState.Head[] heads, bool mayEnd)
{
    // Successors by the byte's high and low half; many states have few.
    private readonly MachineState?[]?[] next = new MachineState?[]?[16];
    private StateMask? mask;
    private (SuffixTrie Rests, ulong[] Possible)? rests;

    /// <summary>After a text that cannot be.</summary>
    public static MachineState Dead { get; } = new([], false);

    public Head[] Heads => heads;

    /// <summary>The marks of all terminals that may come next.</summary>
    public ElementMark Marks { get; } = heads.Aggregate(ElementMark.None, (marks, head) => marks | head.Terminal.Mark);

    public bool MayEnd => mayEnd;

    public StateMask? Mask
    {
        get => Volatile.Read(ref mask);
        set => Volatile.Write(ref mask, value);
    }

    /// <summary>The tokens that are the only way on, once they have been asked for.</summary>
    public int[]? Forced { get; set; }

    /// <summary>The state after a byte, if it is known.</summary>
    public MachineState? Known(byte value) => Volatile.Read(ref next[value >> 4]) is { } row ? Volatile.Read(ref row[value & 15]) : null;

    public void Remember(byte value, MachineState state)
    {
        MachineState?[] row = next[value >> 4] ?? new MachineState?[16];
        Volatile.Write(ref row[value & 15], state);
        Volatile.Write(ref next[value >> 4], row);
    }

    /// <summary>Which rests of tokens may follow, as bits by node, if it is known; asked under the machine's lock.</summary>
    public ulong[]? PossibleRests(SuffixTrie of) => rests is (SuffixTrie known, ulong[] possible) && ReferenceEquals(known, of) ? possible : null;

    public void RememberRests(SuffixTrie of, ulong[] possible) => rests = (of, possible);

    /// <summary>A terminal, the state of its automaton, and the calls that are open.</summary>
    public readonly record struct Head(Node.Terminal Terminal, int State, StackNode Stack);
}
