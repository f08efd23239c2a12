using Llama4Kernels.Interop.Cuda;
using Llama4Kernels.PtxEmulator.Driver;

namespace Llama4Kernels.Tests.PtxEmulator.Driver;

/// <summary>Memory of the emulated driver: bounds, limits, pinned ranges, copies between devices, and that nothing leaks.</summary>
public sealed unsafe class EmulatedMemoryTests : IDisposable
{
    private readonly DriverFixture _fixture = new(new EmulatedDriverOptions { Devices = 2, MemoryBytes = 1 << 20 });

    private EmulatedCudaDriver Driver => _fixture.Driver;

    private CudaContext Context => _fixture.Context;

    public void Dispose() => _fixture.Dispose();

    [Fact]
    public void MemoryIsLimitedAndComesBack()
    {
        CudaMemory half = CudaMemory.Allocate(Context, 1 << 19);
        Assert.Equal(0, half.Address % 256);
        Assert.Equal((1L << 19, 1L << 20), Context.MemoryInfo());
        Assert.Equal(CudaResult.OutOfMemory, DriverFixture.ResultOf(() => CudaMemory.Allocate(Context, (1 << 19) + 1)));
        CudaMemory other = CudaMemory.Allocate(Context, 1 << 19);
        half.Dispose();
        other.Dispose();
        Assert.Equal((1L << 20, 1L << 20), Context.MemoryInfo());
        using CudaContext.Scope scope = Context.Bind();
        Assert.Equal(CudaResult.InvalidValue, Driver.MemAlloc(out _, 0));
        Assert.Equal(CudaResult.InvalidValue, Driver.MemFree(0x1234));
        Assert.Equal(CudaResult.Success, Driver.MemFree(0));
    }

    [Fact]
    public void CopiesAndFillsStayInside()
    {
        using CudaStream stream = CudaStream.Create(Context);
        using CudaMemory a = CudaMemory.Allocate(Context, 256);
        using CudaMemory b = CudaMemory.AllocateAsync(stream, 256);
        stream.Fill(a.Address, 7, 256);
        stream.Copy(b.Address + 8, a.Address, 248);
        byte[] read = new byte[4];
        b.Read<byte>(read, 252);
        Assert.Equal([7, 7, 7, 7], read);
        byte host = 1;
        byte* pointer = &host;
        Assert.Equal(CudaResult.InvalidValue, DriverFixture.ResultOf(() => stream.Fill(a.Address + 1, 0, 256)));
        Assert.Equal(CudaResult.InvalidValue, DriverFixture.ResultOf(() => stream.Copy(b.Address, a.Address + 16, 256)));
        Assert.Equal(CudaResult.InvalidValue, DriverFixture.ResultOf(() => stream.Upload((nint)pointer, pointer, 1)));
        Assert.Equal(CudaResult.InvalidValue, DriverFixture.ResultOf(() => stream.Download(null, a.Address, 1)));
        CudaException error = Assert.Throws<CudaException>(() => stream.Upload(a.Address + 250, pointer, 16));
        Assert.Contains("16 bytes at", error.Message, StringComparison.Ordinal);
        stream.Fill(a.Address, 0, 0);
        Assert.Null(Context.Fault);
    }

    [Fact]
    public void FreedMemoryIsNobodys()
    {
        using CudaStream stream = CudaStream.Create(Context);
        CudaMemory memory = CudaMemory.Allocate(Context, 64);
        nint address = memory.Address;
        memory.Dispose();
        Assert.Equal(CudaResult.InvalidValue, DriverFixture.ResultOf(() => stream.Fill(address, 0, 64)));
    }

