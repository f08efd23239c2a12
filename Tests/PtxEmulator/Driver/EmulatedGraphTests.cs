using Llama4Kernels.Interop.Cuda;
using Llama4Kernels.PtxEmulator.Driver;

namespace Llama4Kernels.Tests.PtxEmulator.Driver;

/// <summary>Streams, events, captures and graphs of the emulated driver.</summary>
public sealed unsafe class EmulatedGraphTests : IDisposable
{
    private readonly DriverFixture _fixture = new();
    private readonly CudaModule _module;
    private readonly CudaStream _stream;
    private readonly CudaMemory _data;

    public EmulatedGraphTests()
    {
        _module = CudaModule.Load(Context, DriverFixture.Kernels);
        _stream = CudaStream.Create(Context);
        _data = CudaMemory.Allocate(Context, 32 * sizeof(int));
        _stream.Fill(_data.Address, 0, _data.Bytes);
    }

    private EmulatedCudaDriver Driver => _fixture.Driver;

    private CudaContext Context => _fixture.Context;

    private int First
    {
        get
        {
            int[] read = new int[1];
            _data.Read<int>(read);
            return read[0];
        }
    }

    public void Dispose()
    {
        _data.Dispose();
        _stream.Dispose();
        _module.Dispose();
        _fixture.Dispose();
    }

    [Fact]
    public void ACaptureRunsOnlyWhenItIsLaunched()
    {
        int host = 0;
        int* read = &host;
        using CudaKernelArguments arguments = DriverFixture.Fill(_data, 40);
        using CudaGraph graph = _stream.Capture(() =>
        {
            _stream.Fill(_data.Address, 0xFF, 4);
            Launch(arguments);
            _stream.Download(read, _data.Address, 4);
        });
        Assert.Equal((0, 0), (First, host));
        arguments.Set(1, 50);
        using CudaGraphExec executable = graph.Instantiate();
        executable.Launch(_stream);
        Assert.Equal((40, 40), (First, host));
        Assert.Single(graph.KernelNodes());
        using CudaModule wide = CudaModule.Load(Context, DriverFixture.Wide);

        executable.SetKernel(graph.KernelNodes()[0], _module.GetFunction("fill"), new(new(1), new(32)), arguments);
        executable.Launch(_stream);
        Assert.Equal((50, 50), (First, host));
        Assert.Equal(CudaResult.InvalidValue, DriverFixture.ResultOf(() => executable.SetKernel(0x77, _module.GetFunction("fill"), new(new(1), new(32)), arguments)));
        Assert.Equal(CudaResult.InvalidValue, DriverFixture.ResultOf(() => executable.SetKernel(graph.KernelNodes()[0], wide.GetFunction("wide"), new(new(1), new(96)), arguments)));
    }

    [Fact]
    public void AnUpdateNeedsTheSameStructure()
    {
        using CudaKernelArguments arguments = DriverFixture.Fill(_data, 1);
        CudaGraph Record(int kernels, bool fill) => _stream.Capture(() =>
        {
            for (int i = 0; i < kernels; i++)
            {
                Launch(arguments);
            }
            if (fill)
            {
                _stream.Fill(_data.Address, 1, 4);
            }
        });
        using CudaGraph one = Record(1, true);
        using CudaGraphExec executable = one.Instantiate();
        arguments.Set(1, 2);
        using CudaGraph same = Record(1, true);
        Assert.True(executable.TryUpdate(same));
        executable.Launch(_stream);
        int[] read = new int[2];
        _data.Read<int>(read);
        Assert.Equal([0x01010101, 3], read);
        using CudaGraph longer = Record(2, true);
        using CudaGraph other = Record(2, false);
        Assert.False(executable.TryUpdate(longer));
        Assert.False(executable.TryUpdate(other));
        using CudaContext.Scope scope = Context.Bind();
        Assert.Equal(CudaResult.GraphExecUpdateFailure, Driver.GraphExecUpdate(executable.Handle, longer.Handle, out int reason));
        Assert.Equal(2, reason);
        Assert.Equal(CudaResult.GraphExecUpdateFailure, Driver.GraphExecUpdate(executable.Handle, other.Handle, out reason));
        Assert.Equal(3, reason);
        Assert.Equal(CudaResult.InvalidValue, Driver.GraphExecUpdate(executable.Handle, 0x77, out _));
        Assert.Equal(CudaResult.InvalidValue, Driver.GraphInstantiate(out _, 0x77));
        Assert.Equal(CudaResult.InvalidValue, Driver.GraphDestroy(0x77));
        Assert.Equal(CudaResult.InvalidValue, Driver.GraphExecDestroy(0x77));
        Assert.Equal(CudaResult.InvalidValue, Driver.GraphGetKernelNodes(0x77, out _));
        Assert.Equal(CudaResult.InvalidValue, Driver.GraphLaunch(0x77, _stream.Handle));
    }

