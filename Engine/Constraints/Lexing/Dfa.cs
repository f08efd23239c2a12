namespace Llama4Kernels.Engine.Constraints.Lexing;

/// <summary>
/// A deterministic automaton over code points. Every state can reach an accepting one. Accepting states carry a tag (0 unless the
/// automaton sorts what it accepts). Immutable.
/// </summary>
internal sealed class Dfa
{
    public const int Dead = -1;

    /// <summary>Where the code points of a kind lead to different states.</summary>
    public const int Mixed = -2;

    // [state, class]
    private readonly int[] _table;
    private DfaKinds? _kinds;

    private Dfa(CodePointClasses classes, int[] table, int[] tags)
    {
        Classes = classes;
        _table = table;
        Tags = tags;
        Shortest = Measure(state => Tags[state] >= 0);
    }

    public CodePointClasses Classes { get; }

    /// <summary>The tag of each state, or −1 where it does not accept.</summary>
    public int[] Tags { get; }

    /// <summary>Code points of the shortest way from each state to an accepting one.</summary>
    public int[] Shortest { get; }

    public int StateCount => Tags.Length;

    /// <summary>The start is state 0; an automaton without states accepts nothing.</summary>
    public bool IsEmpty => Tags.Length == 0;

    /// <summary>Whether it accepts every text, all with one tag.</summary>
    public bool IsUniversal { get; private init; }

    private DfaKinds ByKind => Volatile.Read(ref _kinds) ?? Interlocked.CompareExchange(ref _kinds, new DfaKinds(this), null) ?? _kinds!;

    public int Next(int state, int codePoint) => _table[(state * Classes.Count) + Classes[codePoint]];

    public int NextByClass(int state, int codePointClass) => _table[(state * Classes.Count) + codePointClass];

    /// <summary>As <see cref="Next(int, int)"/>, by the kind of the code point too, which often says enough.</summary>
    public int Next(int state, int codePoint, int kind)
    {
        int only = ByKind.OnlyClass(kind);
        return only >= 0 ? NextByClass(state, only) : Next(state, codePoint);
    }

    /// <summary>The state after any code point of a kind, <see cref="Dead"/>, or <see cref="Mixed"/> where they differ.</summary>
    public int NextByKind(int state, int kind) => ByKind.Next(state, kind);

    /// <summary>The kinds that are <see cref="Mixed"/> in a state.</summary>
    public ulong SplitKinds(int state) => ByKind.Split(state);

    /// <summary>Kinds of which any text may follow a state; not always all such kinds.</summary>
    public ulong Open(int state) => ByKind.Open(state);

    /// <summary>The fewest code points after which a text that has come to a state may not go on; int.MaxValue if it always may.</summary>
    public int ToDead(int state) => ByKind.ToDead(state);

    public bool Accepts(string text)
    {
        int state = IsEmpty ? Dead : 0;
        foreach (System.Text.Rune rune in text.EnumerateRunes())
        {
            if (state == Dead)
            {
                return false;
            }
            state = Next(state, rune.Value);
        }
        return state != Dead && Tags[state] >= 0;
    }

    public int TagOf(string text)
    {
        int state = IsEmpty ? Dead : 0;
        foreach (System.Text.Rune rune in text.EnumerateRunes())
        {
            if (state == Dead)
            {
                return -1;
            }
            state = Next(state, rune.Value);
        }
        return state == Dead ? -1 : Tags[state];
    }

    /// <summary>Explores from a start and keeps what can reach acceptance.</summary>
    /// <param name="classes">The alphabet.</param>
    /// <param name="start">The first state.</param>
    /// <param name="step">The next state for a class, or none.</param>
    /// <param name="tag">A state's tag, negative where it does not accept.</param>
    /// <param name="budget">Bounds the states.</param>
    /// <param name="comparer">Compares states; null for their own way.</param>
    public static Dfa Build<TState>(
        CodePointClasses classes, TState start, Func<TState, int, (bool Alive, TState Next)> step, Func<TState, int> tag,
        ConstraintBudget budget, IEqualityComparer<TState>? comparer = null)
        where TState : notnull
    {
        Dictionary<TState, int> ids = new(comparer) { [start] = 0 };
        List<TState> states = [start];
        List<int> next = [];
        for (int state = 0; state < states.Count; state++)
        {
            budget.CountStates(1);
            for (int c = 0; c < classes.Count; c++)
            {
                (bool alive, TState target) = step(states[state], c);
                if (!alive)
                {
                    next.Add(Dead);
                    continue;
                }
                if (!ids.TryGetValue(target, out int id))
                {
                    id = states.Count;
                    ids.Add(target, id);
                    states.Add(target);
                }
                next.Add(id);
            }
        }
        (int[] table, int[] smallest) = DfaMinimizer.Run(classes.Count, next, [.. states.Select(tag)], budget);
        bool universal = smallest.Length == 1 && smallest[0] >= 0 && !table.Contains(Dead);
        return new Dfa(classes, table, smallest) { IsUniversal = universal };
    }

    /// <summary>Works out now where kinds of code points lead, whatever the size: for automata that are made once and asked for long.</summary>
    public Dfa Prepared()
    {
        Volatile.Write(ref _kinds, new DfaKinds(this, int.MaxValue));
        return this;
    }

    /// <summary>Code points of the shortest way from each state to one of some; int.MaxValue if there is none.</summary>
    public int[] Measure(Func<int, bool> isOne)
    {
        // From these backwards.
        int[] starts = new int[StateCount + 1];
        foreach (int target in _table)
        {
            if (target != Dead)
            {
                starts[target + 1]++;
            }
        }
        for (int state = 0; state < StateCount; state++)
        {
            starts[state + 1] += starts[state];
        }
        int[] sources = new int[starts[^1]];
        int[] at = [.. starts];
        for (int i = 0; i < _table.Length; i++)
        {
            if (_table[i] != Dead)
            {
                sources[at[_table[i]]++] = i / Classes.Count;
            }
        }
        int[] shortest = [.. Enumerable.Range(0, StateCount).Select(state => isOne(state) ? 0 : int.MaxValue)];
        Queue<int> pending = new(Enumerable.Range(0, StateCount).Where(state => shortest[state] == 0));
        while (pending.TryDequeue(out int state))
        {
            foreach (int source in sources.AsSpan(starts[state]..starts[state + 1]))
            {
                if (shortest[source] == int.MaxValue)
                {
                    shortest[source] = shortest[state] + 1;
                    pending.Enqueue(source);
                }
            }
        }
        return shortest;
    }
}
