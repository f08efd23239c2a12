using Llama4Kernels.Interop.Cuda;

namespace Llama4Kernels.Tests.Interop.Cuda;

/// <summary>Modules, launches, streams, events, graphs and memory through the recording driver.</summary>
public sealed unsafe class CudaObjectTests : IDisposable
{
    private readonly RecordingDriver _driver = new();
    private readonly CudaContext _context;

    public CudaObjectTests() => _context = CudaContext.RetainPrimary(_driver);

    public void Dispose() => _context.Dispose();

    [Fact]
    public void PtxIsGivenWithItsZeroByteAndTheLogIsKept()
    {
        _driver.JitLog = new CudaJitLog("40 registers", "");
        var options = new CudaJitOptions { MaxRegisters = 128, Verbose = true };
        using (CudaModule module = CudaModule.Load(_context, ".version 8.0", options))
        {
            Assert.Equal(".version 8.0\0"u8.ToArray(), _driver.Image);
            Assert.Equal(options, _driver.JitOptions);
            Assert.Equal("40 registers", module.Log.Information);
            Assert.Equal(module.Handle + 7, module.GetFunction("add").Handle);
            Assert.Equal((module.Handle + 9, 12L), module.GetGlobal("table"));
        }
        Assert.Empty(_driver.Alive("module"));
    }

    [Fact]
    public void ABadModulesErrorHasTheCompilersLog()
    {
        _driver.JitLog = new CudaJitLog("", "ptxas application, line 3; error: Unexpected instruction");
        _driver.Fail("ModuleLoadData", CudaResult.InvalidPtx);
        CudaException error = Assert.Throws<CudaException>(() => CudaModule.Load(_context, "nonsense"));
        Assert.Equal((CudaResult.InvalidPtx, "cuModuleLoadDataEx"), (error.Result, error.Call));
        Assert.Contains("line 3; error", error.Log);
        Assert.Contains("line 3; error", error.Message);
        Assert.Throws<ArgumentException>(() => CudaModule.Load(_context, " "));
    }

    [Fact]
    public void AMissingEntryIsNamed()
    {
        using CudaModule module = CudaModule.Load(_context, ".version 8.0");
        _driver.Fail("ModuleGetFunction", CudaResult.NotFound);
        Assert.Contains("cuModuleGetFunction(gemm)", Assert.Throws<CudaException>(() => module.GetFunction("gemm")).Message);
    }

    [Fact]
    public void ALaunchPassesItsArgumentsInOrder()
    {
        using CudaModule module = CudaModule.Load(_context, ".version 8.0");
        using CudaStream stream = CudaStream.Create(_context);
        using CudaKernelArguments arguments = new CudaKernelArguments().Add(0x1111L).Add(0x2222L);
        CudaFunction function = module.GetFunction("add");
        _driver.ArgumentCount = 2;
        var config = new CudaLaunchConfig(new(4), new(256)) { Cluster = new(2) };
        function.Launch(stream, config, arguments);
        (nint launched, CudaLaunchConfig with, nint on, ulong[] values) = Assert.Single(_driver.Launches);
        Assert.Equal((function.Handle, config, stream.Handle), (launched, with, on));
        Assert.Equal([0x1111ul, 0x2222ul], values);
    }

    [Fact]
    public void MoreSharedMemoryIsAskedForOnce()
    {
        using CudaModule module = CudaModule.Load(_context, ".version 8.0");
        using CudaStream stream = CudaStream.Create(_context);
        using var arguments = new CudaKernelArguments();
        CudaFunction function = module.GetFunction("add");
        function.Launch(stream, new CudaLaunchConfig(new(1), new(32), 48 * 1024), arguments);
        Assert.DoesNotContain(_driver.Calls, call => call.StartsWith("FuncSetAttribute", StringComparison.Ordinal));
        function.Launch(stream, new CudaLaunchConfig(new(1), new(32), 200 * 1024), arguments);
        function.Launch(stream, new CudaLaunchConfig(new(1), new(32), 100 * 1024), arguments);
        Assert.Single(_driver.Calls, call => call.StartsWith("FuncSetAttribute", StringComparison.Ordinal));
        Assert.Contains("FuncSetAttribute(MaxDynamicSharedSizeBytes, 204800)", _driver.Calls);
        Assert.Equal(40, function.Attribute(CudaFunctionAttribute.RegisterCount));
        Assert.Equal(16, function.BlocksPerMultiprocessor(128));
    }

