using Llama4Kernels.Interop.Cuda;
using Llama4Kernels.PtxEmulator.Driver;

namespace Llama4Kernels.Tests.PtxEmulator.Driver;

/// <summary>Linking, host functions and addresses on the emulated driver.</summary>
public sealed unsafe class EmulatedLinkTests : IDisposable
{
    private const string Callee = DriverFixture.Header + """
        .visible .func (.reg .u32 sum) add_up(.reg .u32 a, .reg .u32 b)
        {
          add.u32 sum, a, b;
          ret;
        }
        """;

    private const string Caller = DriverFixture.Header + """
        .extern .func (.reg .u32 sum) add_up(.reg .u32 a, .reg .u32 b);
        .visible .entry caller(.param .u64 data)
        {
          .reg .b64 %rd<2>; .reg .b32 %r<2>;
          ld.param.u64 %rd0, [data];
          mov.u32 %r0, 40;
          call.uni (%r1), add_up, (%r0, 2);
          st.global.u32 [%rd0], %r1;
          ret;
        }
        """;

    private readonly DriverFixture _fixture = new();

    private CudaContext Context => _fixture.Context;

    private EmulatedCudaDriver Driver => _fixture.Driver;

    public void Dispose() => _fixture.Dispose();

    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public void AFunctionOfAnotherInputIsCalled(bool calleeFirst)
    {
        byte[] image;
        using (CudaLinker linker = CudaLinker.Create(Context))
        {
            (string First, string Second) inputs = calleeFirst ? (Callee, Caller) : (Caller, Callee);
            image = linker.AddPtx(inputs.First, "first").AddPtx(inputs.Second, "second").Complete();
        }
        using CudaModule module = CudaModule.Load(Context, image);
        using CudaStream stream = CudaStream.Create(Context);
        using CudaMemory data = CudaMemory.Allocate(Context, 4);
        using CudaKernelArguments arguments = new CudaKernelArguments().Add(data.Address);
        module.GetFunction("caller").Launch(stream, new(new(1), new(1)), arguments);
        int[] read = new int[1];
        data.Read<int>(read);
        Assert.Equal(42, read[0]);
    }

    [Fact]
    public void WhatIsMissingTwiceThereOrWrongIsNamed()
    {
        using (CudaLinker linker = CudaLinker.Create(Context))
        {
            CudaException missing = Assert.Throws<CudaException>(() => linker.AddPtx(Caller, "caller").Complete());
            Assert.Equal((CudaResult.InvalidImage, "Undefined reference to 'add_up'."), (missing.Result, missing.Log?.Trim()));
        }
        using (CudaLinker linker = CudaLinker.Create(Context))
        {
            Assert.Contains("Duplicate definition of 'add_up'", Assert.Throws<CudaException>(() => linker.AddPtx(Callee, "a").AddPtx(Callee, "b").Complete()).Log);
        }
        using (CudaLinker linker = CudaLinker.Create(Context))
        {
            CudaException wrong = Assert.Throws<CudaException>(() => linker.AddPtx(DriverFixture.Header + ".entry k() {\n  .reg .b33 r; ret; }", "k.ptx"));
            Assert.Equal((CudaResult.InvalidPtx, "k.ptx: line 5, column 8: Unknown type '.b33'."), (wrong.Result, wrong.Log?.Trim()));
            Assert.Equal(CudaResult.NoBinaryForGpu, DriverFixture.ResultOf(() => linker.AddPtx(".version 8.6\n.target sm_100\n.address_size 64", "new.ptx")));
            Assert.Equal(CudaResult.InvalidImage, DriverFixture.ResultOf(() => linker.Add(CudaLinkInput.Cubin, [1], "cubin")));
        }
        using CudaContext.Scope scope = Context.Bind();
        Assert.Equal(CudaResult.InvalidHandle, Driver.LinkAddData(0x77, CudaLinkInput.Ptx, "\0"u8, "x"));
        Assert.Equal(CudaResult.InvalidHandle, Driver.LinkComplete(0x77, out _));
        Assert.Equal(CudaResult.InvalidHandle, Driver.LinkDestroy(0x77));
        Assert.Equal(new CudaJitLog("", ""), Driver.LinkLog(0x77));
        Assert.Equal(1, Driver.LiveResources);
    }

    [Fact]
    public void AHostFunctionRunsInTheOrderOfItsStream()
    {
        using CudaStream stream = CudaStream.Create(Context);
        using CudaMemory data = CudaMemory.Allocate(Context, 4);
        int seen = 0, value = 0;
        int* read = &value;
        stream.Fill(data.Address, 1, 4);
        stream.Download(read, data.Address, 4);
        nint address = (nint)read;
        stream.AddHostFunction(() => seen = *(int*)address);
        stream.Fill(data.Address, 2, 4);
        stream.Synchronize();
        Assert.Equal(0x01010101, seen);

        stream.AddHostFunction(() => throw new InvalidOperationException("mine"));
        Assert.Equal("mine", Assert.Throws<InvalidOperationException>(stream.Synchronize).Message);
        Assert.Throws<InvalidOperationException>(() => stream.Capture(() => stream.AddHostFunction(() => { })));
        stream.Synchronize();
        // A device's driver could deadlock.
        stream.AddHostFunction(() => stream.Fill(data.Address, 3, 4));
        Assert.Equal(CudaResult.NotPermitted, DriverFixture.ResultOf(stream.Synchronize));
        stream.Fill(data.Address, 3, 4);
        using CudaContext.Scope scope = Context.Bind();
        Assert.Equal(CudaResult.InvalidValue, Driver.LaunchHostFunc(stream.Handle, null, 0));
        Assert.Equal(CudaResult.InvalidHandle, Driver.LaunchHostFunc(0x77, null, 0));
        Assert.Equal(CudaResult.InvalidHandle, Driver.StreamIsCapturing(0x77, out _));
    }

    [Fact]
    public void AddressesAreThoseOfAllocationsAndPinnedMemory()
    {
        using var driver = new EmulatedCudaDriver(new EmulatedDriverOptions { Devices = 2 });
        using CudaContext first = CudaContext.RetainPrimary(driver), second = CudaContext.RetainPrimary(driver, 1);
        using CudaMemory memory = CudaMemory.Allocate(second, 1000);
        using PinnedMemory pinned = PinnedMemory.Allocate(first, 100);
        // Any context answers for every device.
        Assert.Equal(new CudaPointerInfo(true, false, 1, memory.Address, 1000), first.PointerInfo(memory.Address + 999));
        Assert.Equal(new CudaPointerInfo(false, false, 0, (nint)pinned.Pointer, 100), first.PointerInfo((nint)pinned.Pointer + 7));
        Assert.Null(first.PointerInfo((nint)pinned.Pointer + 100));
        Assert.Null(first.PointerInfo(0));
        using CudaContext.Scope scope = first.Bind();
        Assert.Equal(CudaResult.Success, driver.PointerGetAttribute(out long context, CudaPointerAttribute.Context, memory.Address));
        Assert.Equal(second.Handle, (nint)context);
        Assert.Equal(CudaResult.InvalidValue, driver.PointerGetAttribute(out _, CudaPointerAttribute.HostPointer, memory.Address));
        Assert.Equal(CudaResult.InvalidValue, driver.PointerGetAttribute(out _, CudaPointerAttribute.DevicePointer + 100, memory.Address));
    }
}
