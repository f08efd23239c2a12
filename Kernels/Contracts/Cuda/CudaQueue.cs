using System.Runtime.InteropServices;
using Llama4Kernels.Interop.Cuda;

namespace Llama4Kernels.Kernels.Contracts.Cuda;

/// <summary>
/// The one stream of a backend, its memory and what goes through it. Within a step launches are collected: if the same step
/// came before, its graph is launched instead. Outside of steps, and after the host asked for a result in one, launches go
/// to the stream as they come.
/// </summary>
internal sealed unsafe class CudaQueue : IDisposable
{
    private const long DownloadBytes = 4L << 20;
    private const long FewestReplaced = 64L << 10;

    private readonly Lock _gate = new();
    private readonly CudaKernels _kernels;
    private readonly bool _ownsStream;
    private readonly DeviceArena _arena;
    private readonly PinnedMemory _download;
    private readonly StepGraphs _graphs;
    private readonly KernelCall _call;
    private readonly LaunchList _pending = new();
    private readonly List<(nint Address, long Bytes)> _retired = [];
    private StepBuffer _staging, _spare;
    private float[] _host = [];
    private bool _collecting, _repeats, _disposed;

    /// <param name="context">The context.</param>
    /// <param name="modules">Where kernels come from.</param>
    /// <param name="stream">A host's stream; null makes one.</param>
    /// <param name="arenaBytes">Bytes taken from the device at a time.</param>
    /// <param name="stagingBytes">Bytes that may go to the device before the host waits.</param>
    /// <param name="graphs">Most graphs that are kept.</param>
    public CudaQueue(CudaContext context, IKernelModules modules, CudaStream? stream, long arenaBytes, long stagingBytes, int graphs)
    {
        if (stream is not null && stream.Context.Handle != context.Handle)
        {
            throw new ArgumentException("The stream belongs to another context than the backend's.", nameof(stream));
        }
        Context = context;
        _ownsStream = stream is null;
        _kernels = new CudaKernels(context, modules);
        Stream = stream ?? CudaStream.Create(context);
        _arena = new DeviceArena(Stream, arenaBytes);
        _download = PinnedMemory.Allocate(context, DownloadBytes);
        _staging = new StepBuffer(context, stagingBytes);
        _spare = new StepBuffer(context, stagingBytes);
        _graphs = new StepGraphs(Stream, Issue, graphs);
        _call = new KernelCall(this);
    }

    public CudaContext Context { get; }

    public CudaStream Stream { get; }

    public CudaKernels Kernels => _kernels;

    public StepGraphs Graphs => _graphs;

    public long ArenaBytes => _arena.Bytes;

    /// <summary>Zeroed memory.</summary>
    public ArenaMemory Allocate(long bytes)
    {
        ArgumentOutOfRangeException.ThrowIfNegative(bytes);
        lock (_gate)
        {
            nint address = _arena.Take(bytes);
            // Ahead of launches that were collected: they cannot know this memory yet.
            Stream.Fill(address, 0, (Math.Max(bytes, 1) + DeviceArena.Alignment - 1) & -DeviceArena.Alignment);
            return new ArenaMemory(this, address, bytes);
        }
    }

    public void Return(nint address, long bytes)
    {
        lock (_gate)
        {
            if (_collecting && _pending.Count > 0)
            {
                // Launches that were collected may still use it.
                _retired.Add((address, bytes));
            }
            else
            {
                _arena.Return(address, bytes);
            }
        }
    }

    /// <summary>Begins the arguments of a launch.</summary>
    public KernelCall Call(string kernel) => _call.Of(_kernels[kernel]);

    /// <summary>Launches a kernel, or within a step notes that it is to be launched.</summary>
    /// <param name="kernel">The kernel.</param>
    /// <param name="grid">Blocks.</param>
    /// <param name="block">Threads of a block.</param>
    /// <param name="arguments">The arguments at their places; copied.</param>
    public void Launch(CudaKernel kernel, CudaDim3 grid, CudaDim3 block, byte* arguments)
    {
        if (_collecting)
        {
            _pending.Add(kernel, grid, block, new ReadOnlySpan<byte>(arguments, kernel.Spec.ArgumentBytes));
            return;
        }
        using (Context.Bind())
        {
            Issue(kernel, grid, block, arguments);
        }
    }