    [Fact]
    public void PinnedMemoryIsKnown()
    {
        PinnedMemory pinned = PinnedMemory.Allocate(Context, 64);
        pinned.Pointer[63] = 9;
        Assert.Equal(CudaResult.HostMemoryAlreadyRegistered, DriverFixture.ResultOf(() => PinnedMemory.Register(Context, pinned.Pointer + 10, 4)));
        byte* local = stackalloc byte[16];
        PinnedMemory registered = PinnedMemory.Register(Context, local, 16);
        Assert.Equal(3, Driver.LiveResources);
        registered.Dispose();
        pinned.Dispose();
        using CudaContext.Scope scope = Context.Bind();
        Assert.Equal(CudaResult.HostMemoryNotRegistered, Driver.MemHostUnregister((nint)local));
        Assert.Equal(CudaResult.InvalidValue, Driver.MemFreeHost((nint)local));
        Assert.Equal(CudaResult.InvalidValue, Driver.MemHostAlloc(out _, 0));
        Assert.Equal(CudaResult.InvalidValue, Driver.MemHostRegister(0, 4));
    }

    [Fact]
    public void DevicesExchangeByCopiesOnly()
    {
        using CudaContext peer = CudaContext.RetainPrimary(Driver, 1);
        using CudaStream stream = CudaStream.Create(Context);
        using CudaMemory here = CudaMemory.Allocate(Context, 16);
        using CudaMemory there = CudaMemory.Allocate(peer, 16);
        there.Write<int>([1, 2, 3, 4]);
        stream.CopyFromPeer(here.Address, peer, there.Address, 16);
        int[] read = new int[4];
        here.Read<int>(read);
        Assert.Equal([1, 2, 3, 4], read);
        Assert.Equal(CudaResult.InvalidValue, DriverFixture.ResultOf(() => stream.Copy(here.Address, there.Address, 16)));
        Assert.False(Context.TryEnablePeerAccess(peer));
        using (Context.Bind())
        {
            Assert.Equal(CudaResult.PeerAccessUnsupported, Driver.CtxEnablePeerAccess(peer.Handle));
            Assert.Equal(CudaResult.InvalidValue, Driver.CtxEnablePeerAccess(Context.Handle));
            Assert.Equal(CudaResult.InvalidContext, Driver.CtxEnablePeerAccess(0x77));
            Assert.Equal(CudaResult.InvalidContext, Driver.MemcpyPeerAsync(here.Address, Context.Handle, there.Address, 0x77, 16, 0));
        }
        Assert.Equal(CudaResult.NotSupported, DriverFixture.ResultOf(() => here.Export()));
        Assert.Equal(CudaResult.NotSupported, DriverFixture.ResultOf(() => CudaMemory.Import(Context, default)));
    }

    [Fact]
    public void EverythingComesBack()
    {
        var driver = new EmulatedCudaDriver(new EmulatedDriverOptions { MemoryBytes = 1 << 20 });
        using (CudaContext context = CudaContext.RetainPrimary(driver))
        using (CudaModule module = CudaModule.Load(context, DriverFixture.Kernels))
        using (CudaStream stream = CudaStream.Create(context))
        using (CudaEvent mark = CudaEvent.Create(context))
        using (CudaMemory memory = CudaMemory.Allocate(context, 4096))
        using (PinnedMemory pinned = PinnedMemory.Allocate(context, 4096))
        using (CudaKernelArguments arguments = DriverFixture.Fill(memory, 1))
        using (CudaGraph graph = stream.Capture(() => module.GetFunction("fill").Launch(stream, new(new(1), new(32)), arguments)))
        using (CudaGraphExec executable = graph.Instantiate())
        {
            executable.Launch(stream);
            Assert.Equal(8, driver.LiveResources);
        }
        Assert.Equal(0, driver.LiveResources);
        // What is left behind goes with the driver.
        _ = CudaMemory.FromHandle(CudaContext.RetainPrimary(driver), 1, 1);
        driver.Dispose();
        Assert.Equal(0, driver.LiveResources);
    }

    /// <summary>Finalisers run when they like, also after a host disposed its driver; one that throws ends the process.</summary>
    [Fact]
    public void HandlesMayOutliveTheDriver()
    {
        var driver = new EmulatedCudaDriver();
        CudaContext context = CudaContext.RetainPrimary(driver);
        CudaMemory memory = CudaMemory.Allocate(context, 64);
        driver.Dispose();
        memory.Dispose();
        context.Dispose();
        Assert.Equal(CudaResult.InvalidContext, driver.MemAlloc(out _, 64));
    }
}
