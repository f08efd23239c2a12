using System.Diagnostics;

namespace Llama4Kernels.Kernels.Threading;

/// <summary>The threads of a team: how they wait for a job, park, wake and end.</summary>
public sealed unsafe partial class ThreadTeam
{
    /// <summary>Turns of waiting, of about 30 ns, before a thread lets others have its processor between two looks.</summary>
    private const int SpinTurns = 160;

    /// <summary>How long a worker looks for a job before it parks: bridges the gaps between kernels and most of those between tokens.</summary>
    private static readonly long s_patience = Stopwatch.Frequency / 5_000;

    private readonly Worker[] _workers;

    /// <summary>Called by a worker, with its number, wherever the system may take its processor away: tests keep it there.</summary>
    private readonly Action<int, Stop>? _onStop;

    /// <summary>Most workers that are awake at a time: one fewer than there are processors.</summary>
    private readonly int _helpers;

    /// <summary>Where a worker may be when it loses its processor.</summary>
    internal enum Stop
    {
        /// <summary>Before it looks for an item.</summary>
        Looking,

        /// <summary>Between saying that it is parked and leaving the number of those awake.</summary>
        Parking,

        /// <summary>After a last look that found items: no longer parked, not yet in the number of those awake.</summary>
        Rousing,

        /// <summary>After the last look, before it sleeps.</summary>
        Parked,

        /// <summary>After its last item of a job, still inside.</summary>
        Leaving,
    }

    private void Start()
    {
        for (int i = 0; i < _workers.Length; i++)
        {
            var worker = new Worker(this, i + 1);
            try
            {
                worker.Thread.UnsafeStart();
            }
            catch
            {
                EndWorkers();
                throw;
            }
            _workers[i] = worker;
        }
    }

    /// <summary>Looks for a job and takes an item of it; false when the team has ended.</summary>
    private bool TryAwait(Worker worker, out int item)
    {
        long start = 0;
        for (int turn = 0; ; turn++)
        {
            _onStop?.Invoke(worker.Number, Stop.Looking);
            if (TryEnter(out item))
            {
                return true;
            }
            if (_disposed)
            {
                return false;
            }
            Pause(turn);
            if (turn == SpinTurns)
            {
                start = Stopwatch.GetTimestamp();
            }
            else if (turn > SpinTurns && Stopwatch.GetTimestamp() - start > s_patience)
            {
                Park(worker);
                turn = 0;
            }
        }
    }

    /// <summary>
    /// Waits a moment: first by spinning, which sees a change soonest, then by yielding. A thread that only spun would use up
    /// its share of a processor that another process or the very thread it waits for needs, and be without one when it has
    /// work to do, which then the whole team waits for.
    /// </summary>
    private static void Pause(int turn)
    {
        if (turn < SpinTurns)
        {
            Thread.SpinWait(1);
        }
        else
        {
            Thread.Yield();
        }
    }

    /// <summary>
    /// Sleeps until woken. The worker first says that it is parked, then leaves the number of those awake, then takes a last
    /// look; a run publishes its items, then reads the number, then seeks the parked. So one of them sees the other.
    /// </summary>
    private void Park(Worker worker)
    {
        worker.Announce();
        _onStop?.Invoke(worker.Number, Stop.Parking);
        Interlocked.Decrement(ref _board->Awake);
        if ((Volatile.Read(ref _board->State) >= Item || _disposed) && worker.TryUnpark())
        {
            _onStop?.Invoke(worker.Number, Stop.Rousing);
            Interlocked.Increment(ref _board->Awake);
            return;
        }
        _onStop?.Invoke(worker.Number, Stop.Parked);
        worker.Signal.WaitOne();
    }

    /// <summary>
    /// Sees to it that <paramref name="wanted"/> workers are awake, those of low numbers first. Those beyond the processors never
    /// are: where a worker that rouses itself is not counted yet, one of them would be woken in its place.
    /// </summary>
    private void Wake(int wanted)
    {
        for (int i = 0; i < _helpers && Volatile.Read(ref _board->Awake) < wanted; i++)
        {
            if (_workers[i].TryUnpark())
            {
                Interlocked.Increment(ref _board->Awake);
                _workers[i].Signal.Set();
            }
        }
    }

    /// <summary>Lets the workers end once the run that goes on, if one does, is done.</summary>
    private void EndWorkers()
    {
        _disposed = true;
        Interlocked.MemoryBarrier();
        // Null where a thread could not be started.
        foreach (Worker? worker in _workers)
        {
            if (worker?.TryUnpark() == true)
            {
                Interlocked.Increment(ref _board->Awake);
                worker.Signal.Set();
            }
        }
    }

    private sealed class Worker
    {
        private readonly ThreadTeam _team;
        private bool _isParked = true;

        public Worker(ThreadTeam team, int number)
        {
            _team = team;
            Number = number;
            Thread = new Thread(Work) { IsBackground = true, Name = $"llama4 worker {number}" };
        }

        public int Number { get; }

        public Thread Thread { get; }

        /// <summary>Set by whoever unparks the worker.</summary>
        public AutoResetEvent Signal { get; } = new(false);

        /// <summary>Says that the worker is parked.</summary>
        public void Announce() => Volatile.Write(ref _isParked, true);

        /// <summary>Takes it on the caller to wake the worker; false if it is awake or another has taken that on.</summary>
        public bool TryUnpark() => Interlocked.CompareExchange(ref _isParked, false, true);

        private void Work()
        {
            // All that a worker ever runs is items.
            s_inItem = true;
            Signal.WaitOne();
            while (_team.TryAwait(this, out int item))
            {
                _team._board->Body(_team, item, Number);
                _team._onStop?.Invoke(Number, Stop.Leaving);
                Interlocked.Decrement(ref _team._board->State);
            }
            Signal.Dispose();
        }
    }
}
