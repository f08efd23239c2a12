namespace Llama4Kernels.Engine.Constraints.Lexing;

/// <summary>The slices of an automaton's states that have been asked for. Thread-safe.</summary>
internal sealed class StateSlices
{
    private readonly Lock gate = new();
    private Slice?[] slices = [];

    public Slice GetOrAdd(int state, Func<Slice> make)
    {
        Slice?[] known = Volatile.Read(ref slices);
        if (state < known.Length && Volatile.Read(ref known[state]) is { } slice)
        {
            return slice;
        }
        slice = make();
        lock (gate)
        {
            if (state >= slices.Length)
            {
                Slice?[] more = slices;
                Array.Resize(ref more, Math.Max(state + 1, 2 * slices.Length));
                Volatile.Write(ref slices, more);
            }
            Volatile.Write(ref slices[state], slice);
        }
        return slice;
    }
}