    /// <summary>Copies host data to the device, to be used by launches until the step's end, and gives its address there.</summary>
    public nint Put<T>(ReadOnlySpan<T> values)
        where T : unmanaged
    {
        ReadOnlySpan<byte> data = MemoryMarshal.AsBytes(values);
        if (_staging.TryPut(data, out nint address))
        {
            if (!_collecting)
            {
                _staging.Send(Stream);
            }
            return address;
        }
        // The other buffer takes over: what was put just before may still be wanted by the launch that is being made.
        Synchronize();
        (_staging, _spare) = (_spare, _staging);
        _staging.Reset();
        if (data.Length > _staging.Capacity)
        {
            _staging.Dispose();
            _staging = new StepBuffer(Context, 2L * data.Length);
        }
        _ = _staging.TryPut(data, out address);
        _staging.Send(Stream);
        return address;
    }

    /// <summary>At least so many values to fill and upload; each call gives the same array.</summary>
    public float[] HostValues(int count)
    {
        if (_host.Length < count)
        {
            _host = new float[count];
        }
        return _host;
    }

    /// <summary>Copies host data to a place on the device.</summary>
    public void Upload<T>(ReadOnlySpan<T> values, nint destination)
        where T : unmanaged
    {
        ReadOnlySpan<byte> data = MemoryMarshal.AsBytes(values);
        // A large one goes in parts, so that it does not ask for more staging.
        int part = (int)Math.Min(_staging.Capacity / 2, int.MaxValue / 2) & -16;
        for (int first = 0; first < data.Length; first += part)
        {
            ReadOnlySpan<byte> piece = data.Slice(first, Math.Min(part, data.Length - first));
            Copy(Put(piece), destination + first, piece.Length);
        }
    }

    /// <summary>Copies bytes on the device, in the order of the launches.</summary>
    public void Copy(nint source, nint destination, long bytes)
    {
        ReadOnlySpan<long> arguments = [destination, source, bytes];
        if (_collecting)
        {
            _pending.Add(null, default, default, MemoryMarshal.AsBytes(arguments));
        }
        else
        {
            Stream.Copy(destination, source, bytes);
        }
    }

    /// <summary>
    /// Brings data to the start of a buffer's twin on the device, in place of what was there, for launches to come. It goes ahead of
    /// a step's launches and is none of them: what a step is does not depend on how long the data are.
    /// </summary>
    /// <param name="buffer">The buffer, made or replaced if it is too small.</param>
    /// <param name="data">The data.</param>
    public nint Replace(ref StepBuffer? buffer, ReadOnlySpan<byte> data)
    {
        if (_pending.Count > 0)
        {
            // Launches that read what was there.
            Flush();
        }
        if (buffer is { IsInFlight: true })
        {
            Stream.Synchronize();
        }
        if (buffer is null || buffer.Capacity < data.Length)
        {
            var larger = new StepBuffer(Context, Math.Max(FewestReplaced, 2L * data.Length));
            buffer?.Dispose();
            buffer = larger;
        }
        buffer.Arrived();
        buffer.Reset();
        _ = buffer.TryPut(data, out nint address);
        buffer.Send(Stream);
        return address;
    }

    /// <summary>Waits for everything and copies to the host.</summary>
    public void Download(nint source, Span<byte> destination)
    {
        Flush();
        for (int first = 0; first < destination.Length; first += (int)DownloadBytes)
        {
            Span<byte> piece = destination.Slice(first, (int)Math.Min(DownloadBytes, destination.Length - first));
            Stream.Download(_download.Pointer, source + first, piece.Length);
            Synchronize();
            new ReadOnlySpan<byte>(_download.Pointer, piece.Length).CopyTo(piece);
        }
    }

    public void Synchronize()
    {
        Flush();
        Stream.Synchronize();
        _staging.Arrived();
        _spare.Arrived();
    }

