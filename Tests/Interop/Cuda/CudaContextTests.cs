using Llama4Kernels.Interop.Cuda;

namespace Llama4Kernels.Tests.Interop.Cuda;

/// <summary>Contexts: who is current, who is released when, and what an error leaves behind.</summary>
public class CudaContextTests
{
    private readonly RecordingDriver _driver = new();

    [Fact]
    public void ThePrimaryContextIsRetainedAndReleasedOnce()
    {
        CudaContext context = CudaContext.RetainPrimary(_driver, 1);
        Assert.Contains("DevicePrimaryCtxRetain(71)", _driver.Calls);
        context.Dispose();
        context.Dispose();
        Assert.Single(_driver.Calls, "DevicePrimaryCtxRelease(71)");
        Assert.Equal(0, _driver.AliveCount);
        Assert.Throws<ObjectDisposedException>(context.Synchronize);
        Assert.Throws<ObjectDisposedException>(() => context.Handle);
    }

    [Fact]
    public void WhatLivesInAContextKeepsIt()
    {
        CudaContext context = CudaContext.RetainPrimary(_driver);
        CudaMemory memory = CudaMemory.Allocate(context, 100);
        CudaStream stream = CudaStream.Create(context);
        nint handle = context.Handle;
        context.Dispose();
        Assert.Single(_driver.Alive("context"));
        memory.Dispose();
        Assert.Single(_driver.Alive("context"));
        stream.Dispose();
        Assert.Equal(0, _driver.AliveCount);
        Assert.Equal([("MemFree", handle), ("StreamDestroy", handle), ("DevicePrimaryCtxRelease", 0)], _driver.Releases);
    }

    [Fact]
    public void AHostsContextAndStreamAreUsedButNotDestroyed()
    {
        _driver.Current = 0x77;
        using (CudaContext context = CudaContext.FromHandle(_driver, 0xABC))
        {
            Assert.Equal(71, context.Device);
            Assert.Equal(0x77, _driver.Current);
            using CudaStream stream = CudaStream.FromHandle(context, 0xDEF);
            using CudaStream legacy = CudaStream.FromHandle(context, 0);
            stream.Synchronize();
            legacy.Synchronize();
            Assert.Contains("StreamSynchronize(3567)", _driver.Calls);
            Assert.Contains("StreamSynchronize(0)", _driver.Calls);
        }
        Assert.DoesNotContain(_driver.Calls, call => call.StartsWith("StreamDestroy", StringComparison.Ordinal));
        Assert.DoesNotContain(_driver.Calls, call => call.StartsWith("DevicePrimaryCtxRelease", StringComparison.Ordinal));
        Assert.Throws<ArgumentException>(() => CudaContext.FromHandle(_driver, 0));
    }

    [Fact]
    public void AWrongHandleIsRefusedAndTheHostsContextStaysCurrent()
    {
        _driver.Current = 0x77;
        _driver.Fail("CtxGetDevice", CudaResult.InvalidContext);
        Assert.Equal(CudaResult.InvalidContext, Assert.Throws<CudaException>(() => CudaContext.FromHandle(_driver, 0xABC)).Result);
        Assert.Equal(0x77, _driver.Current);
    }

    [Fact]
    public void EveryCallRestoresWhatWasCurrent()
    {
        using CudaContext context = CudaContext.RetainPrimary(_driver);
        _driver.Current = 0x77;
        using (CudaMemory memory = CudaMemory.Allocate(context, 8))
        {
            Assert.Equal(0x77, _driver.Current);
            _driver.Fail("MemAlloc", CudaResult.OutOfMemory);
            Assert.Throws<CudaException>(() => CudaMemory.Allocate(context, 8));
            Assert.Equal(0x77, _driver.Current);
        }
        Assert.Equal(0x77, _driver.Current);
        Assert.Equal(("MemFree", context.Handle), _driver.Releases.Single());
    }

    [Fact]
    public void ABoundContextIsNotSetAgain()
    {
        using CudaContext context = CudaContext.RetainPrimary(_driver);
        using (context.Bind())
        {
            int before = _driver.Calls.Count(call => call == "CtxSetCurrent");
            context.Synchronize();
            Assert.Equal(before, _driver.Calls.Count(call => call == "CtxSetCurrent"));
            Assert.Equal(context.Handle, _driver.Current);
        }
        Assert.Equal(0, _driver.Current);
    }

    [Fact]
    public void AnOrdinaryErrorLeavesTheContextUsable()
    {
        using CudaContext context = CudaContext.RetainPrimary(_driver);
        _driver.Fail("MemAlloc", CudaResult.OutOfMemory);
        CudaException error = Assert.Throws<CudaException>(() => CudaMemory.Allocate(context, 1L << 40));
        Assert.Equal((CudaResult.OutOfMemory, "cuMemAlloc(1099511627776)", null), (error.Result, error.Call, error.Log));
        Assert.Equal("cuMemAlloc(1099511627776) failed: CUDA_ERROR_OUT_OF_MEMORY (2).", error.Message);
        Assert.Null(context.Fault);
        context.Synchronize();
    }