    [Fact]
    public void AnImpossibleLaunchDoesNotReachTheDriver()
    {
        using CudaModule module = CudaModule.Load(_context, ".version 8.0");
        using CudaStream stream = CudaStream.Create(_context);
        using var arguments = new CudaKernelArguments();
        CudaFunction function = module.GetFunction("add");
        foreach (CudaLaunchConfig config in new CudaLaunchConfig[]
        {
            new(new(0), new(32)), new(new(1), new(32, 0)), new(new(1), new(1025)), new(new(1), new(32), -1), new(new(1, 65536), new(32)),
            new CudaLaunchConfig(new(5), new(32)) { Cluster = new(2) },
        })
        {
            Assert.Throws<ArgumentException>(() => function.Launch(stream, config, arguments));
        }
        Assert.Empty(_driver.Launches);
        _driver.Fail("LaunchKernel", CudaResult.LaunchOutOfResources);
        Assert.Contains("cuLaunchKernel(add, grid (1, 1, 1)", Assert.Throws<CudaException>(() => function.Launch(stream, new(new(1), new(32)), arguments)).Message);
        module.Dispose();
        Assert.Throws<ObjectDisposedException>(() => function.Launch(stream, new(new(1), new(32)), arguments));
    }

    [Fact]
    public void MemoryIsCopiedWithinItsBounds()
    {
        using CudaMemory memory = CudaMemory.Allocate(_context, 16);
        memory.Write<int>([1, 2, 3, 4]);
        memory.Write<int>([9], 12);
        int[] read = new int[3];
        memory.Read<int>(read, 4);
        Assert.Equal([2, 3, 9], read);
        Assert.Throws<ArgumentException>(() => memory.Write<int>([1], 13));
        Assert.Throws<ArgumentException>(() => memory.Write<int>([1], -1));
        Assert.Throws<ArgumentException>(() => memory.Read<int>(new int[5]));
        Assert.Throws<ArgumentOutOfRangeException>(() => CudaMemory.Allocate(_context, 0));
        memory.Dispose();
        Assert.Throws<ObjectDisposedException>(() => memory.Address);
        Assert.Throws<ObjectDisposedException>(() => memory.Write<int>([1]));
    }

    [Fact]
    public void StreamsCopyFillAndMove()
    {
        using CudaContext peer = CudaContext.RetainPrimary(_driver, 1);
        using CudaStream stream = CudaStream.Create(_context, -1);
        using CudaMemory a = CudaMemory.Allocate(_context, 16);
        using CudaMemory b = CudaMemory.Allocate(_context, 16);
        using PinnedMemory pinned = PinnedMemory.Allocate(_context, 16);
        pinned.Pointer[0] = 42;
        stream.Fill(a.Address, 7, 16);
        stream.Upload(a.Address, pinned.Pointer, 1);
        stream.Copy(b.Address, a.Address, 16);
        stream.Download(pinned.Pointer, b.Address, 16);
        Assert.Equal((42, 7), (pinned.Pointer[0], pinned.Pointer[15]));
        stream.CopyFromPeer(a.Address, peer, b.Address, 8);
        Assert.Contains($"MemcpyPeerAsync({_context.Handle}, {peer.Handle}, {stream.Handle})", _driver.Calls);
        Assert.Contains("StreamCreate(-1)", _driver.Calls);
        Assert.Throws<ArgumentOutOfRangeException>(() => stream.Fill(a.Address, 0, -1));
        Assert.True(stream.IsIdle());
        _driver.Fail("StreamQuery", CudaResult.NotReady);
        Assert.False(stream.IsIdle());
    }

    [Fact]
    public void EveryKindOfMemoryIsGivenBackItsOwnWay()
    {
        CudaStream stream = CudaStream.Create(_context);
        CudaMemory pooled = CudaMemory.AllocateAsync(stream, 64);
        nint handle = stream.Handle;
        stream.Dispose();
        Assert.Single(_driver.Alive("stream"));
        pooled.Dispose();
        Assert.Contains($"MemFreeAsync({handle})", _driver.Calls);
        Assert.Empty(_driver.Alive("stream"));

        using CudaMemory memory = CudaMemory.Allocate(_context, 8);
        CudaIpcHandle name = memory.Export();
        CudaMemory imported = CudaMemory.Import(_context, name);
        Assert.Equal(memory.Address, imported.Address);
        imported.Dispose();
        Assert.Contains("IpcCloseMemHandle", _driver.Calls);

        CudaMemory.FromHandle(_context, 0x9000, 8).Dispose();
        byte local = 0;
        PinnedMemory.Register(_context, &local, 1).Dispose();
        Assert.Contains("MemHostUnregister", _driver.Calls);
        PinnedMemory.Allocate(_context, 1).Dispose();
        Assert.Contains("MemFreeHost", _driver.Calls);
        memory.Dispose();
        Assert.Single(_driver.Calls, "MemFree");
        Assert.Equal(1, _driver.AliveCount);
    }

