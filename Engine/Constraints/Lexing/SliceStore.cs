using System.Collections.Concurrent;

namespace Llama4Kernels.Engine.Constraints.Lexing;

/// <summary>
/// The slices of automata of the same texts and form, by state of the text, code points to the least and the greatest length, and
/// state of the reader.
/// </summary>
internal sealed class SliceStore
{
    private const int MaxSlices = 1024;

    private readonly ConcurrentDictionary<(int Text, int ToMin, int ToMax, int Reader), Slice> slices = new();

    public Slice GetOrAdd((int Text, int ToMin, int ToMax, int Reader) key, Func<Slice> make)
    {
        if (slices.TryGetValue(key, out Slice? slice))
        {
            return slice;
        }
        if (slices.Count >= MaxSlices)
        {
            slices.Clear();
        }
        slice = make();
        slices[key] = slice;
        return slice;
    }
}
