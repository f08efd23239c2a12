using System.Numerics;
using System.Runtime.InteropServices;
using Llama4Kernels.Interop.Cuda;

namespace Llama4Kernels.Kernels.Contracts.Cuda;

/// <summary>
/// Arguments of a launch being put together, each at its place in parameter space and checked against the kernel's own list. A
/// queue has one and uses it for every launch, so that launches allocate nothing.
/// </summary>
internal sealed unsafe class KernelCall
{
    /// <summary>Threads of a group where nothing speaks for another number.</summary>
    public const int Threads = 128;

    private const int LargestGroup = 256;
    private const int GroupsPerProcessor = 8;
    private const int MostColumns = 4;
    private const int MostParts = 65535;

    // What every device takes.
    private const int MostBytes = 4096;

    private readonly CudaQueue _queue;
    private readonly byte[] _memory;
    private readonly byte* _arguments;
    private CudaKernel? _kernel;
    private int _next;

    public KernelCall(CudaQueue queue)
    {
        _queue = queue;
        _memory = LaunchList.Allocate(MostBytes, out _arguments);
    }

    /// <summary>Threads of a group that works on rows of this width: a power of two from a warp up to 256.</summary>
    public static int ThreadsFor(int columns) =>
        Math.Clamp((int)BitOperations.RoundUpToPowerOf2((uint)Math.Max(columns, 1)), 32, LargestGroup);

    /// <summary>
    /// Groups that share the columns of a row where nothing is summed over them: as many as fill the device beside those of the other rows, each thread
    /// with a column at least and, with many rows, with at most four.
    /// </summary>
    public static int Parts(int rows, int columns, int threads, DeviceLimits device)
    {
        int groups = (columns + threads - 1) / threads;
        return Math.Clamp(GroupsPerProcessor * device.Multiprocessors / Math.Max(rows, 1), Math.Min((groups + MostColumns - 1) / MostColumns, MostParts), Math.Min(groups, MostParts));
    }

    public KernelCall Of(CudaKernel kernel)
    {
        _kernel = kernel;
        _next = 0;
        // Holes between arguments are compared with the rest when a step is.
        new Span<byte>(_arguments, kernel.Spec.ArgumentBytes).Clear();
        return this;
    }

    public KernelCall View(Tensor tensor) => View(tensor.Address, tensor.Elements);

    public KernelCall View(DeviceView view) => Put(view, KernelArgumentKind.View);

    public KernelCall View(nint address, long elements) => Put(new DeviceView(address, elements), KernelArgumentKind.View);

    public KernelCall View(Tensor? tensor) => tensor is Tensor given ? View(given) : View(0, 0);

    public KernelCall Value(int value) => Put(value, KernelArgumentKind.Int32);

    public KernelCall Value(long value) => Put(value, KernelArgumentKind.Int64);

    public KernelCall Value(float value) => Put(value, KernelArgumentKind.Float32);

    public KernelCall Map(in CudaTensorMap map) => Put(map, KernelArgumentKind.TensorMap);

    /// <summary>Launches in the kernel's only block, or in groups of some threads; a grid without groups does nothing.</summary>
    public void Run(CudaDim3 grid, int threads = Threads) => Run(grid, _kernel!.Spec.Block ?? new CudaDim3(threads));

    /// <summary>As <see cref="Run(CudaDim3, int)"/>.</summary>
    public void Run(CudaDim3 grid, CudaDim3 block)
    {
        KernelSpec spec = _kernel!.Spec;
        if (_next != spec.Arguments.Count)
        {
            throw new InvalidOperationException($"Kernel {spec.Name} takes {spec.Arguments.Count} arguments and got {_next}.");
        }
        if (grid.Count > 0)
        {
            _queue.Launch(_kernel, grid, block, _arguments);
        }
    }

    private KernelCall Put<T>(T value, KernelArgumentKind kind)
        where T : unmanaged
    {
        KernelSpec spec = _kernel!.Spec;
        if (_next >= spec.Arguments.Count || spec.Arguments[_next].Kind != kind)
        {
            string expected = _next < spec.Arguments.Count ? $"'{spec.Arguments[_next].Name}', {spec.Arguments[_next].Kind}" : "nothing more";
            throw new InvalidOperationException($"Kernel {spec.Name} expects {expected} as argument {_next}, not {kind}.");
        }
        *(T*)(_arguments + spec.Offsets[_next]) = value;
        _next++;
        return this;
    }
}

/// <summary>A view as kernels take it: the device address and the number of elements.</summary>
[StructLayout(LayoutKind.Sequential)]
internal readonly record struct DeviceView(nint Address, long Elements);
