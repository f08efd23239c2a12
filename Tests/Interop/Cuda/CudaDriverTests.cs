using Llama4Kernels.Interop.Cuda;

namespace Llama4Kernels.Tests.Interop.Cuda;

/// <summary>Finding the real driver; with one, what only a device can show.</summary>
public class CudaDriverTests
{
    private const string AddOne = """
        .version 7.0
        .target sm_70
        .address_size 64
        .visible .entry add_one(.param .u64 data, .param .u32 count)
        {
            .reg .pred %p;
            .reg .b32 %r<6>;
            .reg .b64 %rd<4>;
            ld.param.u64 %rd1, [data];
            ld.param.u32 %r1, [count];
            mov.u32 %r2, %ctaid.x;
            mov.u32 %r3, %ntid.x;
            mov.u32 %r4, %tid.x;
            mad.lo.s32 %r2, %r2, %r3, %r4;
            setp.ge.u32 %p, %r2, %r1;
            @%p bra DONE;
            cvta.to.global.u64 %rd1, %rd1;
            mul.wide.u32 %rd2, %r2, 4;
            add.s64 %rd3, %rd1, %rd2;
            ld.global.u32 %r5, [%rd3];
            add.u32 %r5, %r5, 1;
            st.global.u32 [%rd3], %r5;
        DONE:
            ret;
        }
        """;

    [Fact]
    public void NoDriverIsAReasonAndNoException()
    {
        Assert.SkipWhen(CudaDriver.TryLoad(out _, out _), "This machine has a CUDA driver.");
        Assert.False(CudaDriver.TryLoad(["no-library-has-this-name"], out ICudaDriver? driver, out string reason));
        Assert.Null(driver);
        Assert.Equal("no CUDA driver is installed (no-library-has-this-name not found).", reason);
    }

    [Fact]
    public void AnotherLibraryIsNoDriver()
    {
        Assert.SkipUnless(OperatingSystem.IsLinux(), "The library's name is Linux's.");
        Assert.SkipWhen(CudaDriver.TryLoad(out _, out _), "This machine has a CUDA driver.");
        Assert.False(CudaDriver.TryLoad(["libc.so.6"], out _, out string reason));
        Assert.StartsWith("libc.so.6 lacks cu", reason);
        Assert.Contains($"and {CudaLibrary.Functions.Count - 1} more functions", reason);
    }

    [Fact]
    public void TheListOfFunctionsIsComplete()
    {
        Assert.Equal(CudaLibrary.Functions, CudaLibrary.Functions.Distinct());
        Assert.InRange(CudaLibrary.Functions.Count, 55, 80);
        Assert.Contains("cuLaunchKernelEx", CudaLibrary.Functions);
    }

    [Fact]
    public void ARealDeviceRunsAKernelDirectlyAndInAGraph()
    {
        bool found = CudaDriver.TryLoad(out ICudaDriver? driver, out string reason);
        Assert.SkipUnless(found, $"No device: {reason}");
        int[] data = [.. Enumerable.Range(0, 1000)];
        using CudaContext context = CudaContext.RetainPrimary(driver!);
        using CudaModule module = CudaModule.Load(context, AddOne, new CudaJitOptions { Verbose = true });
        using CudaStream stream = CudaStream.Create(context);
        using CudaMemory memory = CudaMemory.Allocate(context, data.Length * sizeof(int));
        using CudaKernelArguments arguments = new CudaKernelArguments().Add(memory.Address).Add(data.Length);
        memory.Write<int>(data);
        CudaFunction function = module.GetFunction("add_one");
        var config = new CudaLaunchConfig(new(8), new(128));
        function.Launch(stream, config, arguments);
        using (CudaGraph graph = stream.Capture(() => function.Launch(stream, config, arguments)))
        using (CudaGraphExec executable = graph.Instantiate())
        {
            executable.Launch(stream);
            executable.Launch(stream);
            stream.Synchronize();
        }
        int[] result = new int[data.Length];
        memory.Read<int>(result);
        Assert.Equal(data.Select(value => value + 3), result);
    }

    [Fact]
    public void ARealDriverLinksRunsHostFunctionsAndKnowsAddresses()
    {
        bool found = CudaDriver.TryLoad(out ICudaDriver? driver, out string reason);
        Assert.SkipUnless(found, $"No device: {reason}");
        using CudaContext context = CudaContext.RetainPrimary(driver!);
        byte[] image;
        using (CudaLinker linker = CudaLinker.Create(context, new CudaJitOptions { Verbose = true }))
        {
            image = linker.AddPtx(AddOne, "add_one.ptx").Complete();
        }
        using (CudaLinker linker = CudaLinker.Create(context))
        {
            Assert.Throws<CudaException>(() => linker.AddPtx("nonsense", "nonsense.ptx"));
            Assert.NotEmpty(linker.Log.Errors);
        }
        using CudaModule module = CudaModule.Load(context, image);
        using CudaStream stream = CudaStream.Create(context);
        using CudaMemory memory = CudaMemory.Allocate(context, 4);
        using CudaKernelArguments arguments = new CudaKernelArguments().Add(memory.Address).Add(1);
        memory.Write<int>([41]);
        int ran = 0;
        module.GetFunction("add_one").Launch(stream, new CudaLaunchConfig(new(1), new(32)), arguments);
        stream.AddHostFunction(() => Volatile.Write(ref ran, 1));
        stream.AddHostFunction(() => throw new InvalidOperationException("mine"));
        Assert.Equal("mine", Assert.Throws<InvalidOperationException>(stream.Synchronize).Message);
        int[] result = new int[1];
        memory.Read<int>(result);
        Assert.Equal((42, 1), (result[0], ran));

        Assert.Equal((true, memory.Address), context.PointerInfo(memory.Address + 3) is CudaPointerInfo info ? (info.IsDevice, info.Start) : default);
        Assert.Null(context.PointerInfo(0x10));
    }
}
