using Llama4Kernels.Engine.Constraints.Parsing;

namespace Llama4Kernels.Engine.Constraints;

/// <summary>
/// Compiled constraints by what they were compiled from, up to a number and to the bytes that they hold; the least recently used go
/// first. Thread-safe. A constraint that goes lives on with the requests that use it.
/// </summary>
/// <param name="limits">Most constraints, and most bytes.</param>
internal sealed class ConstraintCache(Func<(int Count, long Bytes)> limits)
{
    private readonly Lock _gate = new();
    private readonly Dictionary<Key, LinkedListNode<(Key Key, Machine Machine)>> _entries = [];

    // The most recently used first.
    private readonly LinkedList<(Key Key, Machine Machine)> _order = new();

    public int Count
    {
        get
        {
            lock (_gate)
            {
                return _entries.Count;
            }
        }
    }

    /// <summary>The constraint of a source. Several threads may compile one at the same time, but all get the same object.</summary>
    /// <param name="key">The source.</param>
    /// <param name="compile">Compiles it; what it throws is thrown, and nothing is kept.</param>
    public Machine GetOrAdd(Key key, Func<Machine> compile)
    {
        if (Find(key) is { } known)
        {
            return known;
        }
        Machine compiled = compile();
        lock (_gate)
        {
            if (Find(key) is { } other)
            {
                return other;
            }
            _entries.Add(key, _order.AddFirst((key, compiled)));
            // What a constraint holds grows with its use, so that it is asked each time. The newest stays.
            long bytes = _order.Sum(entry => entry.Machine.Bytes + (2L * entry.Key.Text.Length));
            (int maxCount, long maxBytes) = limits();
            while (_entries.Count > 1 && (_entries.Count > maxCount || bytes > maxBytes))
            {
                (Key oldest, Machine machine) = _order.Last!.Value;
                bytes -= machine.Bytes + (2L * oldest.Text.Length);
                _order.RemoveLast();
                _entries.Remove(oldest);
            }
            return compiled;
        }
    }

    private Machine? Find(Key key)
    {
        lock (_gate)
        {
            if (!_entries.TryGetValue(key, out LinkedListNode<(Key Key, Machine Machine)>? entry))
            {
                return null;
            }
            _order.Remove(entry);
            _order.AddFirst(entry);
            return entry.Value.Machine;
        }
    }

    /// <summary>What a constraint is compiled from.</summary>
    /// <param name="Kind">The notation.</param>
    /// <param name="Text">The schema, expression or grammar.</param>
    /// <param name="FreeSpace">Whether documents may hold white space.</param>
    public readonly record struct Key(string Kind, string Text, bool FreeSpace = false);
}