    [Fact]
    public void AfterAStickyErrorEveryCallFailsAtOnceWithTheFirst()
    {
        CudaContext context = CudaContext.RetainPrimary(_driver);
        CudaStream stream = CudaStream.Create(context);
        CudaMemory memory = CudaMemory.Allocate(context, 64);
        _driver.Fail("StreamSynchronize", CudaResult.IllegalAddress);
        CudaException first = Assert.Throws<CudaException>(stream.Synchronize);
        Assert.Contains("asynchronous", first.Message);
        Assert.Same(first, context.Fault);
        _driver.Fail("StreamSynchronize", CudaResult.Success);

        int calls = _driver.Calls.Count;
        foreach (Action later in new Action[] { stream.Synchronize, context.Synchronize, () => CudaMemory.Allocate(context, 1), () => memory.Write<int>([1]) })
        {
            CudaException error = Assert.Throws<CudaException>(later);
            Assert.Equal((CudaResult.IllegalAddress, first.Call), (error.Result, error.Call));
            Assert.Same(first, error.InnerException);
        }
        Assert.Equal(calls, _driver.Calls.Count);

        // What was made is given back all the same, whatever the driver answers.
        _driver.Fail("MemFree", CudaResult.IllegalAddress);
        memory.Dispose();
        stream.Dispose();
        context.Dispose();
        Assert.Empty(_driver.Alive("context"));
        Assert.Empty(_driver.Alive("stream"));
    }

    [Fact]
    public void ASecondStickyErrorReportsTheFirst()
    {
        using CudaContext context = CudaContext.RetainPrimary(_driver);
        using CudaContext.Scope scope = context.Bind();
        Assert.Throws<CudaException>(() => context.Check(CudaResult.LaunchFailed, "one"));
        CudaException second = Assert.Throws<CudaException>(() => context.Check(CudaResult.IllegalAddress, "two"));
        Assert.Equal((CudaResult.LaunchFailed, "one"), (second.Result, second.Call));
    }

    [Fact]
    public void PeersAreEnabledWhereTheyCanBeAndTwiceIsNoError()
    {
        using CudaContext a = CudaContext.RetainPrimary(_driver, 0);
        using CudaContext b = CudaContext.RetainPrimary(_driver, 1);
        Assert.True(a.TryEnablePeerAccess(b));
        _driver.Fail("CtxEnablePeerAccess", CudaResult.PeerAccessAlreadyEnabled);
        Assert.True(a.TryEnablePeerAccess(b));
        Assert.False(a.TryEnablePeerAccess(a));
        _driver.Fail("CtxEnablePeerAccess", CudaResult.TooManyPeers);
        Assert.Throws<CudaException>(() => a.TryEnablePeerAccess(b));
    }

    [Fact]
    public void DevicesAreDescribed()
    {
        IReadOnlyList<CudaDeviceInfo> devices = CudaDeviceInfo.List(_driver);
        Assert.Equal(2, devices.Count);
        Assert.Equal(("Made-up 1", "sm_90", 132, 232448, 80L << 30), (devices[1].Name, devices[1].Target, devices[1].Multiprocessors, devices[1].SharedBytesPerBlock, devices[1].MemoryBytes));
        Assert.Equal(CudaResult.InvalidDevice, Assert.Throws<CudaException>(() => CudaDeviceInfo.Read(_driver, 2)).Result);
        Assert.Throws<CudaException>(() => CudaContext.RetainPrimary(_driver, 2));
    }

    [Fact]
    public void TensorMapsAreCheckedBeforeTheDriverSeesThem()
    {
        using CudaContext context = CudaContext.RetainPrimary(_driver);
        var good = new CudaTensorDescription
        {
            Type = CudaTensorType.BFloat16,
            Address = 0x1000,
            Extents = [5120, 1024],
            Strides = [10240],
            Box = [64, 128],
            Swizzle = CudaTensorSwizzle.Bytes128,
        };
        Assert.Equal(0xA5, context.EncodeTensorMap(good).Bytes[127]);
        foreach (CudaTensorDescription bad in new[]
        {
            good with { Address = 0x1008 },
            good with { Address = 0 },
            good with { Strides = [10248] },
            good with { Strides = [] },
            good with { Box = [64, 257] },
            good with { Box = [128, 64] },
            good with { Box = [4, 64] },
            good with { Extents = [5120, 0] },
            good with { Extents = [(1L << 32) + 1, 4] },
            good with { Type = (CudaTensorType)99 },
        })
        {
            Assert.Throws<ArgumentException>(() => context.EncodeTensorMap(bad));
        }
        Assert.Single(_driver.Calls, "TensorMapEncodeTiled");
    }
}
