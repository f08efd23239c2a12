namespace Llama4Kernels.Engine.Constraints.Lexing;

/// <summary>
/// Brings an explored automaton into its smallest form: without the states that reach no acceptance, and with one state for those that
/// accept the same. Hopcroft's algorithm: O(classes · states · log states).
/// </summary>
internal sealed class DfaMinimizer
{
    private readonly int _width;
    private readonly int _count;

    // [state, class], Dead where the way leads nowhere.
    private readonly int[] _next;
    private readonly int[] _tags;
    private readonly bool[] _live;

    // sources[starts[class, state] …]: the states that a class leads to a state from.
    private readonly int[] _starts;
    private readonly int[] _sources;

    // The states by block: a block's are elements[first[b] … first[b] + size[b]).
    private readonly int[] _elements;
    private readonly int[] _placeOf;
    private readonly int[] _blockOf;
    private readonly List<int> _first = [];
    private readonly List<int> _size = [];

    private DfaMinimizer(int width, List<int> next, int[] tags)
    {
        _width = width;
        _tags = tags;
        _count = tags.Length;
        _next = [.. next];
        _starts = new int[(_count * width) + 1];
        _sources = new int[next.Count];
        _elements = new int[_count];
        _placeOf = new int[_count];
        _blockOf = new int[_count];
        _live = new bool[_count];
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
        if (tags.Length == 0 || !minimizer._live[0])
        {
            return ([], []);
        }
        minimizer.Refine(budget);
        return minimizer.Table();
    }

    private void FindSources()
    {
        for (int i = 0; i < _next.Length; i++)
        {
            if (_next[i] != Dfa.Dead)
            {
                _starts[(i % _width * _count) + _next[i] + 1]++;
            }
        }
        for (int i = 1; i < _starts.Length; i++)
        {
            _starts[i] += _starts[i - 1];
        }
        int[] at = [.. _starts];
        for (int i = 0; i < _next.Length; i++)
        {
            if (_next[i] != Dfa.Dead)
            {
                _sources[at[(i % _width * _count) + _next[i]]++] = i / _width;
            }
        }
    }

    private ReadOnlySpan<int> Sources(int c, int state)
    {
        int at = (c * _count) + state;
        return _sources.AsSpan(_starts[at].._starts[at + 1]);
    }

    private void FindLive()
    {
        Stack<int> pending = new();
        for (int state = 0; state < _count; state++)
        {
            if (_tags[state] >= 0)
            {
                _live[state] = true;
                pending.Push(state);
            }
        }
        while (pending.TryPop(out int state))
        {
            for (int c = 0; c < _width; c++)
            {
                foreach (int source in Sources(c, state))
                {
                    if (!_live[source])
                    {
                        _live[source] = true;
                        pending.Push(source);
                    }
                }
            }
        }
    }

    private void Refine(ConstraintBudget budget)
    {
        // By tag; what is not live is a block too, which nothing splits from within.
        int[] order = [.. Enumerable.Range(0, _count).OrderBy(state => _live[state] ? _tags[state] : int.MinValue)];
        for (int i = 0; i < _count; i++)
        {
            int state = order[i];
            bool same = i > 0 && _live[state] == _live[order[i - 1]] && (!_live[state] || _tags[state] == _tags[order[i - 1]]);
            if (!same)
            {
                _first.Add(i);
                _size.Add(0);
            }
            _elements[i] = state;
            _placeOf[state] = i;
            _blockOf[state] = _first.Count - 1;
            _size[^1]++;
        }
        Stack<(int Block, int Class)> pending = new();
        HashSet<long> waiting = [];
        for (int block = 0; block < _first.Count; block++)
        {
            // Where nothing else splits, what is not live does not either.
            for (int c = 0; c < _width && _live[_elements[_first[block]]]; c++)
            {
                waiting.Add(((long)block * _width) + c);
                pending.Push((block, c));
            }
        }
        List<int> met = [];
        List<int> touched = [];
        List<int> hits = [];
        while (pending.TryPop(out (int Block, int Class) splitter))
        {
            budget.CheckTime();
            waiting.Remove(((long)splitter.Block * _width) + splitter.Class);
            met.Clear();
            for (int i = _first[splitter.Block]; i < _first[splitter.Block] + _size[splitter.Block]; i++)
            {
                met.AddRange(Sources(splitter.Class, _elements[i]));
            }
            // Whoever leads there moves to the front of its block.
            foreach (int state in met)
            {
                int block = _blockOf[state];
                while (hits.Count < _first.Count)
                {
                    hits.Add(0);
                }
                if (hits[block] == 0)
                {
                    touched.Add(block);
                }
                Swap(_placeOf[state], _first[block] + hits[block]++);
            }
            foreach (int block in touched)
            {
                int hit = hits[block];
                hits[block] = 0;
                if (hit == _size[block])
                {
                    continue;
                }
                int added = _first.Count;
                _first.Add(_first[block]);
                _size.Add(hit);
                _first[block] += hit;
                _size[block] -= hit;
                for (int i = _first[added]; i < _first[added] + hit; i++)
                {
                    _blockOf[_elements[i]] = added;
                }
                for (int c = 0; c < _width; c++)
                {
                    int smaller = waiting.Contains(((long)block * _width) + c) || _size[added] <= _size[block] ? added : block;
                    if (waiting.Add(((long)smaller * _width) + c))
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
        (_elements[one], _elements[other]) = (_elements[other], _elements[one]);
        _placeOf[_elements[one]] = one;
        _placeOf[_elements[other]] = other;
    }

    // Blocks are numbered as their states come, so that the start's is 0.
    private (int[] Table, int[] Tags) Table()
    {
        int[] number = [.. Enumerable.Repeat(-1, _first.Count)];
        List<int> representatives = [];
        for (int state = 0; state < _count; state++)
        {
            if (_live[state] && number[_blockOf[state]] < 0)
            {
                number[_blockOf[state]] = representatives.Count;
                representatives.Add(state);
            }
        }
        int[] table = new int[representatives.Count * _width];
        for (int i = 0; i < table.Length; i++)
        {
            int target = _next[(representatives[i / _width] * _width) + (i % _width)];
            table[i] = target == Dfa.Dead || !_live[target] ? Dfa.Dead : number[_blockOf[target]];
        }
        return (table, [.. representatives.Select(state => _tags[state])]);
    }
}
