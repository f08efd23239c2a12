namespace Llama4Kernels.Engine.Constraints.Lexing;

/// <summary>The slices of an automaton's states that have been asked for, few of its states. Thread-safe.</summary>
internal sealed class StateSlices
{
    // Held for a moment only; there are many automata.
    private static readonly Lock Gate = new();

    // Most automata are asked at their beginning only.
    private Slice? first;
    private Dictionary<int, Slice>? others;

    public Slice GetOrAdd(int state, Func<Slice> make)
    {
        if (Find(state) is { } known)
        {
            return known;
        }
        Slice slice = make();
        if (state == 0)
        {
            Volatile.Write(ref first, slice);
            return slice;
        }
        lock (Gate)
        {
            (others ??= [])[state] = slice;
        }
        return slice;
    }

    private Slice? Find(int state)
    {
        if (state == 0)
        {
            return Volatile.Read(ref first);
        }
        lock (Gate)
        {
            return others?.GetValueOrDefault(state);
        }
    }
}
