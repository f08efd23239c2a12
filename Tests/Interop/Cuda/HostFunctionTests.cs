using Llama4Kernels.Interop.Cuda;

namespace Llama4Kernels.Tests.Interop.Cuda;

/// <summary>Functions of the host in a stream: called once, from whatever thread, and what they throw.</summary>
public sealed unsafe class HostFunctionTests : IDisposable
{
    private readonly RecordingDriver _driver = new();
    private readonly CudaContext _context;
    private readonly CudaStream _stream;

    public HostFunctionTests()
    {
        _context = CudaContext.RetainPrimary(_driver);
        _stream = CudaStream.Create(_context);
    }

    public void Dispose()
    {
        _stream.Dispose();
        _context.Dispose();
    }

    [Fact]
    public void AFunctionIsKeptUntilItHasRun()
    {
        WeakReference target = Add();
        GC.Collect();
        Assert.True(target.IsAlive);
        // The driver calls from a thread of its own, perhaps after the stream was given up.
        (nint function, nint argument) = _driver.HostFunction;
        _stream.Dispose();
        var thread = new Thread(() => ((delegate* unmanaged<nint, void>)function)(argument));
        thread.Start();
        thread.Join();
        Assert.Equal(1, ((Counter)target.Target!).Count);
        // A second call would be the driver's mistake and does nothing.
        ((delegate* unmanaged<nint, void>)function)(argument);
        Assert.Equal(1, ((Counter)target.Target!).Count);
        Assert.Throws<ArgumentNullException>(() => _stream.AddHostFunction(null!));

        WeakReference Add()
        {
            var counter = new Counter();
            _stream.AddHostFunction(counter.Increment);
            return new WeakReference(counter);
        }
    }

    [Fact]
    public void WhatAFunctionThrowsTheNextWaitThrowsOnce()
    {
        _stream.AddHostFunction(() => throw new InvalidOperationException("mine"));
        RunLast();
        Assert.Equal("mine", Assert.Throws<InvalidOperationException>(_stream.Synchronize).Message);
        _stream.Synchronize();

        _stream.AddHostFunction(() => throw new InvalidOperationException("first"));
        RunLast();
        _stream.AddHostFunction(() => throw new ArgumentException("second"));
        RunLast();
        AggregateException both = Assert.Throws<AggregateException>(_stream.Synchronize);
        Assert.Equal(["first", "second"], both.InnerExceptions.Select(error => error.Message));

        // Another stream's waiter is not concerned.
        using CudaStream other = CudaStream.Create(_context);
        _stream.AddHostFunction(() => throw new InvalidOperationException("mine"));
        RunLast();
        other.Synchronize();
        Assert.Throws<InvalidOperationException>(_stream.Synchronize);
    }

    [Fact]
    public void ACaptureTakesNoFunction()
    {
        _driver.IsCapturing = true;
        Assert.Contains("cannot be captured", Assert.Throws<InvalidOperationException>(() => _stream.AddHostFunction(() => { })).Message);
        Assert.DoesNotContain(_driver.Calls, call => call.StartsWith("LaunchHostFunc", StringComparison.Ordinal));
    }

    [Fact]
    public void AFunctionThatTheDriverRefusesIsNotKept()
    {
        bool ran = false;
        _driver.Fail("LaunchHostFunc", CudaResult.OutOfMemory);
        Assert.Equal(CudaResult.OutOfMemory, Assert.Throws<CudaException>(() => _stream.AddHostFunction(() => ran = true)).Result);
        RunLast();
        Assert.False(ran);
    }

    [Fact]
    public void AfterAFaultWhatDidNotRunIsDroppedWithTheStream()
    {
        bool ran = false;
        _stream.AddHostFunction(() => ran = true);
        _driver.Fail("StreamSynchronize", CudaResult.IllegalAddress);
        Assert.Throws<CudaException>(_stream.Synchronize);
        _stream.Dispose();
        RunLast();
        Assert.False(ran);
    }

    private void RunLast()
    {
        (nint function, nint argument) = _driver.HostFunction;
        ((delegate* unmanaged<nint, void>)function)(argument);
    }

    private sealed class Counter
    {
        public int Count { get; private set; }

        public void Increment() => Count++;
    }
}
