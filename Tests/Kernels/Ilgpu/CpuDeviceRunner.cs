using System.Reflection;
using ILGPU;
using ILGPU.Backends.EntryPoints;
using ILGPU.Runtime;
using ILGPU.Runtime.CPU;
using Llama4Kernels.Kernels.Ilgpu;

namespace Llama4Kernels.Tests.Kernels.Ilgpu;

/// <summary>ILGPU's simulated processor device, an operating system's thread for each of a group: slow, so for tiny sizes.</summary>
internal sealed class CpuDeviceRunner : DeviceRunner
{
    private const int Lanes = 4;

    private readonly Context _context;
    private readonly Accelerator _device;

    /// <summary>Groups of a number of threads on warps of four lanes.</summary>
    public CpuDeviceRunner(int threads)
    {
        Threads = threads;
        _context = Context.Create(builder => builder.CPU(new CPUDevice(Lanes, Math.Max(1, threads / Lanes), 1)));
        _device = _context.CreateCPUAccelerator(0);
    }

    public override int Threads { get; }

    public override int Side => 2;

    public override DeviceBuffer Upload<T>(T[] values)
    {
        MemoryBuffer1D<T, Stride1D.Dense> memory = _device.Allocate1D(values);
        return new Buffer { Count = values.Length, Memory = memory, View = memory.View.BaseView };
    }

    public override T[] Download<T>(DeviceBuffer buffer) => ((MemoryBuffer1D<T, Stride1D.Dense>)((Buffer)buffer).Memory).GetAsArray1D();

    public override void Launch(string kernel, (int X, int Y, int Z) grid, (int X, int Y) group, params object?[] arguments)
    {
        MethodInfo method = IlgpuKernels.Get(kernel).Method;
        using Kernel loaded = _device.LoadKernel(method);
        object[] values = [.. method.GetParameters().Zip(arguments, (parameter, argument) => argument switch
        {
            Buffer buffer => buffer.View,
            null => Activator.CreateInstance(parameter.ParameterType)!,
            _ => argument,
        })];
        Assert.Equal(method.GetParameters().Length, arguments.Length);
        loaded.Launch(_device.DefaultStream, new KernelConfig(new Index3D(grid.X, grid.Y, grid.Z), new Index3D(group.X, group.Y, 1)), values);
        _device.Synchronize();
    }

    public override void Dispose()
    {
        _device.Dispose();
        _context.Dispose();
    }

    private sealed class Buffer : DeviceBuffer
    {
        public required MemoryBuffer Memory { get; init; }

        public required object View { get; init; }
    }
}
