using System.Diagnostics;
using System.Text;
using Llama4Kernels.Interop.Cuda;
using Llama4Kernels.Kernels.Contracts.Cuda;
using Llama4Kernels.PtxEmulator.Execution;
using Llama4Kernels.PtxEmulator.Parsing;

namespace Llama4Kernels.PtxEmulator.Driver;

/// <summary>A primary context: everything that is made in it goes with it.</summary>
internal sealed class EmulatedContext(nint handle, int device, bool isPlan) : IDisposable
{
    public nint Handle { get; } = handle;

    public int Device { get; } = device;

    public int Retained { get; set; }

    /// <summary>The error that ended it.</summary>
    public CudaResult Fault { get; set; }

    public GlobalMemory Memory { get; } = new(isPlan);

    /// <summary>Bytes of each allocation by address.</summary>
    public Dictionary<nint, long> Allocations { get; } = [];

    public long UsedBytes { get; set; }

    /// <summary>The legacy stream.</summary>
    public StreamQueue Default { get; } = new();

    /// <summary>Streams that were destroyed and still have work.</summary>
    public List<StreamQueue> Orphans { get; } = [];

    /// <summary>What to tell about <see cref="Fault"/>.</summary>
    public string? FaultDetail { get; set; }

    public void Dispose()
    {
        Default.Dispose();
        Orphans.ForEach(queue => queue.Dispose());
        Memory.Dispose();
    }
}

/// <summary>Something with a handle that belongs to a context.</summary>
internal abstract class DriverObject(EmulatedContext context)
{
    public EmulatedContext Context { get; } = context;
}

internal sealed class EmulatedModule(EmulatedContext context, PtxProgram program, int? maxRegisters, int target) : DriverObject(context)
{
    public PtxProgram Program { get; } = program;

    public int? MaxRegisters { get; } = maxRegisters;

    /// <summary>10·major + minor of the text's target.</summary>
    public int Target { get; } = target;

    /// <summary>Its text has a griddepcontrol.wait.</summary>
    public bool Waits { get; init; }

    /// <summary>What its head says, if it has one.</summary>
    public KernelSpec? Spec { get; init; }

    public Dictionary<string, nint> Functions { get; } = new(StringComparer.Ordinal);

    public bool Unloaded { get; set; }
}

internal sealed class EmulatedLinker(EmulatedContext context) : DriverObject(context)
{
    /// <summary>Texts that were checked each by itself.</summary>
    public List<string> Inputs { get; } = [];

    public StringBuilder Errors { get; } = new();
}

internal sealed class EmulatedFunction(EmulatedModule module, PtxKernel kernel, PtxEntry entry, int registers) : DriverObject(module.Context)
{
    public EmulatedModule Module { get; } = module;

    public PtxKernel Kernel { get; } = kernel;

    /// <summary>What its text demands of a launch.</summary>
    public PtxEntry Entry { get; } = entry;

    public int Registers { get; } = registers;

    public int MaxDynamicShared { get; set; } = DeviceLimits.SharedPerBlock - kernel.SharedBytes;

    public int Carveout { get; set; } = -1;

    public int NonPortableClusters { get; set; }
}

internal sealed class EmulatedStream(EmulatedContext context) : DriverObject(context)
{
    /// <summary>The recording that it takes part in.</summary>
    public Capture? Capture { get; set; }

    /// <summary>Nodes that its next node depends on.</summary>
    public HashSet<int> Frontier { get; } = [];

    public StreamQueue Queue { get; } = new();
}

internal sealed class EmulatedEvent(EmulatedContext context, bool timing) : DriverObject(context)
{
    private long _ticks;
    private OverlapHistory? _overlap;
    private DependentGrid? _last;

    public bool Timing { get; } = timing;

    public bool Recorded { get; private set; }

    public Capture? Capture { get; private set; }

    public int[] Frontier { get; private set; } = [];

    /// <summary>Where its mark stands in a stream whose work is deferred.</summary>
    public QueuedWork? Marker { get; set; }

    public void Record(EmulatedStream? stream)
    {
        Capture = stream?.Capture;
        Frontier = Capture is null ? [] : [.. stream!.Frontier];
        Recorded = true;
    }

    /// <summary>The stream has come to the mark.</summary>
    public void Reach(OverlapHistory overlap)
    {
        (_overlap, _last) = (overlap, overlap.Last);
        _ticks = Stopwatch.GetTimestamp();
    }

    /// <summary>The host knows that everything before the mark has ended.</summary>
    public void Passed()
    {
        if (_overlap is not null && _overlap.Last == _last)
        {
            _overlap.Clear();
        }
    }

    public float MillisecondsSince(EmulatedEvent start) => (float)Stopwatch.GetElapsedTime(start._ticks, _ticks).TotalMilliseconds;
}

/// <summary>A recording under way.</summary>
internal sealed class Capture(EmulatedStream origin, int thread)
{
    public EmulatedStream Origin { get; } = origin;

    public int Thread { get; } = thread;

    public bool Invalid { get; set; }

    public List<GraphNode> Nodes { get; } = [];
}

internal sealed class EmulatedGraph(EmulatedContext context, IReadOnlyList<GraphNode> nodes) : DriverObject(context)
{
    public IReadOnlyList<GraphNode> Nodes { get; } = nodes;
}

internal sealed class EmulatedGraphExec(EmulatedContext context, IEnumerable<GraphNode> nodes) : DriverObject(context)
{
    public List<GraphNode> Nodes { get; } = [.. nodes];
}

/// <summary>What a stream does: recorded with what it depends on, or executed at once.</summary>
internal abstract record GraphWork;

/// <summary>A launch; its parameters were copied when it was issued.</summary>
internal sealed record KernelWork(EmulatedFunction Function, CudaLaunchConfig Config, byte[] Parameters) : GraphWork;

/// <summary>A copy; a null context is the host.</summary>
internal sealed record CopyWork(nint Destination, EmulatedContext? To, nint Source, EmulatedContext? From, nuint Bytes) : GraphWork;

internal sealed record FillWork(nint Destination, EmulatedContext Context, byte Value, nuint Bytes) : GraphWork;

/// <summary>Memory that is given back in a stream's order.</summary>
internal sealed record FreeWork(nint Address) : GraphWork;

/// <summary>A function of the host.</summary>
internal sealed unsafe record HostWork(nint Function, nint Argument) : GraphWork
{
    public void Call() => ((delegate* unmanaged<nint, void>)Function)(Argument);
}

internal sealed record GraphNode(nint Handle, GraphWork Work, IReadOnlyList<int> DependsOn);
