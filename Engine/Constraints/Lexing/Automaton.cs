namespace Llama4Kernels.Engine.Constraints.Lexing;

/// <summary>
/// A deterministic automaton over bytes whose states are computed when they are first asked for. From every state acceptance can be
/// reached. Thread-safe: what is known is read without a lock.
/// </summary>
internal abstract class Automaton
{
    public const int Dead = -1;
    private const int Unknown = -2;
    private static readonly int[] UnknownHalf = [.. Enumerable.Repeat(Unknown, 16)];
    private static int lastId;

    // rows[s][h]: the successors of state s for the bytes of a high half, once one of them has been asked for. Most states have few.
    private int[]?[]?[] rows = [];
    private int[] tags = [];

    protected Automaton() => Id = Interlocked.Increment(ref lastId);

    public int Id { get; }

    public int StateCount { get; private set; }

    protected Lock Gate { get; } = new();

    /// <summary>The state after a byte, or <see cref="Dead"/>. The first state is 0.</summary>
    public virtual int Next(int state, byte value)
    {
        int[]? half = rows[state]?[value >> 4];
        int next = half is null ? Unknown : Volatile.Read(ref half[value & 15]);
        return next != Unknown ? next : Find(state, value);
    }

    /// <summary>The tag of a state that accepts, else −1.</summary>
    public int Tag(int state) => tags[state];

    /// <summary>Whether some byte goes on from a state.</summary>
    public abstract bool Continues(int state);

    /// <summary>What the tokens of a vocabulary do from a state.</summary>
    public abstract Slice SliceOf(int state, VocabularyTrie vocabulary);

    /// <summary>Computes a successor; called under <see cref="Gate"/>.</summary>
    protected abstract int Step(int state, byte value);

    /// <summary>Adds a state; called under <see cref="Gate"/> or by the constructor.</summary>
    protected int Add(int tag)
    {
        if (StateCount == tags.Length)
        {
            // Readers keep the arrays that they have; the rows are shared. They learn of a new state only after this.
            Array.Resize(ref tags, Math.Max(2 * StateCount, 4));
            int[]?[]?[] more = rows;
            Array.Resize(ref more, Math.Max(2 * StateCount, 4));
            Volatile.Write(ref rows, more);
        }
        tags[StateCount] = tag;
        return StateCount++;
    }

    private int Find(int state, byte value)
    {
        lock (Gate)
        {
            int[]?[] row = rows[state] ?? new int[]?[16];
            int[] half = row[value >> 4] ?? [.. UnknownHalf];
            if (half[value & 15] == Unknown)
            {
                half[value & 15] = Step(state, value);
            }
            // Step may have added states: the row belongs into the array as it is now.
            Volatile.Write(ref row[value >> 4], half);
            Volatile.Write(ref rows[state], row);
            return half[value & 15];
        }
    }
}
