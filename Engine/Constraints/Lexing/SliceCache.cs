using System.Collections.Concurrent;

namespace Llama4Kernels.Engine.Constraints.Lexing;

/// <summary>Slices that many constraints need, up to a number of bytes; the oldest go first. Thread-safe.</summary>
internal sealed class SliceCache(long maxBytes)
{
    private readonly ConcurrentDictionary<Key, Slice> _slices = new();
    private readonly ConcurrentQueue<Key> _order = new();
    private long _bytes;

    public long Bytes => Interlocked.Read(ref _bytes);

    public Slice GetOrAdd<TState>(in Key key, TState state, Func<TState, Slice> make)
    {
        if (_slices.TryGetValue(key, out Slice? slice))
        {
            return slice;
        }
        slice = make(state);
        if (!_slices.TryAdd(key, slice))
        {
            return slice;
        }
        Interlocked.Add(ref _bytes, slice.Size);
        _order.Enqueue(key);
        while (Bytes > maxBytes && _order.TryDequeue(out Key oldest))
        {
            if (_slices.TryRemove(oldest, out Slice? old))
            {
                Interlocked.Add(ref _bytes, -old.Size);
            }
        }
        return slice;
    }

    /// <summary>States that are alike to tokens.</summary>
    /// <param name="Texts">A number for the texts and their form.</param>
    /// <param name="Text">The state of the text.</param>
    /// <param name="ToMin">Code points to the least length.</param>
    /// <param name="ToMax">Code points to the greatest, or int.MaxValue.</param>
    /// <param name="Reader">The state of the reader.</param>
    public readonly record struct Key(int Texts, int Text, int ToMin, int ToMax, int Reader);
}
