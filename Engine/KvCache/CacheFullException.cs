namespace Llama4Kernels.Engine.KvCache;

/// <summary>The cache has no block left for what was asked. Nothing was changed.</summary>
public sealed class CacheFullException : Exception
{
    /// <summary>Says what is there.</summary>
    public CacheFullException(long usedBytes, long budgetBytes)
        : base($"The cache's {budgetBytes:N0} bytes have no room for another block: {usedBytes:N0} are in use. End other sequences, shorten the context, or raise the cache's budget.")
    {
        UsedBytes = usedBytes;
        BudgetBytes = budgetBytes;
    }

    /// <summary>Bytes of blocks in use.</summary>
    public long UsedBytes { get; }

    /// <summary>Bytes that all blocks together may have.</summary>
    public long BudgetBytes { get; }
}
