namespace Llama4Kernels.Engine.Sampling;

/// <summary>
/// The memory that sampling needs, allocated once (about 16 bytes a token of the vocabulary). Sequences that are sampled
/// one after the other may share one; it is not for two threads at a time.
/// </summary>
internal sealed class SamplerWorkspace
{
    private readonly float[] _values;
    private readonly ulong[] _keys;
    private readonly int[] _counts;

    /// <summary>Allocates for <paramref name="vocabulary"/> tokens.</summary>
    /// <exception cref="ArgumentOutOfRangeException">The vocabulary is empty.</exception>
    public SamplerWorkspace(int vocabulary)
    {
        ArgumentOutOfRangeException.ThrowIfLessThan(vocabulary, 1);
        _values = new float[vocabulary];
        _keys = new ulong[vocabulary];
        _counts = new int[vocabulary];
    }

    /// <summary>The number of tokens, V.</summary>
    public int Vocabulary => _values.Length;

    /// <summary>[V] numbers.</summary>
    internal Span<float> Values => _values;

    /// <summary>[V] sort keys.</summary>
    internal Span<ulong> Keys => _keys;

    /// <summary>
    /// Calls <paramref name="change"/> once for each distinct token of the history with its number of occurrences, and puts
    /// the result in the token's logit.
    /// </summary>
    /// <exception cref="ArgumentException">An id of the history is not below V.</exception>
    internal void ForEachDistinct<TState>(
        Span<float> logits, ReadOnlySpan<int> history, TState state, Func<TState, float, int, float> change)
    {
        foreach (int id in history)
        {
            if ((uint)id >= (uint)_counts.Length)
            {
                throw new ArgumentException(
                    $"The history holds token {id}, but the vocabulary has {_counts.Length} tokens.", nameof(history));
            }
        }
        foreach (int id in history)
        {
            _counts[id]++;
        }
        // Reading a count sets it back to zero, so each token is met once and the memory is clean for the next call.
        foreach (int id in history)
        {
            int count = _counts[id];
            _counts[id] = 0;
            if (count > 0)
            {
                logits[id] = change(state, logits[id], count);
            }
        }
    }
}
