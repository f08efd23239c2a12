namespace Llama4Kernels.Engine.Constraints.Lexing;

/// <summary>
/// A partition of the code points into classes that an automaton does not tell apart. Every class has a member that a text can have:
/// surrogates, for which nobody asks, belong to the class of what comes before them or after them.
/// </summary>
internal sealed class CodePointClasses
{
    private readonly int[] _starts;
    private readonly int[] _classes;
    private readonly int[] _ascii = new int[128];

    private CodePointClasses(int[] starts, int[] classes, int count, int[] representatives)
    {
        _starts = starts;
        _classes = classes;
        Count = count;
        Representatives = representatives;
        for (int value = 0; value < _ascii.Length; value++)
        {
            _ascii[value] = Search(value);
        }
    }

    public int Count { get; }

    /// <summary>A member of each class.</summary>
    public int[] Representatives { get; }

    /// <summary>First code points of the runs, ascending from 0; run i has the class RunClasses[i].</summary>
    public ReadOnlySpan<int> RunStarts => _starts;

    public ReadOnlySpan<int> RunClasses => _classes;

    public int this[int codePoint] => codePoint < 128 ? _ascii[codePoint] : Search(codePoint);

    /// <summary>The classes of the code points of a range.</summary>
    public int[] Within(int first, int last)
    {
        int run = _starts.AsSpan().BinarySearch(first);
        run = run >= 0 ? run : ~run - 1;
        int end = run + 1;
        while (end < _starts.Length && _starts[end] <= last)
        {
            end++;
        }
        return [.. _classes[run..end].Distinct()];
    }

    /// <summary>The coarsest partition that splits no set.</summary>
    public static CodePointClasses Of(IReadOnlyCollection<CodePointSet> sets)
    {
        SortedSet<int> cuts = [0];
        foreach (CodePointSet set in sets)
        {
            foreach ((int low, int high) in set.Ranges())
            {
                cuts.Add(low);
                cuts.Add(high + 1);
            }
        }
        cuts.Remove(CodePointSet.Last + 1);
        int[] starts = [.. cuts];
        // Membership in each set, run by run, as bits.
        ulong[][] signatures = [.. starts.Select(_ => new ulong[(sets.Count + 63) / 64])];
        int index = 0;
        foreach (CodePointSet set in sets)
        {
            foreach ((int low, int high) in set.Ranges())
            {
                for (int run = starts.AsSpan().BinarySearch(low); run < starts.Length && starts[run] <= high; run++)
                {
                    signatures[run][index >> 6] |= 1UL << (index & 63);
                }
            }
            index++;
        }
        return Group(starts, run => new BitKey(signatures[run]));
    }

    /// <summary>The coarsest partition that refines all of these.</summary>
    public static CodePointClasses Refine(IReadOnlyList<CodePointClasses> parts)
    {
        if (parts.Count == 1 || parts.All(part => ReferenceEquals(part, parts[0])))
        {
            return parts[0];
        }
        int[] starts = [.. parts.SelectMany(part => part._starts).Distinct().Order()];
        return Group(starts, run => new BitKey([.. parts.Select(part => (ulong)part[starts[run]])]));
    }

    private static CodePointClasses Group(int[] starts, Func<int, BitKey> keyOfRun)
    {
        Dictionary<BitKey, int> ids = [];
        List<int> runStarts = [];
        List<int> runClasses = [];
        List<int> representatives = [];
        for (int run = 0; run < starts.Length; run++)
        {
            // A class of nothing but surrogates would be a way on that no text can take.
            bool onlySurrogates = starts[run] == CodePointSet.FirstSurrogate && run + 1 < starts.Length && starts[run + 1] == CodePointSet.LastSurrogate + 1;
            BitKey key = keyOfRun(onlySurrogates ? run - 1 : run);
            if (!ids.TryGetValue(key, out int id))
            {
                id = ids.Count;
                ids.Add(key, id);
                representatives.Add(starts[run] == CodePointSet.FirstSurrogate ? CodePointSet.LastSurrogate + 1 : starts[run]);
            }
            if (runClasses.Count == 0 || runClasses[^1] != id)
            {
                runStarts.Add(starts[run]);
                runClasses.Add(id);
            }
        }
        return new CodePointClasses([.. runStarts], [.. runClasses], ids.Count, [.. representatives]);
    }

    private int Search(int codePoint)
    {
        int at = _starts.AsSpan().BinarySearch(codePoint);
        return _classes[at >= 0 ? at : ~at - 1];
    }

    private readonly struct BitKey(ulong[] words) : IEquatable<BitKey>
    {
        public bool Equals(BitKey other) => words.AsSpan().SequenceEqual(other.Words);

        private ulong[] Words => words;

        public override bool Equals(object? obj) => obj is BitKey other && Equals(other);

        public override int GetHashCode()
        {
            HashCode hash = default;
            foreach (ulong word in words)
            {
                hash.Add(word);
            }
            return hash.ToHashCode();
        }
    }
}
