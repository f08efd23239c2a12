using System.Runtime.InteropServices;

namespace Llama4Kernels.PtxEmulator.Driver;

/// <summary>What one stream was given and has not done, and what its next launch may overlap.</summary>
internal sealed class StreamQueue : IDisposable
{
    /// <summary>Work in order; empty unless work is deferred.</summary>
    public Queue<QueuedWork> Waiting { get; } = [];

    /// <summary>The last that was put in, done or not.</summary>
    public QueuedWork? Last { get; private set; }

    public OverlapHistory Overlap { get; } = new();

    public void Add(QueuedWork work)
    {
        Waiting.Enqueue(work);
        Last = work;
    }

    public void Dispose()
    {
        foreach (QueuedWork work in Waiting)
        {
            work.Finish();
        }
        Waiting.Clear();
        Overlap.Dispose();
    }
}

/// <summary>Something that a stream does later: nodes of a graph or a single one, a mark of an event, or a wait for another stream.</summary>
internal sealed unsafe class QueuedWork(EmulatedContext context, StreamQueue queue)
{
    private readonly List<(CopyWork Copy, int Hash)> _sources = [];

    public EmulatedContext Context { get; } = context;

    public StreamQueue Queue { get; } = queue;

    public IReadOnlyList<GraphNode> Nodes { get; init; } = [];

    /// <summary>What another stream has to do first.</summary>
    public QueuedWork? After { get; init; }

    /// <summary>The event that is recorded here.</summary>
    public EmulatedEvent? Mark { get; init; }

    public bool IsDone { get; private set; }

    /// <summary>A launch that may overlap the one before in its stream.</summary>
    public bool IsDependent => After is null && Nodes is [{ Work: KernelWork { Config.ProgrammaticSerialization: true } }];

    public KernelWork? Kernel => Nodes is [{ Work: KernelWork kernel }] ? kernel : null;

    /// <summary>Ranges of host memory that it reads or writes.</summary>
    public IEnumerable<(nint Start, nuint Bytes, bool Writes)> HostRanges => Nodes.Select(node => node.Work).OfType<CopyWork>()
        .Where(copy => copy.From is null || copy.To is null)
        .Select(copy => copy.To is null ? (copy.Destination, copy.Bytes, true) : (copy.Source, copy.Bytes, false));

    /// <summary>Memory that goes when it is done.</summary>
    public nint Owned { get; init; }

    /// <summary>A copy's source as it is now.</summary>
    public static nint Snapshot(CopyWork copy)
    {
        void* kept = NativeMemory.Alloc(copy.Bytes);
        Buffer.MemoryCopy((void*)copy.Source, kept, copy.Bytes, copy.Bytes);
        return (nint)kept;
    }

    /// <summary>Remembers what a source holds that must not change while the copy is under way.</summary>
    public void Watch(CopyWork copy) => _sources.Add((copy, HashOf(copy)));

    /// <summary>A source that the host changed since, or null.</summary>
    public CopyWork? Changed() => _sources.Find(source => HashOf(source.Copy) != source.Hash).Copy;

    public void Finish()
    {
        if (!IsDone)
        {
            IsDone = true;
            NativeMemory.Free((void*)Owned);
        }
    }

    private static int HashOf(CopyWork copy)
    {
        var hash = new HashCode();
        for (nuint first = 0; first < copy.Bytes; first += 1 << 30)
        {
            hash.AddBytes(new ReadOnlySpan<byte>((void*)(copy.Source + (nint)first), (int)Math.Min(copy.Bytes - first, 1 << 30)));
        }
        return hash.ToHashCode();
    }
}
