using System.Numerics;
using System.Runtime.CompilerServices;
using System.Runtime.InteropServices;
using Llama4Kernels.Interop.Cuda;

namespace Llama4Kernels.Kernels.Contracts.Cuda;

/// <summary>
/// Arguments of a launch being put together, checked against the kernel's own list. A queue has one and uses it for every
/// launch, so that launches allocate nothing.
/// </summary>
internal sealed class KernelCall(CudaQueue queue)
{
    /// <summary>Threads of a group where nothing speaks for another number.</summary>
    public const int Threads = 128;

    private const int LargestGroup = 256;

    private readonly byte[] _packed = new byte[1024];
    private CudaKernel? _kernel;
    private int _used;
    private int _next;

    /// <summary>Threads of a group that works on rows of this width: a power of two from a warp up to 256.</summary>
    public static int ThreadsFor(int columns) =>
        Math.Clamp((int)BitOperations.RoundUpToPowerOf2((uint)Math.Max(columns, 1)), 32, LargestGroup);

    public KernelCall Of(CudaKernel kernel)
    {
        _kernel = kernel;
        _used = _next = 0;
        return this;
    }

    public KernelCall View(Tensor tensor) => View(tensor.Address, tensor.Elements);

    public KernelCall View(DeviceView view) => Put(view, view: true);

    public KernelCall View(nint address, long elements) => Put(new DeviceView(address, elements), view: true);

    public KernelCall View(Tensor? tensor) => tensor is Tensor given ? View(given) : View(0, 0);

    public KernelCall Value(int value) => Put(value, view: false);

    public KernelCall Value(long value) => Put(value, view: false);

    public KernelCall Value(float value) => Put(value, view: false);

    /// <summary>Launches in groups of some threads; a grid without groups does nothing.</summary>
    public void Run(CudaDim3 grid, int threads = Threads) => Run(grid, new CudaDim3(threads));

    /// <summary>As <see cref="Run(CudaDim3, int)"/>.</summary>
    public void Run(CudaDim3 grid, CudaDim3 block)
    {
        if (_next != _kernel!.Module.Arguments.Count)
        {
            throw new InvalidOperationException($"Kernel {_kernel.Module.Name} takes {_kernel.Module.Arguments.Count} arguments and got {_next}.");
        }
        if (grid.Count > 0)
        {
            queue.Launch(_kernel, grid, block, _packed.AsSpan(0, _used));
        }
    }

    private KernelCall Put<T>(T value, bool view)
        where T : unmanaged
    {
        IReadOnlyList<KernelArgument> arguments = _kernel!.Module.Arguments;
        int bytes = Unsafe.SizeOf<T>();
        if (_next >= arguments.Count || arguments[_next].IsView != view || arguments[_next].Bytes != bytes)
        {
            string expected = _next < arguments.Count ? $"'{arguments[_next].Name}' of {arguments[_next].Bytes} bytes" : "nothing more";
            throw new InvalidOperationException($"Kernel {_kernel.Module.Name} expects {expected} as argument {_next}, not {bytes} bytes.");
        }
        MemoryMarshal.Write(_packed.AsSpan(_used), value);
        _used += bytes;
        _next++;
        return this;
    }
}

/// <summary>A view as kernels take it: the device address and the number of elements.</summary>
[StructLayout(LayoutKind.Sequential)]
internal readonly record struct DeviceView(nint Address, long Elements);
