namespace Llama4Kernels.Engine;

/// <summary>The cache has no block left for what was asked. Nothing was changed.</summary>
internal sealed class CacheFullException : Llama4Exception
{
    /// <summary>Says what is there.</summary>
    public CacheFullException(long usedBytes, long budgetBytes)
        : this(usedBytes, budgetBytes, $"The cache's {budgetBytes:N0} bytes have no room for another block: {usedBytes:N0} are in use. End other sequences, shorten the context, or raise the cache's budget.")
    {
    }

    private CacheFullException(long usedBytes, long budgetBytes, string message)
        : base(Llama4Error.CacheFull, message)
    {
        UsedBytes = usedBytes;
        BudgetBytes = budgetBytes;
    }

    /// <summary>A sequence does not fit, even alone.</summary>
    internal static CacheFullException OfSequence(int tokens, long neededBytes, long budgetBytes) =>
        new(0, budgetBytes, $"A sequence of {tokens:N0} tokens takes {neededBytes:N0} bytes of the cache, which has {budgetBytes:N0} in all. Shorten it, or raise the cache's budget.");

    /// <summary>Bytes of blocks in use.</summary>
    public long UsedBytes { get; }

    /// <summary>Bytes that all blocks together may have.</summary>
    public long BudgetBytes { get; }
}
