using System.Runtime.InteropServices;
using Llama4Kernels.Interop.Cuda;
using Llama4Kernels.PtxEmulator.Execution;
using Llama4Kernels.PtxEmulator.Findings;

namespace Llama4Kernels.PtxEmulator.Driver;

/// <content>Launches, and how work is checked, recorded and executed.</content>
public sealed unsafe partial class EmulatedCudaDriver
{
    private const int PortableCluster = 8;

    private bool _runsHostFunction;

    /// <summary>Something here may overlap: from now on it is kept what launches read and write.</summary>
    private bool _tracksOverlap;

    /// <inheritdoc/>
    public CudaResult LaunchKernel(nint function, in CudaLaunchConfig config, nint stream, void** arguments)
    {
        lock (_gate)
        {
            if (!TryStream(stream, out EmulatedContext? context, out EmulatedStream? queue, out CudaResult error))
            {
                return error;
            }
            if (!TryFind(context, function, out EmulatedFunction? kernel))
            {
                return CudaResult.InvalidHandle;
            }
            return TryCopyArguments(kernel, arguments, out byte[] parameters)
                ? Submit(context, queue, new KernelWork(kernel, config, parameters))
                : Fail(CudaResult.InvalidValue, $"{kernel.Kernel.Name} has {kernel.Kernel.Parameters.Count} parameters and was given none.");
        }
    }

    private static bool TryCopyArguments(EmulatedFunction function, void** arguments, out byte[] parameters)
    {
        parameters = new byte[function.Kernel.ParameterBytes];
        IReadOnlyList<(int Offset, int Bytes)> places = function.Kernel.Parameters;
        for (int i = 0; i < places.Count; i++)
        {
            if (arguments == null || arguments[i] == null)
            {
                return false;
            }
            new ReadOnlySpan<byte>(arguments[i], places[i].Bytes).CopyTo(parameters.AsSpan(places[i].Offset));
        }
        return true;
    }

    /// <summary>Executes work, or records it while its stream is captured.</summary>
    private CudaResult Submit(EmulatedContext context, EmulatedStream? queue, GraphWork work)
    {
        if (queue?.Capture is not Capture capture)
        {
            return CheckAndExecute(context, QueueOf(context, queue), work);
        }
        if (capture.Invalid)
        {
            return CudaResult.StreamCaptureInvalidated;
        }
        CudaResult result = Check(context, work);
        if (result != CudaResult.Success)
        {
            capture.Invalid = true;
            return result;
        }
        capture.Nodes.Add(new GraphNode(NewHandle(), work, [.. queue.Frontier]));
        queue.Frontier.Clear();
        queue.Frontier.Add(capture.Nodes.Count - 1);
        return CudaResult.Success;
    }

    private CudaResult CheckAndExecute(EmulatedContext context, StreamQueue queue, GraphWork work)
    {
        CudaResult result = Check(context, work);
        return result != CudaResult.Success ? result
            : _options.DeferWork ? Defer(context, queue, [new GraphNode(0, work, [])])
            : Execute(context, queue.Overlap, work);
    }

    private CudaResult Check(EmulatedContext context, GraphWork work) => work switch
    {
        KernelWork launch => CheckLaunch(launch.Function, launch.Config) is var result && result != CudaResult.Success ? result : CheckSpec(context, launch),
        CopyWork copy => CheckRange(copy.From, copy.Source, copy.Bytes, "source") is var source && source != CudaResult.Success
            ? source
            : CheckRange(copy.To, copy.Destination, copy.Bytes, "destination"),
        HostWork or FreeWork => CudaResult.Success,
        _ => CheckRange(context, ((FillWork)work).Destination, ((FillWork)work).Bytes, "destination"),
    };

    private CudaResult CheckRange(EmulatedContext? context, nint address, nuint bytes, string name)
    {
        bool valid = bytes == 0 || (context is null ? address != 0 : bytes <= long.MaxValue && context.Memory.Contains(address, (long)bytes));
        return valid ? CudaResult.Success : Fail(CudaResult.InvalidValue, $"The {name}, {bytes} bytes at 0x{address:x}, is not inside an allocation.");
    }

