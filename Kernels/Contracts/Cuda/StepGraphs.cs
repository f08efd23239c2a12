using Llama4Kernels.Interop.Cuda;

namespace Llama4Kernels.Kernels.Contracts.Cuda;

/// <summary>Graphs of steps that came twice in a row; the one not used for longest makes room for a new one.</summary>
internal sealed class StepGraphs(CudaStream stream, Action<LaunchList> issue) : IDisposable
{
    private const int MaxGraphs = 8;

    private readonly List<Entry> _entries = [];
    private LaunchList? _last;
    private long _clock;

    /// <summary>Graphs that were captured so far.</summary>
    public int Captured { get; private set; }

    /// <summary>Graphs that were launched instead of their kernels.</summary>
    public int Replayed { get; private set; }

    public void Run(LaunchList list)
    {
        if (_entries.Find(entry => entry.List.Matches(list)) is Entry known)
        {
            Launch(known);
            return;
        }
        if (_last is null || !_last.Matches(list))
        {
            _last = list.Clone();
            issue(list);
            return;
        }
        using CudaGraph graph = stream.Capture(() => issue(list));
        Captured++;
        Entry entry = Place(graph, _last);
        _last = null;
        Launch(entry);
    }

    public void Dispose()
    {
        foreach (Entry entry in _entries)
        {
            entry.Executable.Dispose();
        }
        _entries.Clear();
    }

    private Entry Place(CudaGraph graph, LaunchList list)
    {
        if (_entries.Count == MaxGraphs)
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
