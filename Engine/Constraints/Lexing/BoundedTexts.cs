namespace Llama4Kernels.Engine.Constraints.Lexing;

/// <summary>The texts of a <see cref="Dfa"/> within bounds of length: which beginnings can be completed. Immutable.</summary>
internal sealed class BoundedTexts
{
    private const long MaxCells = 4 << 20;

    // least[r][s]: code points of the shortest text of at least r that the automaton accepts from state s.
    private readonly int[][] _least;

    // Up to so many code points every state can be completed.
    private readonly int _farthest;

    /// <param name="dfa">The texts.</param>
    /// <param name="min">Code points at least.</param>
    /// <param name="max">Code points at most, or int.MaxValue.</param>
    /// <param name="budget">Bounds the work.</param>
    /// <exception cref="ConstraintException">The least length and the automaton are too large together.</exception>
    public BoundedTexts(Dfa dfa, int min, int max, ConstraintBudget budget)
    {
        Dfa = dfa;
        Min = min;
        Max = max;
        Check(dfa, min, budget);
        _least = dfa.IsUniversal || dfa.IsEmpty ? [] : Least(dfa, min, budget);
        IsEmpty = dfa.IsEmpty || !Live(0, 0);
        _farthest = max == int.MaxValue ? int.MaxValue : max - (dfa.IsEmpty ? 0 : _least.Length == 0 ? min : _least[^1].Max());
    }

    public Dfa Dfa { get; }

    public int Min { get; }

    public int Max { get; }

    /// <summary>Whether there is no such text.</summary>
    public bool IsEmpty { get; }

    /// <summary>Whether every beginning of so many code points that the automaton takes can be completed.</summary>
    public bool IsFree(int count) => Max == int.MaxValue && count >= Min;

    /// <summary>Whether every state that the automaton comes to in at most so many code points can be completed, plainly.</summary>
    public bool IsFar(int count) => count <= _farthest;

    /// <summary>The count after one more code point; without an upper bound it matters only up to the lower one.</summary>
    public int After(int count) => Max == int.MaxValue ? Math.Min(count + 1, Min) : count + 1;

    /// <summary>Whether a text that has come to a state in so many code points can be completed.</summary>
    public bool Live(int state, int count)
    {
        int needed = Math.Max(Min - count, 0);
        int shortest = Dfa.IsUniversal ? needed : _least[needed][state];
        return shortest != int.MaxValue && shortest <= (Max == int.MaxValue ? int.MaxValue : Max - count);
    }

    /// <summary>Whether one of some code points can come next.</summary>
    public bool AnyLive(int state, int count, int low, int high)
    {
        ReadOnlySpan<int> starts = Dfa.Classes.RunStarts;
        int run = starts.BinarySearch(low);
        int after = After(count);
        for (run = run >= 0 ? run : ~run - 1; run < starts.Length && starts[run] <= high; run++)
        {
            int next = Dfa.NextByClass(state, Dfa.Classes.RunClasses[run]);
            if (next != Dfa.Dead && Live(next, after))
            {
                return true;
            }
        }
        return false;
    }

    /// <summary>Whether one of some code points, given as ranges, can come next.</summary>
    public bool AnyLive(int state, int count, ReadOnlySpan<(int Low, int High)> ranges)
    {
        foreach ((int low, int high) in ranges)
        {
            if (AnyLive(state, count, low, high))
            {
                return true;
            }
        }
        return false;
    }

    /// <summary>Whether the text is whole.</summary>
    public bool Accepts(int state, int count) => Dfa.Tags[state] >= 0 && count >= Min;

    /// <summary>Refuses what would take too much memory.</summary>
    public static void Check(Dfa dfa, int min, ConstraintBudget budget)
    {
        if (!dfa.IsUniversal && (long)min * dfa.StateCount > MaxCells)
        {
            throw budget.Exceeded($"a least length of {min} for an automaton of {dfa.StateCount} states is too much; lower one of them.");
        }
    }

    private static int[][] Least(Dfa dfa, int min, ConstraintBudget budget)
    {
        int[][] least = new int[min + 1][];
        least[0] = dfa.Shortest;
        for (int r = 1; r <= min; r++)
        {
            budget.CheckTime();
            int[] row = new int[dfa.StateCount];
            for (int state = 0; state < row.Length; state++)
            {
                int best = int.MaxValue;
                for (int c = 0; c < dfa.Classes.Count; c++)
                {
                    int next = dfa.NextByClass(state, c);
                    best = next == Dfa.Dead ? best : Math.Min(best, least[r - 1][next]);
                }
                row[state] = best == int.MaxValue ? best : best + 1;
            }
            least[r] = row;
        }
        return least;
    }
}
