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
    private readonly int[] table;
    private DfaKinds? kinds;

    private Dfa(CodePointClasses classes, int[] table, int[] tags)
    {
        Classes = classes;
        this.table = table;
        Tags = tags;
        Shortest = MeasureShortest();
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

    private DfaKinds ByKind => Volatile.Read(ref kinds) ?? Interlocked.CompareExchange(ref kinds, new DfaKinds(this), null) ?? kinds!;

    public int Next(int state, int codePoint) => table[(state * Classes.Count) + Classes[codePoint]];

    public int NextByClass(int state, int codePointClass) => table[(state * Classes.Count) + codePointClass];

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
        return Trim(classes, next, [.. states.Select(tag)]);
    }

    private static Dfa Trim(CodePointClasses classes, List<int> next, int[] tags)
    {
        int width = classes.Count;
        List<int>?[] sources = new List<int>?[tags.Length];
        for (int i = 0; i < next.Count; i++)
        {
            if (next[i] != Dead)
            {
                List<int> into = sources[next[i]] ??= [];
                if (into.Count == 0 || into[^1] != i / width)
                {
                    into.Add(i / width);
                }
            }
        }
        bool[] live = new bool[tags.Length];
        Stack<int> pending = new();
        for (int state = 0; state < tags.Length; state++)
        {
            if (tags[state] >= 0)
            {
                live[state] = true;
                pending.Push(state);
            }
        }
        while (pending.TryPop(out int state))
        {
            foreach (int source in sources[state] ?? [])
            {
                if (!live[source])
                {
                    live[source] = true;
                    pending.Push(source);
                }
            }
        }
        if (tags.Length == 0 || !live[0])
        {
            return new Dfa(classes, [], []);
        }
        return Minimize(classes, next, tags, live);
    }

    // Moore's refinement: blocks by tag, split by the blocks that the classes lead to until nothing splits.
    private static Dfa Minimize(CodePointClasses classes, List<int> next, int[] tags, bool[] live)
    {
        int width = classes.Count;
        int[] block = new int[tags.Length];
        Dictionary<int, int> byTag = [];
        int count = 0;
        for (int state = 0; state < tags.Length; state++)
        {
            if (live[state] && !byTag.TryGetValue(tags[state], out block[state]))
            {
                byTag.Add(tags[state], block[state] = count++);
            }
        }
        while (true)
        {
            Dictionary<int[], int> bySignature = new(SequenceComparer.Instance);
            int[] refined = new int[tags.Length];
            for (int state = 0; state < tags.Length; state++)
            {
                if (!live[state])
                {
                    continue;
                }
                int[] signature = new int[width + 1];
                signature[width] = block[state];
                for (int c = 0; c < width; c++)
                {
                    int target = next[(state * width) + c];
                    signature[c] = target == Dead || !live[target] ? Dead : block[target];
                }
                if (!bySignature.TryGetValue(signature, out refined[state]))
                {
                    bySignature.Add(signature, refined[state] = bySignature.Count);
                }
            }
            block = refined;
            if (bySignature.Count == count)
            {
                break;
            }
            count = bySignature.Count;
        }
        return FromBlocks(classes, next, tags, live, block, count);
    }

    private static Dfa FromBlocks(CodePointClasses classes, List<int> next, int[] tags, bool[] live, int[] block, int count)
    {
        int width = classes.Count;
        // State 0 is live and comes first, so its block is 0.
        int[] table = new int[count * width];
        int[] blockTags = new int[count];
        for (int state = 0; state < tags.Length; state++)
        {
            if (!live[state])
            {
                continue;
            }
            blockTags[block[state]] = tags[state];
            for (int c = 0; c < width; c++)
            {
                int target = next[(state * width) + c];
                table[(block[state] * width) + c] = target == Dead || !live[target] ? Dead : block[target];
            }
        }
        bool universal = count == 1 && blockTags[0] >= 0 && !table.Contains(Dead);
        return new Dfa(classes, table, blockTags) { IsUniversal = universal };
    }

    private int[] MeasureShortest()
    {
        int[] shortest = [.. Tags.Select(tag => tag >= 0 ? 0 : int.MaxValue)];
        for (bool changed = true; changed;)
        {
            changed = false;
            for (int state = StateCount - 1; state >= 0; state--)
            {
                for (int c = 0; c < Classes.Count; c++)
                {
                    int target = table[(state * Classes.Count) + c];
                    if (target != Dead && shortest[target] != int.MaxValue && shortest[target] + 1 < shortest[state])
                    {
                        shortest[state] = shortest[target] + 1;
                        changed = true;
                    }
                }
            }
        }
        return shortest;
    }
}