    private CudaResult CheckLaunch(EmulatedFunction function, in CudaLaunchConfig config)
    {
        PtxKernel kernel = function.Kernel;
        CudaDim3 grid = config.Grid, block = config.Block;
        if (function.Module.Unloaded)
        {
            return Fail(CudaResult.InvalidHandle, $"The module of {kernel.Name} was unloaded.");
        }
        if (grid.X < 1 || grid.Y is < 1 or > 65535 || grid.Z is < 1 or > 65535 || block.X < 1 || block.Y < 1 || block.Z is < 1 or > 64 || block.Count > DeviceLimits.ThreadsPerBlock)
        {
            return Fail(CudaResult.InvalidValue, $"The device takes no grid {grid} of blocks {block}.");
        }
        if (block.Count > function.Entry.MaxThreads || (function.Entry.RequiredBlock is (int X, int Y, int Z) required && required != (block.X, block.Y, block.Z)))
        {
            return Fail(CudaResult.InvalidValue, $"{kernel.Name} takes blocks of {function.Entry.RequiredBlock?.ToString() ?? $"at most {function.Entry.MaxThreads} threads"}, not {block}.");
        }
        if (config.SharedBytes < 0 || config.SharedBytes > function.MaxDynamicShared)
        {
            return Fail(CudaResult.InvalidValue, $"{kernel.Name} may have {function.MaxDynamicShared} bytes of dynamic shared memory, not {config.SharedBytes}.");
        }
        int fitting = _limits.Occupancy((int)block.Count, function.Registers, kernel.SharedBytes + config.SharedBytes);
        if (fitting == 0)
        {
            return Fail(CudaResult.LaunchOutOfResources, $"A block of {kernel.Name} does not fit a multiprocessor.");
        }
        if (config.ProgrammaticSerialization && _limits.Major < 9)
        {
            return Fail(CudaResult.NotSupported, $"Programmatic dependent launch needs sm_90; the device is sm_{_options.Capability}.");
        }
        if (config.Cooperative && grid.Count > (long)fitting * _limits.Multiprocessors)
        {
            return CudaResult.CooperativeLaunchTooLarge;
        }
        return CheckCluster(function, config);
    }

    /// <summary>Launcher and kernel were written against one description: where they differ, one of them is wrong, whatever a device would make of it.</summary>
    private CudaResult CheckSpec(EmulatedContext context, KernelWork launch) =>
        launch.Function.Module.Spec is { } spec && spec.Name == launch.Function.Kernel.Name && SpecCheck.Difference(spec, launch.Config, launch.Parameters) is string difference
            ? Fault(context, new PtxFinding(PtxFindingKind.Launch, spec.Name, launch.Function.Kernel.Function.Symbol.Line, default, 0, $"The launch has {difference}."))
            : CudaResult.Success;

    private CudaResult CheckCluster(EmulatedFunction function, in CudaLaunchConfig config)
    {
        if (config.Cluster is null && function.Entry.RequiredCluster is null)
        {
            return CudaResult.Success;
        }
        if (config.Cluster is not CudaDim3 cluster)
        {
            return Fail(CudaResult.InvalidClusterSize, $"{function.Kernel.Name} must be launched in clusters.");
        }
        CudaDim3 grid = config.Grid;
        if (cluster.X < 1 || cluster.Y < 1 || cluster.Z < 1 || grid.X % cluster.X != 0 || grid.Y % cluster.Y != 0 || grid.Z % cluster.Z != 0)
        {
            return CudaResult.InvalidValue;
        }
        return cluster.Count > (function.NonPortableClusters == 1 ? 2 * PortableCluster : PortableCluster) ? CudaResult.InvalidClusterSize
            : cluster.Count == 1 && function.Entry.RequiredCluster is null ? CudaResult.Success
            : Fail(CudaResult.NotSupported, "Clusters of several blocks are not emulated.");
    }

