namespace Llama4Kernels.Engine.Constraints.Lexing;

/// <summary>
/// An automaton whose states are computed when they are first asked for. What is known is read without a lock; it lies in a few arrays of
/// numbers, so that collections of garbage have nothing to follow in it.
/// </summary>
internal abstract class LazyAutomaton : Automaton
{
    private const int Unknown = -2;

    // A state's successors by bytes of one high half.
    private const int RowLength = 16;

    // The rows: those of state s for the high half h is the one with the number numbers[16 s + h]. Number 0 is a row of what is unknown.
    private int[] _rows = [.. Enumerable.Repeat(Unknown, RowLength)];
    private int[] _numbers = [];
    private int[] _tags = [];
    private int _rowCount = 1;
    private int _stateCount;

    protected Lock Gate { get; } = new();

    public sealed override int Next(int state, byte value)
    {
        // A row's number is written after the row: whoever reads it finds the row in the array that is read after it.
        int number = Volatile.Read(ref Volatile.Read(ref _numbers)[(state * RowLength) + (value >> 4)]);
        int next = Volatile.Read(ref Volatile.Read(ref _rows)[(number * RowLength) + (value & 15)]);
        return next != Unknown ? next : Find(state, value);
    }

    public sealed override int Tag(int state) => Volatile.Read(ref _tags)[state];

    /// <summary>Computes a successor; called under <see cref="Gate"/>.</summary>
    protected abstract int Step(int state, byte value);

    /// <summary>Adds a state; called under <see cref="Gate"/> or by the constructor.</summary>
    protected int Add(int tag)
    {
        if (_stateCount == _tags.Length)
        {
            // Readers keep the arrays that they have, and learn of a new state only after this.
            Grow(ref _tags, Math.Max(2 * _stateCount, 4));
            Grow(ref _numbers, _tags.Length * RowLength);
        }
        _tags[_stateCount] = tag;
        return _stateCount++;
    }

    private int Find(int state, byte value)
    {
        lock (Gate)
        {
            int at = (state * RowLength) + (value >> 4);
            int low = value & 15;
            if (_rows[(_numbers[at] * RowLength) + low] is int known and not Unknown)
            {
                return known;
            }
            int next = Step(state, value);
            // Step may have added states, but no rows.
            int number = _numbers[at] != 0 ? _numbers[at] : AddRow();
            Volatile.Write(ref _rows[(number * RowLength) + low], next);
            Volatile.Write(ref _numbers[at], number);
            return next;
        }
    }

    private int AddRow()
    {
        if ((_rowCount + 1) * RowLength > _rows.Length)
        {
            Grow(ref _rows, 2 * _rows.Length);
        }
        _rows.AsSpan(_rowCount * RowLength, RowLength).Fill(Unknown);
        return _rowCount++;
    }

    private static void Grow(ref int[] array, int length)
    {
        int[] more = array;
        Array.Resize(ref more, length);
        Volatile.Write(ref array, more);
    }
}
