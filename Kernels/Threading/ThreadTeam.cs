using System.Runtime.CompilerServices;
using System.Runtime.ExceptionServices;
using Llama4Kernels.Interop.Processors;

namespace Llama4Kernels.Kernels.Threading;

/// <summary>
/// A fixed team of threads that share out the items of a job and meet at its end. Dispatch costs well under a microsecond
/// and allocates nothing: workers spin briefly for the next job, then park. Nothing waits for a worker that has not taken an
/// item, so one that the system does not schedule costs its share of the work and no more.
/// </summary>
/// <remarks>
/// Any thread may call; runs take turns. No more members are awake at a time than there are processors: those beyond stay
/// parked and cost nothing.
/// </remarks>
public sealed unsafe partial class ThreadTeam : IDisposable
{
    /// <summary>The most members that a team may have.</summary>
    public const int MaxThreads = 1024;

    /// <summary>One item in <see cref="Board.State"/>.</summary>
    private const long Item = 1L << 32;

    /// <summary>Two cache lines, since processors fetch them in pairs.</summary>
    private const int LineBytes = 128;

    /// <summary>Whether the current thread is doing an item, of whichever team.</summary>
    [ThreadStatic]
    private static bool s_inItem;

    private readonly Lock _dispatch = new();

    // The board alone in its cache lines: each hand-over between cores then moves one line.
    private readonly byte[] _memory = GC.AllocateArray<byte>(2 * LineBytes, pinned: true);
    private readonly Board* _board;
    private Failure? _failure;
    private volatile bool _disposed;

    /// <summary>Starts the team. The calling thread of each <see cref="Run"/> is one of its members.</summary>
    /// <param name="threads">Members, 1 … <see cref="MaxThreads"/>; 0 means one for each core that the process may use.</param>
    /// <exception cref="ArgumentOutOfRangeException">There cannot be so many.</exception>
    /// <exception cref="OutOfMemoryException">The system gives no more threads; none is left behind.</exception>
    public ThreadTeam(int threads = 0)
        : this(threads == 0 ? DefaultThreads : threads, Environment.ProcessorCount)
    {
    }

    /// <summary>A team that takes the machine for one with another number of processors, and whose workers can be held up.</summary>
    internal ThreadTeam(int threads, int processors, Action<int, Stop>? onStop = null)
    {
        ArgumentOutOfRangeException.ThrowIfLessThan(threads, 1);
        ArgumentOutOfRangeException.ThrowIfGreaterThan(threads, MaxThreads);
        Threads = threads;
        _onStop = onStop;
        _helpers = Math.Min(threads, processors) - 1;
        _workers = new Worker[threads - 1];
        _board = (Board*)(((nint)Unsafe.AsPointer(ref _memory[0]) + LineBytes - 1) & -LineBytes);
        Start();
    }

    /// <summary>Members of a team that is asked for none in particular: one for each core that the process may use.</summary>
    public static int DefaultThreads { get; } = Math.Min(ProcessorCores.Usable(), MaxThreads);

    /// <summary>Members, the caller included.</summary>
    public int Threads { get; }

    /// <summary>
    /// Runs items 0 … count − 1 of <paramref name="job"/> and returns when all are done. Items are handed out in ascending
    /// order. If some throw, the exception of the lowest of them is thrown here, and later items may not have been done: an
    /// item that finds itself cancelled throws <see cref="OperationCanceledException"/>.
    /// </summary>
    /// <param name="count">Items. A single one is done by the caller at once, beside whatever else runs.</param>
    /// <param name="job">The work.</param>
    /// <exception cref="ArgumentOutOfRangeException">The count is negative.</exception>
    /// <exception cref="InvalidOperationException">The calling thread is doing an item of a team.</exception>
    /// <exception cref="ObjectDisposedException">The team has been disposed.</exception>
    public void Run<TJob>(int count, TJob job)
        where TJob : unmanaged, ITeamJob
    {
        ArgumentOutOfRangeException.ThrowIfNegative(count);
        if (s_inItem)
        {
            throw new InvalidOperationException("A team was asked to run from within an item; the members that it would wait for may be waiting for that item.");
        }
        ObjectDisposedException.ThrowIf(_disposed, this);
        if (count == 1 || Threads == 1)
        {
            RunAlone(count, ref job);
            return;
        }
        lock (_dispatch)
        {
            ObjectDisposedException.ThrowIf(_disposed, this);
            if (count > 0)
            {
                Share(count, &job, &DoItems<TJob>);
            }
        }
    }

