namespace Llama4Kernels.Engine.Constraints.Lexing;

/// <summary>The slices of some of an automaton's states, few of them. Thread-safe.</summary>
internal sealed class StateSlices
{
    // Held for a moment only; there are many automata.
    private static readonly Lock s_gate = new();

    // Most automata are asked at their beginning only.
    private Slice? _first;
    private Dictionary<int, Slice>? _others;

    /// <summary>Keeps a slice.</summary>
    /// <returns>The slice.</returns>
    public Slice Add(int state, Slice slice)
    {
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

    /// <summary>The slice of a state, if it has been kept.</summary>
    public Slice? Find(int state)
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
