namespace Llama4Kernels.Engine.Serving;

/// <summary>
/// Shares out the items of a job among the caller and threads of the pool. It allocates nothing once it runs, and waits for nobody
/// who has not taken an item: a pool that is busy costs its help and no more. One caller at a time.
/// </summary>
/// <param name="helpers">Most threads of the pool at a time.</param>
/// <param name="execute">Does an item; must not throw.</param>
internal sealed class SharedItems(int helpers, Action<int> execute) : IThreadPoolWorkItem
{
    private int _left, _done, _asked;

    /// <summary>Does items 0 … count − 1 and returns when all are done.</summary>
    public void Run(int count)
    {
        // All who took an item of the run before are done with it: only those who come too late are still about.
        Volatile.Write(ref _done, 0);
        Volatile.Write(ref _left, count);
        for (int i = 1; i < count && TryAsk(); i++)
        {
            ThreadPool.UnsafeQueueUserWorkItem(this, preferLocal: false);
        }
        Help();
        SpinWait wait = default;
        while (Volatile.Read(ref _done) < count)
        {
            wait.SpinOnce(sleep1Threshold: -1);
        }
    }

    /// <inheritdoc/>
    void IThreadPoolWorkItem.Execute()
    {
        Interlocked.Decrement(ref _asked);
        Help();
    }

    private bool TryAsk()
    {
        if (Interlocked.Increment(ref _asked) <= helpers)
        {
            return true;
        }
        Interlocked.Decrement(ref _asked);
        return false;
    }

    private void Help()
    {
        for (int left = Volatile.Read(ref _left); left > 0;)
        {
            int seen = Interlocked.CompareExchange(ref _left, left - 1, left);
            if (seen == left)
            {
                execute(left - 1);
                Interlocked.Increment(ref _done);
                seen = Volatile.Read(ref _left);
            }
            left = seen;
        }
    }
}
