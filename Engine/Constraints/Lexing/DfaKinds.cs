using System.Numerics;

namespace Llama4Kernels.Engine.Constraints.Lexing;

/// <summary>Where the kinds of code points lead in an automaton, worked out when it is first asked for. Thread-safe.</summary>
internal sealed class DfaKinds
{
    /// <summary>In larger automata only what leads back to its state is known to be open, unless it is asked for.</summary>
    public const int MaxStates = 2048;

    private const int MaxRounds = 32;

    private readonly Dfa _dfa;
    private readonly int[][] _classesOf;
    private readonly int[] _onlyClass;
    private readonly State?[] _states;
    private readonly ulong[]? _open;
    private readonly int[] _toClosed;

    /// <param name="dfa">The automaton.</param>
    /// <param name="maxStates">The most states of which all is worked out that is open.</param>
    public DfaKinds(Dfa dfa, int maxStates = MaxStates)
    {
        _dfa = dfa;
        _classesOf = [.. Enumerable.Range(0, CodePointKinds.Count).Select(kind =>
        {
            (int first, int last) = CodePointKinds.Range(kind);
            return dfa.Classes.Within(first, last);
        })];
        _onlyClass = [.. _classesOf.Select(classes => classes.Length == 1 ? classes[0] : -1)];
        _states = new State?[dfa.StateCount];
        _open = dfa.StateCount <= maxStates ? FindOpen() : null;
        int[] classes = [.. _classesOf.SelectMany(some => some).Distinct()];
        _toClosed = dfa.Measure(state => Array.Exists(classes, c => dfa.NextByClass(state, c) == Dfa.Dead));
    }

    /// <summary>The state after any code point of a kind, <see cref="Dfa.Dead"/> or <see cref="Dfa.Mixed"/>.</summary>
    public int Next(int state, int kind) => At(state).Next[kind];

    /// <summary>The class of all code points of a kind; −1 if there are several.</summary>
    public int OnlyClass(int kind) => _onlyClass[kind];

    /// <summary>The kinds that are mixed in a state.</summary>
    public ulong Split(int state) => At(state).Split;

    /// <summary>Kinds of which any text may follow; not always all.</summary>
    public ulong Open(int state) => _open is null ? At(state).Loops : _open[state];

    /// <summary>The fewest code points after which a text may not go on; int.MaxValue if it always may.</summary>
    public int ToDead(int state) => _toClosed[state] == int.MaxValue ? int.MaxValue : _toClosed[state] + 1;

    private State At(int state)
    {
        if (Volatile.Read(ref _states[state]) is { } known)
        {
            return known;
        }
        int[] next = new int[CodePointKinds.Count];
        ulong loops = 0;
        ulong split = 0;
        for (int kind = 0; kind < next.Length; kind++)
        {
            int[] classes = _classesOf[kind];
            next[kind] = _dfa.NextByClass(state, classes[0]);
            for (int i = 1; i < classes.Length && next[kind] != Dfa.Mixed; i++)
            {
                next[kind] = _dfa.NextByClass(state, classes[i]) == next[kind] ? next[kind] : Dfa.Mixed;
            }
            loops |= next[kind] == state ? CodePointKinds.Bit(kind) : 0;
            split |= next[kind] == Dfa.Mixed ? CodePointKinds.Bit(kind) : 0;
        }
        State found = new(next, loops, split);
        Volatile.Write(ref _states[state], found);
        return found;
    }

    // Each open kind must lead to where all open kinds are open. One that leads to where it is closed itself is given up, or where kinds
    // are closed of which more tokens consist; for one that does not, the others are that are closed there.
    private ulong[]? FindOpen()
    {
        ulong[] kinds = [.. Enumerable.Range(0, _dfa.StateCount).Select(Alive)];
        for (int round = 0; round < MaxRounds; round++)
        {
            bool changed = false;
            for (int state = kinds.Length - 1; state >= 0; state--)
            {
                ulong now = kinds[state];
                for (ulong left = now; left != 0; left &= left - 1)
                {
                    int kind = BitOperations.TrailingZeroCount(left);
                    foreach (int c in _classesOf[kind])
                    {
                        ulong there = kinds[_dfa.NextByClass(state, c)];
                        if ((now & ~there) != 0)
                        {
                            bool closesWide = (now & ~there & CodePointKinds.Wide) != 0 && (CodePointKinds.Bit(kind) & CodePointKinds.Wide) == 0;
                            now = (there & CodePointKinds.Bit(kind)) != 0 && !closesWide ? now & there : now & ~CodePointKinds.Bit(kind);
                        }
                    }
                }
                changed |= now != kinds[state];
                kinds[state] = now;
            }
            if (!changed)
            {
                return kinds;
            }
        }
        return null;
    }

    private ulong Alive(int state)
    {
        ulong alive = 0;
        for (int kind = 0; kind < CodePointKinds.Count; kind++)
        {
            bool all = true;
            foreach (int c in _classesOf[kind])
            {
                all &= _dfa.NextByClass(state, c) != Dfa.Dead;
            }
            alive |= all ? CodePointKinds.Bit(kind) : 0;
        }
        return alive;
    }

    private sealed record State(int[] Next, ulong Loops, ulong Split);
}
