namespace Llama4Kernels.Engine.Constraints.Lexing;

/// <summary>The slices of an automaton's states that have been asked for, few of its states. Thread-safe.</summary>
internal sealed class StateSlices
{
    // Held for a moment only; there are many automata.
    private static readonly Lock s_gate = new();

    // Most automata are asked at their beginning only.
    private Slice? _first;
    private Dictionary<int, Slice>? _others;

    public Slice GetOrAdd(int state, Func<Slice> make)
    {
        if (Find(state) is { } known)
        {
            return known;
        }
        Slice slice = make();
        if (state == 0)
        {
            Volatile.Write(ref _first, slice);
            return slice;
        }
        lock (s_gate)
        {
            (_others ??= [])[state] = slice;
        }
        return slice;
    }

    private Slice? Find(int state)
    {
        if (state == 0)
        {
            return Volatile.Read(ref _first);
        }
        lock (s_gate)
        {
            return _others?.GetValueOrDefault(state);
        }
    }
}
