namespace Llama4Kernels.Engine.Constraints.Lexing;

/// <summary>
/// Brings an explored automaton into its smallest form: without the states that reach no acceptance, and with one state for those that
/// accept the same. Hopcroft's algorithm: O(classes · states · log states).
/// </summary>
internal sealed class DfaMinimizer
{
    private readonly int width;
    private readonly int count;

    // [state, class], Dead where the way leads nowhere.
    private readonly int[] next;
    private readonly int[] tags;
    private readonly bool[] live;

    // sources[starts[class, state] …]: the states that a class leads to a state from.
    private readonly int[] starts;
    private readonly int[] sources;

    // The states by block: a block's are elements[first[b] … first[b] + size[b]).
    private readonly int[] elements;
    private readonly int[] placeOf;
    private readonly int[] blockOf;
    private readonly List<int> first = [];
    private readonly List<int> size = [];

    private DfaMinimizer(int width, List<int> next, int[] tags)
    {
        this.width = width;
        this.tags = tags;
        count = tags.Length;
        this.next = [.. next];
        starts = new int[(count * width) + 1];
        sources = new int[next.Count];
        elements = new int[count];
        placeOf = new int[count];
        blockOf = new int[count];
        live = new bool[count];
        FindSources();
        FindLive();
    }

    /// <summary>The table and tags of the smallest automaton; no states if nothing is accepted. The start stays state 0.</summary>
    /// <param name="width">Classes.</param>
    /// <param name="next">Successors by state and class, <see cref="Dfa.Dead"/> for none.</param>
    /// <param name="tags">Tags by state, negative where it does not accept.</param>
    /// <param name="budget">Bounds the time and memory.</param>
    public static (int[] Table, int[] Tags) Run(int width, List<int> next, int[] tags, ConstraintBudget budget)
    {
        DfaMinimizer minimizer = new(width, next, tags);
        if (tags.Length == 0 || !minimizer.live[0])
        {
            return ([], []);
        }
        minimizer.Refine(budget);
        return minimizer.Table();
    }

    private void FindSources()
    {
        for (int i = 0; i < next.Length; i++)
        {
            if (next[i] != Dfa.Dead)
            {
                starts[(i % width * count) + next[i] + 1]++;
            }
        }
        for (int i = 1; i < starts.Length; i++)
        {
            starts[i] += starts[i - 1];
        }
        int[] at = [.. starts];
        for (int i = 0; i < next.Length; i++)
        {
            if (next[i] != Dfa.Dead)
            {
                sources[at[(i % width * count) + next[i]]++] = i / width;
            }
        }
    }

    private ReadOnlySpan<int> Sources(int c, int state)
    {
        int at = (c * count) + state;
        return sources.AsSpan(starts[at]..starts[at + 1]);
    }

    private void FindLive()
    {
        Stack<int> pending = new();
        for (int state = 0; state < count; state++)
        {
            if (tags[state] >= 0)
            {
                live[state] = true;
                pending.Push(state);
            }
        }
        while (pending.TryPop(out int state))
        {
            for (int c = 0; c < width; c++)
            {
                foreach (int source in Sources(c, state))
                {
                    if (!live[source])
                    {
                        live[source] = true;
                        pending.Push(source);
                    }
                }
            }
        }
    }

    private void Refine(ConstraintBudget budget)
    {
        // By tag; what is not live is a block too, which nothing splits from within.
        int[] order = [.. Enumerable.Range(0, count).OrderBy(state => live[state] ? tags[state] : int.MinValue)];
        for (int i = 0; i < count; i++)
        {
            int state = order[i];
            bool same = i > 0 && live[state] == live[order[i - 1]] && (!live[state] || tags[state] == tags[order[i - 1]]);
            if (!same)
            {
                first.Add(i);
                size.Add(0);
            }
            elements[i] = state;
            placeOf[state] = i;
            blockOf[state] = first.Count - 1;
            size[^1]++;
        }
        Stack<(int Block, int Class)> pending = new();
        HashSet<long> waiting = [];
        for (int block = 0; block < first.Count; block++)
        {
            // Where nothing else splits, what is not live does not either.
            for (int c = 0; c < width && live[elements[first[block]]]; c++)
            {
                waiting.Add(((long)block * width) + c);
                pending.Push((block, c));
            }
        }
        List<int> met = [];
        List<int> touched = [];
        List<int> hits = [];
        while (pending.TryPop(out (int Block, int Class) splitter))
        {
            budget.CheckTime();
            waiting.Remove(((long)splitter.Block * width) + splitter.Class);
            met.Clear();
            for (int i = first[splitter.Block]; i < first[splitter.Block] + size[splitter.Block]; i++)
            {
                met.AddRange(Sources(splitter.Class, elements[i]));
            }
            // Whoever leads there moves to the front of its block.
            foreach (int state in met)
            {
                int block = blockOf[state];
                while (hits.Count < first.Count)
                {
                    hits.Add(0);
                }
                if (hits[block] == 0)
                {
                    touched.Add(block);
                }
                Swap(placeOf[state], first[block] + hits[block]++);
            }
            foreach (int block in touched)
            {
                int hit = hits[block];
                hits[block] = 0;
                if (hit == size[block])
                {
                    continue;
                }
                int added = first.Count;
                first.Add(first[block]);
                size.Add(hit);
                first[block] += hit;
                size[block] -= hit;
                for (int i = first[added]; i < first[added] + hit; i++)
                {
                    blockOf[elements[i]] = added;
                }
                for (int c = 0; c < width; c++)
                {
                    int smaller = waiting.Contains(((long)block * width) + c) || size[added] <= size[block] ? added : block;
                    if (waiting.Add(((long)smaller * width) + c))
                    {
                        pending.Push((smaller, c));
                    }
                }
            }
            touched.Clear();
        }
    }

    private void Swap(int one, int other)
    {
        (elements[one], elements[other]) = (elements[other], elements[one]);
        placeOf[elements[one]] = one;
        placeOf[elements[other]] = other;
    }

    // Blocks are numbered as their states come, so that the start's is 0.
    private (int[] Table, int[] Tags) Table()
    {
        int[] number = [.. Enumerable.Repeat(-1, first.Count)];
        List<int> representatives = [];
        for (int state = 0; state < count; state++)
        {
            if (live[state] && number[blockOf[state]] < 0)
            {
                number[blockOf[state]] = representatives.Count;
                representatives.Add(state);
            }
        }
        int[] table = new int[representatives.Count * width];
        for (int i = 0; i < table.Length; i++)
        {
            int target = next[(representatives[i / width] * width) + (i % width)];
            table[i] = target == Dfa.Dead || !live[target] ? Dfa.Dead : number[blockOf[target]];
        }
        return (table, [.. representatives.Select(state => tags[state])]);
    }
}