    /// <summary>
    /// Waits until the run that the team shares, if there is one, is done, and ends the workers; runs that wait for their turn
    /// then fail. Called from within an item, it does not wait.
    /// </summary>
    public void Dispose()
    {
        if (s_inItem)
        {
            EndWorkers();
            return;
        }
        lock (_dispatch)
        {
            EndWorkers();
        }
        foreach (Worker worker in _workers)
        {
            worker.Thread.Join();
        }
    }

    private static void RunAlone<TJob>(int count, ref TJob job)
        where TJob : unmanaged, ITeamJob
    {
        s_inItem = true;
        try
        {
            for (int item = 0; item < count; item++)
            {
                job.Execute(item, 0);
            }
        }
        finally
        {
            s_inItem = false;
        }
    }

    /// <summary>Publishes a job, does what the others leave, and returns when no worker is inside.</summary>
    private void Share(int count, void* job, delegate*<ThreadTeam, int, int, void> body)
    {
        s_inItem = true;
        _board->Job = job;
        _board->Body = body;
        _board->Count = count;
        // The first item is the caller's own. The exchange is a full fence: a worker that parks sees the items, or is seen parked.
        Interlocked.Exchange(ref _board->State, (count - 1) * Item);
        Wake(Math.Min(count - 1, _helpers));
        body(this, 0, 0);
        for (int turn = 0; (int)Volatile.Read(ref _board->State) != 0; turn++)
        {
            Pause(turn);
        }
        s_inItem = false;
        if (_failure is Failure failure)
        {
            _failure = null;
            failure.Exception.Throw();
        }
    }

    /// <summary>Does <paramref name="item"/> and what is left after it, as member <paramref name="worker"/>.</summary>
    private static void DoItems<TJob>(ThreadTeam team, int item, int worker)
        where TJob : unmanaged, ITeamJob
    {
        TJob* job = (TJob*)team._board->Job;
        try
        {
            do
            {
                job->Execute(item, worker);
                item = team.NextItem();
            }
            while (item >= 0);
        }
        catch (Exception e)
        {
            team.Fail(item, e);
        }
    }

    /// <summary>The next item for a member that is inside, −1 if there is none.</summary>
    private int NextItem()
    {
        long left = Interlocked.Add(ref _board->State, -Item) >> 32;
        return left < 0 ? -1 : _board->Count - 1 - (int)left;
    }

    /// <summary>Enters the job of the moment by taking an item of it, if there is one.</summary>
    private bool TryEnter(out int item)
    {
        long state = Volatile.Read(ref _board->State);
        while (state >= Item)
        {
            long seen = Interlocked.CompareExchange(ref _board->State, state - Item + 1, state);
            if (seen == state)
            {
                item = _board->Count - (int)(state >> 32);
                return true;
            }
            state = seen;
        }
        item = -1;
        return false;
    }

    /// <summary>
    /// Keeps the failure of the lowest item and hands out no more. Those below have been handed out before, so that which
    /// exception is thrown does not depend on who took what.
    /// </summary>
    private void Fail(int item, Exception exception)
    {
        Interlocked.And(ref _board->State, uint.MaxValue);
        var failure = new Failure(item, ExceptionDispatchInfo.Capture(exception));
        Failure? known = Volatile.Read(ref _failure);
        while (known is null || item < known.Item)
        {
            Failure? seen = Interlocked.CompareExchange(ref _failure, failure, known);
            if (seen == known)
            {
                break;
            }
            known = seen;
        }
    }

    /// <summary>What members share.</summary>
    private struct Board
    {
        /// <summary>
        /// High half: items not yet taken; below zero once members have asked in vain. Low half: workers that have taken an item
        /// and have not left. A worker enters by taking an item, both in one exchange. So none enters a job that has run out, and
        /// whoever sees items left may take one, however old its view of the state is.
        /// </summary>
        public long State;

        // The job: written while no worker is inside, read by those inside only.
        public void* Job;
        public delegate*<ThreadTeam, int, int, void> Body;
        public int Count;

        /// <summary>
        /// Workers that are not parked: they look for a job, do items or have been woken, whether the system lets them run or
        /// not. So one that gets no processor is woken once and not at every run.
        /// </summary>
        public int Awake;
    }

    private sealed record Failure(int Item, ExceptionDispatchInfo Exception);
}
