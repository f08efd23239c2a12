using Llama4Kernels.Engine.KvCache;

namespace Llama4Kernels.Engine.Generation;

/// <summary>
/// One running sequence of a session: its cache and, per cached position, a key that says what stands there (the token id,
/// or for a picture's patch the picture's content hash), so that a later prompt can reuse what it shares with this one.
/// </summary>
public sealed class Sequence : IDisposable
{
    internal Sequence(SequenceCache cache) => Cache = cache;

    /// <summary>Cached tokens; the next one has this position.</summary>
    public int Length => Cache.Length;

    /// <summary>Keys and values.</summary>
    public SequenceCache Cache { get; }

    internal List<long> Keys { get; } = [];

    /// <summary>
    /// How many leading tokens of a prompt with these keys are already cached. Keys of dropped chunks cannot be rolled back,
    /// so either everything cached is shared (and at least one token is left to compute) or nothing is.
    /// </summary>
    internal int Reusable(ReadOnlySpan<long> keys)
    {
        if (Length == 0 || Length >= keys.Length)
        {
            return 0;
        }
        for (int i = 0; i < Keys.Count; i++)
        {
            if (Keys[i] != keys[i])
            {
                return 0;
            }
        }
        return Length;
    }

    /// <summary>Reserves memory for <paramref name="positions"/> positions, so that steps up to there allocate nothing.</summary>
    public void Reserve(int positions)
    {
        Cache.Reserve(positions);
        Keys.EnsureCapacity(positions);
    }

    internal void Clear()
    {
        Cache.Clear();
        Keys.Clear();
    }

    /// <inheritdoc/>
    public void Dispose() => Cache.Dispose();
}
