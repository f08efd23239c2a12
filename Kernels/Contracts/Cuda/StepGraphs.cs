using Llama4Kernels.Interop.Cuda;

namespace Llama4Kernels.Kernels.Contracts.Cuda;

/// <summary>Graphs of steps that came before; the one not used for longest makes room for a new one.</summary>
internal sealed class StepGraphs(CudaStream stream, Action<LaunchList> issue, int most) : IDisposable
{
    // Steps that are remembered without a graph: enough for all shapes that take turns.
    private const int MostSeen = 256;

    private readonly List<Entry> _entries = [];
    private readonly HashSet<int> _seen = [];
    private long _clock;

    /// <summary>Graphs that were captured so far.</summary>
    public int Captured { get; private set; }

    /// <summary>Graphs that were launched instead of their kernels.</summary>
    public int Replayed { get; private set; }

    public void Run(LaunchList list)
    {
        foreach (Entry entry in _entries)
        {
            if (entry.List.Matches(list))
            {
                Launch(entry);
                return;
            }
        }
        int hash = list.Hash();
        if (!_seen.Remove(hash))
        {
            if (_seen.Count == MostSeen)
            {
                _seen.Clear();
            }
            _seen.Add(hash);
            issue(list);
            return;
        }
        Capture(list);
    }

    public void Dispose()
    {
        foreach (Entry entry in _entries)
        {
            entry.Executable.Dispose();
        }
        _entries.Clear();
    }

    private void Capture(LaunchList list)
    {
        using CudaGraph graph = stream.Capture(() => issue(list));
        Captured++;
        Launch(Place(graph, list.Clone()));
    }

    private Entry Place(CudaGraph graph, LaunchList list)
    {
        if (_entries.Count == most)
        {
            Entry oldest = _entries.MinBy(entry => entry.LastUse)!;
            if (oldest.Executable.TryUpdate(graph))
            {
                oldest.List = list;
                return oldest;
            }
            oldest.Executable.Dispose();
            _entries.Remove(oldest);
        }
        var added = new Entry(graph.Instantiate(), list);
        _entries.Add(added);
        return added;
    }

    private void Launch(Entry entry)
    {
        entry.LastUse = ++_clock;
        entry.Executable.Launch(stream);
        Replayed++;
    }

    private sealed class Entry(CudaGraphExec executable, LaunchList list)
    {
        public CudaGraphExec Executable { get; } = executable;

        public LaunchList List { get; set; } = list;

        public long LastUse { get; set; }
    }
}