    [Fact]
    public void WhatACaptureDoesNotTakeEndsIt()
    {
        using CudaMemory memory = CudaMemory.Allocate(Context, 4);
        Action[] calls =
        [
            _stream.Synchronize, () => _stream.IsIdle(), Context.Synchronize, () => CudaMemory.Allocate(Context, 4), () => memory.Write<int>([1]),
            () => PinnedMemory.Allocate(Context, 4), () => CudaModule.Load(Context, DriverFixture.Kernels), () => CudaMemory.AllocateAsync(_stream, 4),
        ];
        foreach (Action call in calls)
        {
            Exception? seen = null;
            CudaException end = Assert.Throws<CudaException>(() => _stream.Capture(() => seen = Record.Exception(call)));
            Assert.Equal(CudaResult.StreamCaptureUnsupported, Assert.IsType<CudaException>(seen).Result);
            Assert.Equal(CudaResult.StreamCaptureInvalidated, end.Result);
            _stream.Synchronize();
        }
        Assert.Equal(CudaResult.StreamCaptureInvalidated, DriverFixture.ResultOf(() => _stream.Capture(() =>
        {
            Assert.Throws<CudaException>(_stream.Synchronize);
            Assert.Equal(CudaResult.StreamCaptureInvalidated, DriverFixture.ResultOf(() => _stream.Fill(_data.Address, 0, 4)));
        })));
        Assert.Null(Context.Fault);
    }

    [Fact]
    public void CapturesBelongToTheirStreamAndThread()
    {
        using CudaContext.Scope scope = Context.Bind();
        Assert.Equal(CudaResult.StreamCaptureUnsupported, Driver.StreamBeginCapture(0));
        Assert.Equal(CudaResult.IllegalState, Driver.StreamEndCapture(_stream.Handle, out _));
        Assert.Equal(CudaResult.Success, Driver.StreamBeginCapture(_stream.Handle));
        Assert.Equal(CudaResult.IllegalState, Driver.StreamBeginCapture(_stream.Handle));
        CudaResult other = CudaResult.Unknown, allocation = CudaResult.Unknown;
        var thread = new Thread(() =>
        {
            Driver.CtxSetCurrent(Context.Handle);
            other = Driver.StreamEndCapture(_stream.Handle, out nint _);
            // Other threads may do what they like meanwhile.
            allocation = Driver.MemAlloc(out nint address, 4);
            Driver.MemFree(address);
        });
        thread.Start();
        thread.Join();
        Assert.Equal((CudaResult.StreamCaptureWrongThread, CudaResult.Success), (other, allocation));
        Assert.Equal(CudaResult.Success, Driver.StreamEndCapture(_stream.Handle, out nint graph));
        Driver.GraphDestroy(graph);
    }

    [Fact]
    public void StreamsForkAndJoinThroughEvents()
    {
        using CudaStream side = CudaStream.Create(Context);
        using CudaEvent fork = CudaEvent.Create(Context);
        using CudaEvent join = CudaEvent.Create(Context);
        using CudaGraph graph = _stream.Capture(() =>
        {
            _stream.Fill(_data.Address, 1, 4);
            fork.Record(_stream);
            side.WaitFor(fork);
            side.Fill(_data.Address + 4, 2, 4);
            _stream.Fill(_data.Address + 8, 3, 4);
            join.Record(side);
            _stream.WaitFor(join);
        });
        using CudaGraphExec executable = graph.Instantiate();
        executable.Launch(_stream);
        int[] read = new int[3];
        _data.Read<int>(read);
        Assert.Equal([0x01010101, 0x02020202, 0x03030303], read);
        side.Synchronize();

        Assert.Equal(CudaResult.StreamCaptureUnjoined, DriverFixture.ResultOf(() => _stream.Capture(() =>
        {
            fork.Record(_stream);
            side.WaitFor(fork);
            side.Fill(_data.Address, 0, 4);
        })));
        fork.Record(side);
        Assert.Equal(CudaResult.StreamCaptureIsolation, DriverFixture.ResultOf(() => _stream.Capture(() => _stream.WaitFor(fork))));
        Assert.Equal(CudaResult.CapturedEvent, DriverFixture.ResultOf(() => _stream.Capture(() =>
        {
            fork.Record(_stream);
            fork.Synchronize();
        })));
    }

    [Fact]
    public void EventsMeasureTime()
    {
        using CudaEvent start = CudaEvent.Create(Context, timing: true);
        using CudaEvent end = CudaEvent.Create(Context, timing: true);
        using CudaEvent plain = CudaEvent.Create(Context);
        Assert.Equal(CudaResult.InvalidHandle, DriverFixture.ResultOf(() => end.MillisecondsSince(start)));
        start.Record(_stream);
        Thread.Sleep(5);
        end.Record(_stream);
        plain.Record(_stream);
        Assert.InRange(end.MillisecondsSince(start), 4f, 5000f);
        Assert.Equal(CudaResult.InvalidHandle, DriverFixture.ResultOf(() => plain.MillisecondsSince(start)));
        Assert.True(end.IsReached());
        using CudaContext.Scope scope = Context.Bind();
        Assert.Equal(CudaResult.InvalidHandle, Driver.EventRecord(0x77, _stream.Handle));
        Assert.Equal(CudaResult.InvalidHandle, Driver.EventDestroy(0x77));
        Assert.Equal(CudaResult.InvalidHandle, Driver.StreamDestroy(0x77));
        Assert.Equal(CudaResult.InvalidHandle, Driver.StreamWaitEvent(_stream.Handle, 0x77));
    }

    private void Launch(CudaKernelArguments arguments) => _module.GetFunction("fill").Launch(_stream, new(new(1), new(32)), arguments);
}
