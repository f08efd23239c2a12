using System.Collections.Concurrent;

namespace Llama4Kernels.Engine.Constraints.Lexing;

/// <summary>The texts of a <see cref="Dfa"/> of a certain number of code points, in a written form.</summary>
internal sealed class TextAutomaton : Automaton
{
    private readonly Dfa dfa;
    private readonly TextForm form;
    private readonly int min;
    private readonly int max;

    // least[r][s]: code points of the shortest text of at least r that the automaton accepts from state s.
    private readonly int[][] least;
    private readonly SliceStore store;
    private readonly int longestShortest;
    private readonly List<State> states = [];
    private readonly Dictionary<State, int> ids = [];

    /// <param name="dfa">The texts; its tags become the automaton's.</param>
    /// <param name="form">How they are written.</param>
    /// <param name="min">Code points at least.</param>
    /// <param name="max">Code points at most, or int.MaxValue.</param>
    /// <param name="store">Shared by the automata of the same texts and form.</param>
    /// <param name="budget">Bounds the work.</param>
    public TextAutomaton(Dfa dfa, TextForm form, int min, int max, SliceStore store, ConstraintBudget budget)
    {
        this.dfa = dfa;
        this.form = form;
        this.min = min;
        this.max = max;
        this.store = store;
        least = dfa.IsUniversal || dfa.IsEmpty ? [] : Least(dfa, min, budget);
        longestShortest = dfa.IsEmpty ? 0 : dfa.Shortest.Max();
        IsEmpty = dfa.IsEmpty || !Live(0, 0);
        if (!IsEmpty)
        {
            Intern(new State(0, 0, TextDecoder.Start(form)));
        }
    }

    /// <summary>Whether it accepts nothing; then it has no state.</summary>
    public bool IsEmpty { get; }

    public override bool Continues(int state)
    {
        State at = states[state];
        if (at.Reader == TextDecoder.Closed)
        {
            return false;
        }
        return form != TextForm.Raw || !TextDecoder.IsContent(at.Reader) || AnyLive(at.Text, at.Count, 0, CodePointSet.Last);
    }

    protected override int Step(int state, byte value)
    {
        State at = states[state];
        int reader = TextDecoder.Step(form, at.Reader, value, out int codePoint);
        if (reader == TextDecoder.Dead)
        {
            return Dead;
        }
        if (codePoint >= 0)
        {
            int next = dfa.Next(at.Text, codePoint);
            int count = Count(at.Count);
            return next != Dfa.Dead && Live(next, count) ? Intern(new State(next, count, reader)) : Dead;
        }
        if (reader == TextDecoder.Closed)
        {
            return Accepts(at) ? Intern(at with { Reader = TextDecoder.Closed }) : Dead;
        }
        bool alive = TextDecoder.IsContent(reader)
            || TextDecoder.Pending(form, reader).Any(range => AnyLive(at.Text, at.Count, range.Low, range.High));
        return alive ? Intern(at with { Reader = reader }) : Dead;
    }

    protected override Slice MakeSlice(int state, VocabularyTrie vocabulary)
    {
        State at = states[state];
        int toMin = Math.Max(min - at.Count, 0);
        // Further away than a token reaches, bounds make no difference.
        int toMax = max == int.MaxValue || max - at.Count > vocabulary.MaxTokenBytes + longestShortest + toMin ? int.MaxValue : max - at.Count;
        if (dfa.IsUniversal && toMax == int.MaxValue)
        {
            toMin = Math.Min(toMin, vocabulary.MaxTokenBytes + 1);
        }
        return store.GetOrAdd((at.Text, toMin, toMax, at.Reader), () => base.MakeSlice(state, vocabulary));
    }

    private static int[][] Least(Dfa dfa, int min, ConstraintBudget budget)
    {
        int[][] least = new int[min + 1][];
        least[0] = dfa.Shortest;
        for (int r = 1; r <= min; r++)
        {
            budget.CountStates(dfa.StateCount);
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

    // Without an upper bound the count matters only up to the lower one.
    private int Count(int count) => max == int.MaxValue ? Math.Min(count + 1, min) : count + 1;

    private bool Live(int text, int count)
    {
        int needed = Math.Max(min - count, 0);
        int shortest = dfa.IsUniversal ? needed : least[needed][text];
        return shortest != int.MaxValue && shortest <= (max == int.MaxValue ? int.MaxValue : max - count);
    }

    private bool AnyLive(int text, int count, int low, int high)
    {
        ReadOnlySpan<int> starts = dfa.Classes.RunStarts;
        int run = starts.BinarySearch(low);
        int after = Count(count);
        for (run = run >= 0 ? run : ~run - 1; run < starts.Length && starts[run] <= high; run++)
        {
            int next = dfa.NextByClass(text, dfa.Classes.RunClasses[run]);
            if (next != Dfa.Dead && Live(next, after))
            {
                return true;
            }
        }
        return false;
    }

    private bool Accepts(State at) => dfa.Tags[at.Text] >= 0 && at.Count >= min;

    private int Intern(State state)
    {
        if (!ids.TryGetValue(state, out int id))
        {
            bool whole = form == TextForm.Raw ? TextDecoder.IsContent(state.Reader) && Accepts(state) : state.Reader == TextDecoder.Closed;
            // The list first: a reader that learns of the state looks it up there.
            states.Add(state);
            id = Add(whole ? dfa.Tags[state.Text] : -1);
            ids.Add(state, id);
        }
        return id;
    }

    private readonly record struct State(int Text, int Count, int Reader);
}