    /// <summary>From here to <see cref="EndStep"/> is a step; what an earlier one left open is dropped.</summary>
    /// <param name="repeats">Steps of the same shape will come again: it may become a graph.</param>
    public void BeginStep(bool repeats)
    {
        AbandonStep();
        if (_staging.IsInFlight)
        {
            Synchronize();
        }
        _staging.Reset();
        _collecting = true;
        _repeats = repeats && !IsLegacy(Stream);
    }

    /// <summary>Everything of the step goes to the stream.</summary>
    public void EndStep()
    {
        if (!_collecting)
        {
            return;
        }
        using (Context.Bind())
        {
            if (_repeats)
            {
                _staging.Send(Stream);
                lock (_gate)
                {
                    _collecting = false;
                    _graphs.Run(_pending);
                    _pending.Clear();
                    FreeRetired();
                }
            }
            else
            {
                Flush();
                _collecting = false;
            }
        }
    }

    /// <summary>Drops what a step collected and did not issue.</summary>
    public void AbandonStep()
    {
        lock (_gate)
        {
            _collecting = false;
            _pending.Clear();
            FreeRetired();
        }
    }

    /// <summary>Waits until the device uses nothing any more that was given to the stream: before memory is freed. Faults are not told again.</summary>
    public void Drain()
    {
        if (_disposed)
        {
            return;
        }
        try
        {
            // Not the stream's own wait: that would throw what the host's functions in its stream threw.
            using CudaEvent end = CudaEvent.Create(Context);
            end.Record(Stream);
            end.Synchronize();
        }
        catch (CudaException)
        {
            // The context is unusable: nothing runs in it.
        }
    }

    public void Dispose()
    {
        Drain();
        _disposed = true;
        _graphs.Dispose();
        _staging.Dispose();
        _spare.Dispose();
        _download.Dispose();
        _arena.Dispose();
        _kernels.Dispose();
        if (_ownsStream)
        {
            Stream.Dispose();
        }
    }

    /// <summary>Issues what was collected; what is left of the step is no longer one that repeats.</summary>
    private void Flush()
    {
        if (!_collecting)
        {
            return;
        }
        _staging.Send(Stream);
        lock (_gate)
        {
            _repeats = false;
            Issue(_pending);
            _pending.Clear();
            FreeRetired();
        }
    }

    private static bool IsLegacy(CudaStream stream) => stream.Handle is 0 or 1;

    private void FreeRetired()
    {
        lock (_gate)
        {
            foreach ((nint address, long bytes) in _retired)
            {
                _arena.Return(address, bytes);
            }
            _retired.Clear();
        }
    }

    private void Issue(LaunchList list)
    {
        // Once for all of them: it takes the driver longer than a launch.
        using (Context.Bind())
        {
            for (int i = 0; i < list.Count; i++)
            {
                LaunchList.Launch launch = list[i];
                byte* arguments = list.Arguments(launch);
                if (launch.Kernel is CudaKernel kernel)
                {
                    Issue(kernel, launch.Grid, launch.Block, arguments);
                }
                else
                {
                    long* copy = (long*)arguments;
                    Context.Check(Context.Driver.MemcpyDtoDAsync((nint)copy[0], (nint)copy[1], (nuint)copy[2], Stream.Handle), "cuMemcpyDtoDAsync");
                }
            }
        }
    }

    private void Issue(CudaKernel kernel, CudaDim3 grid, CudaDim3 block, byte* arguments)
    {
        KernelSpec spec = kernel.Spec;
        CudaLaunchConfig config = spec.Configure(grid, block);
        config.Validate();
        ReadOnlySpan<int> offsets = spec.Offsets;
        void** pointers = stackalloc void*[offsets.Length + 1];
        for (int i = 0; i < offsets.Length; i++)
        {
            pointers[i] = arguments + offsets[i];
        }
        CudaResult result = Context.Driver.LaunchKernel(kernel.Function.Handle, config, Stream.Handle, pointers);
        if (result != CudaResult.Success)
        {
            Context.Check(result, $"cuLaunchKernel({spec.Name}, grid {grid}, block {block}, {spec.SharedBytes} bytes shared)");
        }
    }
}