    [Fact]
    public void EventsOrderAndMeasure()
    {
        using CudaStream stream = CudaStream.Create(_context);
        using CudaEvent start = CudaEvent.Create(_context, timing: true);
        using CudaEvent end = CudaEvent.Create(_context, timing: true);
        start.Record(stream);
        end.Record(stream);
        stream.WaitFor(start);
        Assert.Contains($"StreamWaitEvent({stream.Handle}, {start.Handle})", _driver.Calls);
        Assert.Equal(end.Handle - start.Handle, end.MillisecondsSince(start));
        end.Synchronize();
        Assert.True(end.IsReached());
        _driver.Fail("EventQuery", CudaResult.NotReady);
        Assert.False(end.IsReached());
        _driver.Fail("EventQuery", CudaResult.LaunchFailed);
        Assert.Throws<CudaException>(() => end.IsReached());
    }

    [Fact]
    public void AGraphIsRecordedUpdatedAndReplayed()
    {
        using CudaModule module = CudaModule.Load(_context, ".version 8.0");
        CudaFunction function = module.GetFunction("add");
        using CudaStream stream = CudaStream.Create(_context);
        using CudaKernelArguments arguments = new CudaKernelArguments().Add(5L);
        using CudaGraph graph = stream.Capture(() => function.Launch(stream, new(new(1), new(32)), arguments));
        using CudaGraphExec executable = graph.Instantiate();
        executable.Launch(stream);
        Assert.Contains($"GraphLaunch({executable.Handle}, {stream.Handle})", _driver.Calls);

        Assert.True(executable.TryUpdate(graph));
        _driver.Fail("GraphExecUpdate", CudaResult.GraphExecUpdateFailure);
        Assert.False(executable.TryUpdate(graph));
        _driver.Fail("GraphExecUpdate", CudaResult.InvalidValue);
        _driver.UpdateReason = 6;
        Assert.Contains("reason 6", Assert.Throws<CudaException>(() => executable.TryUpdate(graph)).Message);

        nint node = graph.KernelNodes()[1];
        executable.SetKernel(node, function, new(new(3), new(32)), arguments);
        Assert.Contains($"GraphExecKernelNodeSetParams({node}, {function.Handle}, (3, 1, 1), 5)", _driver.Calls);
    }

    [Fact]
    public void AFailedRecordingLeavesTheStreamAndNoGraph()
    {
        using CudaStream stream = CudaStream.Create(_context);
        Assert.Equal("mine", Assert.Throws<InvalidOperationException>(() => stream.Capture(() => throw new InvalidOperationException("mine"))).Message);
        Assert.Contains($"StreamEndCapture({stream.Handle})", _driver.Calls);
        Assert.Empty(_driver.Alive("graph"));
        _driver.Fail("StreamEndCapture", CudaResult.StreamCaptureInvalidated);
        Assert.Equal(CudaResult.StreamCaptureInvalidated, Assert.Throws<CudaException>(() => stream.Capture(() => { })).Result);
        Assert.Equal(0, _driver.Current);
    }

    [Fact]
    public void ALinkersImageOutlivesItAndItsErrorsHaveTheLog()
    {
        byte[] image;
        using (CudaLinker linker = CudaLinker.Create(_context, new CudaJitOptions { MaxRegisters = 64 }))
        {
            Assert.Equal(64, _driver.JitOptions.MaxRegisters);
            linker.AddPtx(".version 8.0", "a.ptx");
            Assert.Equal(".version 8.0\0"u8.ToArray(), _driver.Image);
            linker.Add(CudaLinkInput.Cubin, [7, 8], "b.cubin");
            Assert.Contains("LinkAddData(Cubin, b.cubin)", _driver.Calls);
            image = linker.Complete();
            Assert.Throws<ArgumentException>(() => linker.Add(CudaLinkInput.Cubin, [], "empty"));
            Assert.Throws<ArgumentException>(() => linker.AddPtx("x", ""));

            _driver.JitLog = new CudaJitLog("", "undefined reference to 'f'");
            _driver.Fail("LinkAddData", CudaResult.InvalidPtx);
            CudaException refused = Assert.Throws<CudaException>(() => linker.AddPtx("nonsense", "c.ptx"));
            Assert.Equal((CudaResult.InvalidPtx, "cuLinkAddData(c.ptx)", "undefined reference to 'f'"), (refused.Result, refused.Call, refused.Log));
            _driver.Fail("LinkComplete", CudaResult.InvalidImage);
            Assert.Contains("undefined reference to 'f'", Assert.Throws<CudaException>(linker.Complete).Message);
            linker.Dispose();
            Assert.Throws<ObjectDisposedException>(() => linker.Log);
        }
        Assert.Equal([1, 2, 3], image);
        Assert.Empty(_driver.Alive("linker"));
    }

    [Fact]
    public void AddressesAreDescribed()
    {
        Assert.Equal(new CudaPointerInfo(false, false, 1, 0x5000, 64), _context.PointerInfo(0x5010));
        Assert.Null(_context.PointerInfo(0x5040));
        _driver.Fail("PointerGetAttribute", CudaResult.NotInitialized);
        Assert.Equal(CudaResult.NotInitialized, Assert.Throws<CudaException>(() => _context.PointerInfo(0x5010)).Result);
    }
}
