namespace Llama4Kernels.Cli.Shared;

/// <summary>What Ctrl-C stops: the innermost running work, or nothing, when the process should end as usual.</summary>
internal sealed class Interrupts
{
    private readonly Lock _lock = new();
    private readonly Stack<CancellationTokenSource?> _running = [];

    /// <summary>Starts work that Ctrl-C shall stop; end it with <see cref="End"/>.</summary>
    public CancellationTokenSource Begin(CancellationToken outer)
    {
        var source = CancellationTokenSource.CreateLinkedTokenSource(outer);
        lock (_lock)
        {
            _running.Push(source);
        }
        return source;
    }

    /// <summary>Ends work and everything begun inside it.</summary>
    public void End(CancellationTokenSource source)
    {
        lock (_lock)
        {
            while (_running.Count > 0 && _running.Pop() != source)
            {
            }
        }
    }

    /// <summary>Runs a wait for input, which nothing but the end of the process can stop.</summary>
    public T Unstoppable<T>(Func<T> wait)
    {
        lock (_lock)
        {
            _running.Push(null);
        }
        try
        {
            return wait();
        }
        finally
        {
            lock (_lock)
            {
                _running.Pop();
            }
        }
    }

    /// <summary>Stops the innermost work. False when there is none, or it was told to stop before and has not.</summary>
    public bool Stop()
    {
        CancellationTokenSource? source;
        lock (_lock)
        {
            _running.TryPeek(out source);
        }
        if (source is null || source.IsCancellationRequested)
        {
            return false;
        }
        source.Cancel();
        return true;
    }
}
