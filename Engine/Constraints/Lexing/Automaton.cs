namespace Llama4Kernels.Engine.Constraints.Lexing;

/// <summary>
/// A deterministic automaton over bytes whose states are computed when they are first asked for. From every state acceptance can be
/// reached. Thread-safe: what is known is read without a lock.
/// </summary>
internal abstract class Automaton
{
    public const int Dead = -1;
    private const int Unknown = -2;
    private static int lastId;

    // Row s holds the successors of state s, once one of them has been asked for.
    private int[]?[] rows = new int[]?[16];
    private int[] tags = new int[16];
    private Slice?[] slices = new Slice?[16];

    protected Automaton() => Id = Interlocked.Increment(ref lastId);

    public int Id { get; }

    public int StateCount { get; private set; }

    protected Lock Gate { get; } = new();

    /// <summary>The state after a byte, or <see cref="Dead"/>. The first state is 0.</summary>
    public int Next(int state, byte value)
    {
        int[]? row = rows[state];
        int next = row is null ? Unknown : row[value];
        return next != Unknown ? next : Find(state, value);
    }

    /// <summary>The tag of a state that accepts, else −1.</summary>
    public int Tag(int state) => tags[state];

    /// <summary>Whether some byte goes on from a state.</summary>
    public abstract bool Continues(int state);

    /// <summary>What the tokens of a vocabulary do from a state.</summary>
    public Slice SliceOf(int state, VocabularyTrie vocabulary)
    {
        Slice? known = Volatile.Read(ref slices[state]);
        if (known is null)
        {
            known = MakeSlice(state, vocabulary);
            lock (Gate)
            {
                slices[state] = known;
            }
        }
        return known;
    }

    /// <summary>Computes a successor; called under <see cref="Gate"/>.</summary>
    protected abstract int Step(int state, byte value);

    protected virtual Slice MakeSlice(int state, VocabularyTrie vocabulary) => SliceBuilder.Walk(this, state, vocabulary);

    /// <summary>Adds a state; called under <see cref="Gate"/> or by the constructor.</summary>
    protected int Add(int tag)
    {
        if (StateCount == tags.Length)
        {
            // Readers keep the arrays that they have; the rows are shared. They learn of a new state only after this.
            Array.Resize(ref tags, StateCount * 2);
            Slice?[] moreSlices = slices;
            Array.Resize(ref moreSlices, StateCount * 2);
            Volatile.Write(ref slices, moreSlices);
            int[]?[] moreRows = rows;
            Array.Resize(ref moreRows, StateCount * 2);
            Volatile.Write(ref rows, moreRows);
        }
        tags[StateCount] = tag;
        return StateCount++;
    }

    private int Find(int state, byte value)
    {
        lock (Gate)
        {
            int[]? row = rows[state];
            if (row is null)
            {
                row = new int[256];
                Array.Fill(row, Unknown);
                rows[state] = row;
            }
            if (row[value] == Unknown)
            {
                Volatile.Write(ref row[value], Step(state, value));
            }
            return row[value];
        }
    }
}
