namespace Llama4Kernels.Engine;

/// <summary>As many requests wait as may. Nothing was done; try again later.</summary>
internal sealed class QueueFullException : Llama4Exception
{
    /// <summary>Says how many may wait.</summary>
    public QueueFullException(int limit)
        : base(Llama4Error.QueueFull, $"{limit} requests wait already, and no more may. Try again later, or raise {nameof(Scheduling.EngineOptions.MaxQueue)}.") => Limit = limit;

    /// <summary>Requests that may wait.</summary>
    public int Limit { get; }
}