    private CudaResult Execute(EmulatedContext context, OverlapHistory overlap, GraphWork work)
    {
        if (work is KernelWork launch)
        {
            return Run(context, overlap, [launch]);
        }
        overlap.Clear();
        switch (work)
        {
            case HostWork host:
                _runsHostFunction = true;
                host.Call();
                _runsHostFunction = false;
                break;
            case FreeWork free:
                return Free(context, free.Address);
            case CopyWork copy when copy.Bytes > 0:
                Buffer.MemoryCopy((void*)copy.Source, (void*)copy.Destination, copy.Bytes, copy.Bytes);
                if (copy.To is not null && copy.To == copy.From)
                {
                    copy.To.Memory.CopyDefined(copy.Destination, copy.Source, (long)copy.Bytes);
                }
                else
                {
                    copy.To?.Memory.MarkDefined(copy.Destination, (long)copy.Bytes);
                }
                break;
            case FillWork fill when fill.Bytes > 0 && !_options.IsPlan:
                NativeMemory.Fill((void*)fill.Destination, fill.Bytes, fill.Value);
                fill.Context.Memory.MarkDefined(fill.Destination, (long)fill.Bytes);
                break;
        }
        return CudaResult.Success;
    }

    /// <summary>Runs launches of one stream of which each but the first may overlap the one before.</summary>
    private CudaResult Run(EmulatedContext context, OverlapHistory overlap, IReadOnlyList<KernelWork> chain)
    {
        if (_options.IsPlan)
        {
            _planned.AddRange(chain.Select(launch => new PlannedLaunch(launch)));
            return CudaResult.Success;
        }
        foreach (KernelWork[] part in chain.Chunk(OverlapHistory.MostGrids / 2))
        {
            CudaResult result = RunTogether(context, overlap, part);
            if (result != CudaResult.Success)
            {
                return result;
            }
        }
        return CudaResult.Success;
    }

    private CudaResult RunTogether(EmulatedContext context, OverlapHistory overlap, KernelWork[] chain)
    {
        if (!chain[0].Config.ProgrammaticSerialization)
        {
            overlap.Clear();
        }
        if (overlap.IsUnknown && !chain[0].Function.Module.Waits)
        {
            return Fault(context, new PtxFinding(PtxFindingKind.MissingWait, chain[0].Function.Kernel.Name, chain[0].Function.Kernel.Function.Symbol.Line, default, 0,
                "The launch may overlap the one before, and the kernel has no griddepcontrol.wait."));
        }
        _tracksOverlap |= chain.Any(launch => launch.Config.ProgrammaticSerialization);
        var starts = new KernelStart[chain.Length];
        DependentGrid? before = overlap.Last;
        for (int i = 0; i < chain.Length; i++)
        {
            (EmulatedFunction function, CudaLaunchConfig config, byte[] parameters) = chain[i];
            before = _tracksOverlap ? new DependentGrid(function.Kernel.Name, config.Grid.Count, before) : null;
            starts[i] = new KernelStart(function.Kernel, config.Grid, config.Block, config.SharedBytes, parameters, before);
        }
        try
        {
            LaunchCounters[] counters = KernelLaunch.Run(starts, _options.Launch);
            overlap.IsUnknown = !_tracksOverlap;
            for (int i = 0; i < chain.Length; i++)
            {
                if (_options.RecordLaunches)
                {
                    _launches.Add(new EmulatedLaunch(starts[i].Kernel.Name, starts[i].Grid, starts[i].Block, counters[i]));
                }
            }
            return CudaResult.Success;
        }
        catch (PtxFindingException e)
        {
            return Fault(context, e.Finding);
        }
        catch (PtxNotImplementedException e)
        {
            return Fail(CudaResult.NotSupported, e.Message);
        }
        finally
        {
            foreach (KernelStart start in starts)
            {
                if (start.Dependent is DependentGrid grid)
                {
                    overlap.Add(grid);
                }
            }
        }
    }

    /// <summary>A finding ends its context.</summary>
    private CudaResult Fault(EmulatedContext context, PtxFinding finding)
    {
        _findings.Add(finding);
        return Fault(context, finding.Kind switch
        {
            PtxFindingKind.OutOfBounds or PtxFindingKind.InFlight => CudaResult.IllegalAddress,
            PtxFindingKind.Misaligned => CudaResult.MisalignedAddress,
            _ => CudaResult.LaunchFailed,
        }, finding.ToString());
    }

    private CudaResult Fault(EmulatedContext context, CudaResult result, string? detail)
    {
        context.Fault = result;
        context.FaultDetail = detail;
        return Fail(result, detail ?? "");
    }
}
