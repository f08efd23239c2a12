using System.Runtime.CompilerServices;
using Llama4Kernels.Kernels.Threading;

namespace Llama4Kernels.Kernels.MatMul;

/// <summary>
/// Runs the jobs of products: each as it comes, or those of several products beside each other. The jobs of one product follow each
/// other, and what it multiplies is there before its first; so the first jobs of all share a run, then the second ones, and the
/// team meets no more often than for a single product.
/// </summary>
internal sealed unsafe class ProductTeam(ThreadTeam team)
{
    private readonly List<SharedRun> _runs = [];
    private int _next;
    private bool _collects;

    /// <summary>The team's members.</summary>
    public int Threads => team.Threads;

    /// <summary>The team itself, for what is no product.</summary>
    public ThreadTeam Team => team;

    /// <summary>Runs a job, or takes it in while jobs are collected.</summary>
    public void Run<TJob>(int count, TJob job)
        where TJob : unmanaged, ITeamJob
    {
        if (!_collects)
        {
            team.Run(count, job);
            return;
        }
        if (_next == _runs.Count)
        {
            _runs.Add(new SharedRun());
        }
        _runs[_next++].Add(count, job);
    }

    /// <summary>Whether jobs that come are collected and not run at once.</summary>
    public bool IsCollecting => _collects;

    /// <summary>Whether jobs were collected since the last <see cref="Collect"/>.</summary>
    public bool HasCollected => _next > 0;

    /// <summary>The jobs that come are those of the next of several products, which do not depend on each other.</summary>
    public void Collect()
    {
        _collects = true;
        _next = 0;
    }

    /// <summary>The jobs that come run at once, although others are collected; says whether they are.</summary>
    public bool Interrupt()
    {
        bool collects = _collects;
        _collects = false;
        return collects;
    }

    /// <summary>Runs what was collected.</summary>
    public void RunCollected()
    {
        try
        {
            foreach (SharedRun run in _runs)
            {
                run.Run(team);
            }
        }
        finally
        {
            Drop();
        }
    }

    /// <summary>Forgets what was collected.</summary>
    public void Drop()
    {
        _collects = false;
        foreach (SharedRun run in _runs)
        {
            run.Clear();
        }
    }

    private static void Execute<TJob>(byte* job, int item, int worker)
        where TJob : unmanaged, ITeamJob => ((TJob*)job)->Execute(item, worker);

    /// <summary>Jobs whose items are handed out in one run.</summary>
    private sealed class SharedRun
    {
        // Pinned, since members read them by address; they grow to the largest run once.
        private Entry[] _entries = GC.AllocateArray<Entry>(8, pinned: true);
        private byte[] _jobs = GC.AllocateArray<byte>(2048, pinned: true);
        private int _count, _bytes, _items;

        public void Add<TJob>(int count, in TJob job)
            where TJob : unmanaged, ITeamJob
        {
            int size = (sizeof(TJob) + 15) & ~15;
            if (_count == _entries.Length)
            {
                _entries = Grown(_entries, 2 * _count);
            }
            if (_bytes + size > _jobs.Length)
            {
                _jobs = Grown(_jobs, 2 * (_bytes + size));
            }
            Unsafe.WriteUnaligned(ref _jobs[_bytes], job);
            _entries[_count++] = new Entry(&Execute<TJob>, _bytes, _items);
            _bytes += size;
            _items = checked(_items + count);
        }

        public void Run(ThreadTeam team)
        {
            if (_items > 0)
            {
                team.Run(_items, new AllJobs((Entry*)Unsafe.AsPointer(ref _entries[0]), _count, (byte*)Unsafe.AsPointer(ref _jobs[0])));
            }
        }

        public void Clear() => _count = _bytes = _items = 0;

        private static T[] Grown<T>(T[] old, int length)
        {
            T[] grown = GC.AllocateArray<T>(length, pinned: true);
            old.CopyTo(grown, 0);
            return grown;
        }
    }

    /// <summary>A job, and which item of a run is its first.</summary>
    private readonly struct Entry(delegate*<byte*, int, int, void> body, int offset, int first)
    {
        public readonly delegate*<byte*, int, int, void> Body = body;
        public readonly int Offset = offset;
        public readonly int First = first;
    }

    /// <summary>One item: one of some job.</summary>
    private readonly struct AllJobs(Entry* entries, int count, byte* jobs) : ITeamJob
    {
        public void Execute(int item, int worker)
        {
            // Jobs are as few as the experts that have rows.
            int at = count - 1;
            while (entries[at].First > item)
            {
                at--;
            }
            entries[at].Body(jobs + entries[at].Offset, item - entries[at].First, worker);
        }
    }
}
