namespace Llama4Kernels.Kernels.Contracts;

/// <summary>What a model needs of a backend's memory.</summary>
/// <param name="Weights">Bytes of the weights as they are packed.</param>
/// <param name="Steps">Bytes of activations and of what operations put aside.</param>
/// <param name="Cache">Bytes of keys and values.</param>
/// <param name="CachedTokens">Tokens that the cache is counted for.</param>
public sealed record MemoryNeed(long Weights, long Steps, long Cache, int CachedTokens)
{
    /// <summary>
    /// All of it, and a fiftieth more: allocators give out whole pages, and memory that grew leaves its former place free.
    /// </summary>
    public long Total => (Weights + Steps + Cache) / 50 * 51;

    /// <inheritdoc/>
    public override string ToString() =>
        $"{ByteSize.Text(Total)}: weights {ByteSize.Text(Weights)}, steps {ByteSize.Text(Steps)}, a cache of {CachedTokens} tokens {ByteSize.Text(Cache)}";
}
