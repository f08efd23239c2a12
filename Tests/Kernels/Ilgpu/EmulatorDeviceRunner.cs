using System.Runtime.InteropServices;
using Llama4Kernels.Interop.Cuda;
using Llama4Kernels.Kernels.Contracts.Cuda;
using Llama4Kernels.Kernels.Ilgpu;
using Llama4Kernels.PtxEmulator.Execution;
using Llama4Kernels.PtxEmulator.Parsing;
using Llama4Kernels.Tests.PtxEmulator;

namespace Llama4Kernels.Tests.Kernels.Ilgpu;

/// <summary>The kernels' PTX on the emulator: whatever it finds wrong fails the test.</summary>
internal sealed unsafe class EmulatorDeviceRunner(int threads, LaunchOptions options) : DeviceRunner
{
    private static readonly Dictionary<string, (KernelModule Module, PtxModule Parsed)> s_modules = [];
    private readonly GlobalMemory _memory = new();

    public override int Threads => threads;

    public override int Side => 16;

    public override DeviceBuffer Upload<T>(T[] values)
    {
        nint address = Upload(MemoryMarshal.AsBytes(values.AsSpan()));
        return new Buffer { Count = values.Length, Address = address };
    }

    public override T[] Download<T>(DeviceBuffer buffer) => new Span<T>((void*)((Buffer)buffer).Address, buffer.Count).ToArray();

    public override void Launch(string kernel, (int X, int Y, int Z) grid, (int X, int Y) group, params object?[] arguments)
    {
        (KernelModule module, PtxModule parsed) = Load(kernel);
        using PtxProgram program = PtxProgram.Load(parsed, _memory);
        PtxKernel entry = program.Kernel(kernel)!;
        var parameters = new byte[entry.ParameterBytes];
        Assert.Equal(module.Spec.Arguments.Count, arguments.Length);
        for (int i = 0; i < arguments.Length; i++)
        {
            Span<byte> place = parameters.AsSpan(entry.Parameters[i].Offset, entry.Parameters[i].Bytes);
            Assert.Equal(module.Spec.Arguments[i].Bytes, place.Length);
            switch (arguments[i])
            {
                case Buffer buffer:
                    MemoryMarshal.Write(place, (long)buffer.Address);
                    MemoryMarshal.Write(place[8..], (long)buffer.Count);
                    break;
                default:
                    ScalarArgument.Write(place, arguments[i]);
                    break;
            }
        }
        KernelLaunch.Run(entry, new CudaDim3(grid.X, grid.Y, grid.Z), new CudaDim3(group.X, group.Y), 0, parameters, options);
    }

    public override void Dispose() => _memory.Dispose();

    private static (KernelModule Module, PtxModule Parsed) Load(string kernel)
    {
        lock (s_modules)
        {
            if (!s_modules.TryGetValue(kernel, out (KernelModule, PtxModule) loaded))
            {
                KernelModule module = IlgpuCompiler.Compile(IlgpuKernels.Get(kernel), 80);
                s_modules.Add(kernel, loaded = (module, PtxModule.Parse(module.Text)));
            }
            return loaded;
        }
    }

    private nint Upload(ReadOnlySpan<byte> bytes)
    {
        nint address = _memory.Allocate(bytes.Length);
        bytes.CopyTo(new Span<byte>((void*)address, bytes.Length));
        _memory.MarkDefined(address, bytes.Length);
        return address;
    }

    private sealed class Buffer : DeviceBuffer
    {
        public required nint Address { get; init; }
    }
}

/// <summary>Groups of one warp.</summary>
public sealed class EmulatorKernelTestsOfOneWarp() : DeviceKernelTests(new EmulatorDeviceRunner(32, new LaunchOptions()));

/// <summary>Groups as the backend launches them.</summary>
public sealed class EmulatorKernelTests() : DeviceKernelTests(new EmulatorDeviceRunner(128, new LaunchOptions()));

/// <summary>Groups of four warps whose turns are shuffled.</summary>
public sealed class EmulatorKernelTestsInAnyOrder() : DeviceKernelTests(new EmulatorDeviceRunner(128, new LaunchOptions { Seed = 7 }));
