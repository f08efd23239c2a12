using Llama4Kernels.Interop.Cuda;
using Llama4Kernels.PtxEmulator.Driver;
using Llama4Kernels.PtxEmulator.Findings;

namespace Llama4Kernels.Tests.PtxEmulator.Driver;

/// <summary>The emulated driver through the wrappers that the engine uses: devices, modules, memory, launches and their errors.</summary>
public sealed unsafe class EmulatedCudaDriverTests : IDisposable
{
    private readonly DriverFixture _fixture = new();

    private EmulatedCudaDriver Driver => _fixture.Driver;

    private CudaContext Context => _fixture.Context;

    public void Dispose() => _fixture.Dispose();

    [Fact]
    public void DevicesAreThoseThatWereAskedFor()
    {
        using var driver = new EmulatedCudaDriver(new EmulatedDriverOptions { Capability = 86, Devices = 2, MemoryBytes = 1 << 20 });
        IReadOnlyList<CudaDeviceInfo> devices = CudaDeviceInfo.List(driver);
        Assert.Equal(2, devices.Count);
        Assert.Equal(("Emulated sm_86", "sm_86", 1L << 20, 99 * 1024), (devices[1].Name, devices[1].Target, devices[1].MemoryBytes, devices[1].SharedBytesPerBlock));
        Assert.NotEqual(devices[0].Uuid, devices[1].Uuid);
        Assert.Equal(CudaResult.InvalidDevice, DriverFixture.ResultOf(() => CudaDeviceInfo.Read(driver, 2)));
        Assert.Equal(CudaResult.InvalidDevice, driver.DevicePrimaryCtxRelease(9));
        Assert.Equal(CudaResult.InvalidContext, driver.DevicePrimaryCtxRelease(1));
        Assert.Equal(CudaResult.InvalidValue, driver.DeviceGetAttribute(out _, (CudaDeviceAttribute)9999, 1));
        Assert.Throws<ArgumentOutOfRangeException>(() => new EmulatedCudaDriver(new EmulatedDriverOptions { Capability = 75 }));
        Assert.Throws<ArgumentOutOfRangeException>(() => new EmulatedCudaDriver(new EmulatedDriverOptions { Devices = 0 }));
    }

    [Fact]
    public void WithoutAContextNothingGoes()
    {
        Assert.Equal(CudaResult.Success, Driver.CtxGetCurrent(out nint current));
        Assert.Equal(0, current);
        Assert.Equal(CudaResult.InvalidContext, Driver.MemAlloc(out _, 16));
        Assert.Equal(CudaResult.InvalidContext, Driver.CtxSetCurrent(0x77));
        Assert.Equal(CudaResult.InvalidContext, Driver.CtxGetDevice(out _));
        Assert.Equal(CudaResult.InvalidContext, DriverFixture.ResultOf(() => CudaContext.FromHandle(Driver, 0x77)));
    }

    [Fact]
    public void EachThreadHasItsOwnCurrentContext()
    {
        using CudaContext.Scope scope = Context.Bind();
        nint other = -1;
        var thread = new Thread(() => Driver.CtxGetCurrent(out other));
        thread.Start();
        thread.Join();
        Assert.Equal(0, other);
        Driver.CtxGetCurrent(out nint mine);
        Assert.Equal(Context.Handle, mine);
    }

    [Fact]
    public void ThePrimaryContextLivesAsLongAsSomebodyRetainsIt()
    {
        CudaContext second = CudaContext.RetainPrimary(Driver);
        Assert.Equal(Context.Handle, second.Handle);
        second.Dispose();
        using CudaMemory memory = CudaMemory.Allocate(Context, 16);
        Assert.Equal(2, Driver.LiveResources);
    }

    [Fact]
    public void AModuleIsLoadedLaunchedAndAsked()
    {
        using CudaModule module = CudaModule.Load(Context, DriverFixture.Kernels, new CudaJitOptions { Verbose = true, MaxRegisters = 32 });
        Assert.Contains("fill: at most ", module.Log.Information, StringComparison.Ordinal);
        using CudaStream stream = CudaStream.Create(Context);
        using CudaMemory data = CudaMemory.Allocate(Context, 64 * sizeof(int));
        using CudaKernelArguments arguments = DriverFixture.Fill(data, 100);
        module.GetFunction("fill").Launch(stream, new(new(1), new(64)), arguments);
        int[] read = new int[64];
        data.Read<int>(read);
        Assert.Equal(Enumerable.Range(100, 64), read);

        (nint address, long bytes) = module.GetGlobal("counter");
        int[] values = new int[3];
        CudaMemory.FromHandle(Context, address, bytes).Read<int>(values);
        Assert.Equal([5, 6, 7], values);

        using CudaModule wideModule = CudaModule.Load(Context, DriverFixture.Wide);
        CudaFunction wide = wideModule.GetFunction("wide");
        Assert.Equal((64, 40960, 0, 80, 90), (
            wide.Attribute(CudaFunctionAttribute.MaxThreadsPerBlock), wide.Attribute(CudaFunctionAttribute.SharedSizeBytes), wide.Attribute(CudaFunctionAttribute.LocalSizeBytes),
            wide.Attribute(CudaFunctionAttribute.PtxVersion), wide.Attribute(CudaFunctionAttribute.BinaryVersion)));
        Assert.InRange(wide.Attribute(CudaFunctionAttribute.RegisterCount), 1, 32);
        // 228 KiB a multiprocessor, 41 KiB a block with what the system keeps.
        Assert.Equal(5, wide.BlocksPerMultiprocessor(64));
        Assert.Equal(0, wide.BlocksPerMultiprocessor(128));
        Assert.Equal(32, module.GetFunction("fill").BlocksPerMultiprocessor(64));
        Assert.Equal(2, module.GetFunction("fill").BlocksPerMultiprocessor(1024));
    }

    [Fact]
    public void ALaunchIsRefusedAsTheDeviceWouldRefuseIt()
    {
        using CudaModule module = CudaModule.Load(Context, DriverFixture.Kernels);
        using CudaModule wideModule = CudaModule.Load(Context, DriverFixture.Wide);
        using CudaStream stream = CudaStream.Create(Context);
        using var none = new CudaKernelArguments();
        CudaFunction wide = wideModule.GetFunction("wide");
        Assert.Equal(CudaResult.InvalidValue, DriverFixture.ResultOf(() => wide.Launch(stream, new(new(1), new(65)), none)));

        using CudaContext.Scope scope = Context.Bind();
        // 40 KiB are static: 8 more without opting in, 187 more with.
        CudaResult Launch(int shared) => Driver.LaunchKernel(wide.Handle, new(new(1), new(32), shared), stream.Handle, null);
        Assert.Equal(CudaResult.Success, Launch(8 * 1024));
        Assert.Equal(CudaResult.InvalidValue, Launch(8 * 1024 + 1));
        wide.SetAttribute(CudaFunctionAttribute.MaxDynamicSharedSizeBytes, 187 * 1024);
        Assert.Equal(CudaResult.Success, Launch(187 * 1024));
        Assert.Equal(CudaResult.InvalidValue, DriverFixture.ResultOf(() => wide.SetAttribute(CudaFunctionAttribute.MaxDynamicSharedSizeBytes, 187 * 1024 + 1)));
        Assert.Equal(CudaResult.InvalidValue, Driver.LaunchKernel(wide.Handle, new(new(1, 65536), new(32)), stream.Handle, null));
        Assert.Equal(CudaResult.InvalidHandle, Driver.LaunchKernel(0x77, new(new(1), new(32)), stream.Handle, null));
        Assert.Equal(CudaResult.InvalidHandle, Driver.LaunchKernel(wide.Handle, new(new(1), new(32)), 0x77, null));
        CudaResult Together(int blocks) => Driver.LaunchKernel(wide.Handle, new(new(blocks), new(32), 187 * 1024) { Cooperative = true }, stream.Handle, null);
        Assert.Equal(CudaResult.Success, Together(132));
        Assert.Equal(CudaResult.CooperativeLaunchTooLarge, Together(133));
        Assert.Equal(CudaResult.NotSupported, Driver.LaunchKernel(wide.Handle, new(new(8), new(32)) { Cluster = new(8) }, stream.Handle, null));
        Assert.Equal(CudaResult.InvalidClusterSize, Driver.LaunchKernel(wide.Handle, new(new(16), new(32)) { Cluster = new(16) }, stream.Handle, null));
        Assert.Equal(CudaResult.InvalidValue, Driver.LaunchKernel(module.GetFunction("fill").Handle, new(new(1), new(32)), stream.Handle, null));
        Context.Synchronize();
    }

    [Fact]
    public void WhatDoesNotAssembleIsRefusedWithItsPlace()
    {
        CudaException error = Assert.Throws<CudaException>(() => CudaModule.Load(Context, DriverFixture.Header + ".entry k() {\n  .reg .b33 r; ret; }"));
        Assert.Equal(CudaResult.InvalidPtx, error.Result);
        Assert.Equal("line 5, column 8: Unknown type '.b33'.", error.Log);
        Assert.Equal(CudaResult.NoBinaryForGpu, DriverFixture.ResultOf(() => CudaModule.Load(Context, ".version 8.6\n.target sm_100\n.address_size 64")));
        Assert.Equal(CudaResult.NoBinaryForGpu, DriverFixture.ResultOf(() => CudaModule.Load(Context, ".version 8.6\n.target sm_80a\n.address_size 64")));
        CudaModule.Load(Context, ".version 8.0\n.target sm_90a\n.address_size 64").Dispose();
        Assert.Equal(CudaResult.UnsupportedPtxVersion, DriverFixture.ResultOf(() => CudaModule.Load(Context, ".version 9.9\n.target sm_80\n.address_size 64")));
        Assert.Equal(CudaResult.InvalidPtx, DriverFixture.ResultOf(() => CudaModule.Load(Context, ".version 9.0\n.target compute\n.address_size 64")));
        Assert.Equal(CudaResult.InvalidImage, DriverFixture.ResultOf(() => CudaModule.Load(Context, "\u007fELF\0"u8)));
        Assert.Equal(CudaResult.InvalidImage, DriverFixture.ResultOf(() => CudaModule.Load(Context, ".version 9.0"u8)));
    }

    [Fact]
    public void NamesThatAreNotThereAreNotFound()
    {
        using CudaModule module = CudaModule.Load(Context, DriverFixture.Kernels);
        Assert.Equal(CudaResult.NotFound, DriverFixture.ResultOf(() => module.GetFunction("nothing")));
        Assert.Equal(CudaResult.NotFound, DriverFixture.ResultOf(() => module.GetGlobal("nothing")));
        using CudaContext.Scope scope = Context.Bind();
        Assert.Equal(CudaResult.InvalidHandle, Driver.ModuleUnload(0x77));
        Assert.Equal(CudaResult.InvalidHandle, Driver.ModuleGetFunction(out _, 0x77, "fill"));
        Assert.Equal(CudaResult.InvalidHandle, Driver.FuncGetAttribute(out _, CudaFunctionAttribute.RegisterCount, module.Handle));
        Assert.Equal(CudaResult.InvalidValue, Driver.FuncGetAttribute(out _, (CudaFunctionAttribute)99, module.GetFunction("fill").Handle));
        Assert.Equal(CudaResult.InvalidValue, Driver.FuncSetAttribute(module.GetFunction("fill").Handle, CudaFunctionAttribute.RegisterCount, 1));
    }

    [Fact]
    public void AFindingIsAFaultOfItsContext()
    {
        using CudaModule module = CudaModule.Load(Context, DriverFixture.Kernels);
        using CudaStream stream = CudaStream.Create(Context);
        using CudaMemory data = CudaMemory.Allocate(Context, 16 * sizeof(int));
        using CudaKernelArguments arguments = DriverFixture.Fill(data, 1);
        CudaException error = Assert.Throws<CudaException>(() => module.GetFunction("fill").Launch(stream, new(new(1), new(32)), arguments));
        Assert.Equal(CudaResult.IllegalAddress, error.Result);
        PtxFinding finding = Assert.Single(Driver.Findings);
        Assert.Equal((PtxFindingKind.OutOfBounds, "fill"), (finding.Kind, finding.Kernel));
        Assert.Contains(finding.ToString(), error.Message, StringComparison.Ordinal);
    }

    [Fact]
    public void FaultsHaveTheDevicesCodesAndLast()
    {
        void** arguments = stackalloc void*[2];
        foreach ((string kernel, int offset, CudaResult expected) in new[] { ("fill", 2, CudaResult.MisalignedAddress), ("broken", 0, CudaResult.LaunchFailed) })
        {
            using var driver = new EmulatedCudaDriver();
            driver.DevicePrimaryCtxRetain(out nint context, 1);
            driver.CtxSetCurrent(context);
            byte[] image = System.Text.Encoding.UTF8.GetBytes(DriverFixture.Kernels + "\0");
            Assert.Equal(CudaResult.Success, driver.ModuleLoadData(out nint module, image, default, out _));
            driver.ModuleGetFunction(out nint function, module, kernel);
            driver.MemAlloc(out nint data, 256);
            nint address = data + offset;
            int value = 1;
            arguments[0] = &address;
            arguments[1] = &value;
            Assert.Equal(expected, driver.LaunchKernel(function, new(new(1), new(1)), 0, arguments));
            Assert.NotNull(driver.ErrorDetail);
            Assert.Equal(expected, driver.StreamSynchronize(0));
            Assert.Equal(expected, driver.MemAlloc(out _, 1));
            Assert.Equal(CudaResult.Success, driver.DevicePrimaryCtxRelease(1));
            Assert.Equal(0, driver.LiveResources);
            // A new context is whole again.
            driver.DevicePrimaryCtxRetain(out context, 1);
            driver.CtxSetCurrent(context);
            Assert.Equal(CudaResult.Success, driver.MemAlloc(out _, 1));
        }
    }

    [Fact]
    public void LaunchesAreCountedOnRequest()
    {
        using var fixture = new DriverFixture(new EmulatedDriverOptions { RecordLaunches = true });
        using CudaModule module = CudaModule.Load(fixture.Context, DriverFixture.Kernels);
        using CudaStream stream = CudaStream.Create(fixture.Context);
        using CudaMemory data = CudaMemory.Allocate(fixture.Context, 128);
        using CudaKernelArguments arguments = DriverFixture.Fill(data, 1);
        module.GetFunction("fill").Launch(stream, new(new(2), new(32)), arguments);
        EmulatedLaunch launch = Assert.Single(fixture.Driver.Launches);
        Assert.Equal(("fill", new CudaDim3(2), new CudaDim3(32)), (launch.Kernel, launch.Grid, launch.Block));
        Assert.Equal(2 * 8, launch.Counters.Instructions);
        Assert.Empty(Driver.Launches);
    }

    [Fact]
    public void TensorMapsAreCheckedAndNeedHopper()
    {
        using CudaMemory memory = CudaMemory.Allocate(Context, 4096);
        var good = new CudaTensorDescription { Type = CudaTensorType.BFloat16, Address = memory.Address, Extents = [64, 16], Strides = [128], Box = [64, 8] };
        CudaTensorMap map = Context.EncodeTensorMap(good);
        Assert.Equal(memory.Address, (nint)BitConverter.ToInt64(map.Bytes));
        using CudaContext.Scope scope = Context.Bind();
        Assert.Equal(CudaResult.InvalidValue, Driver.TensorMapEncodeTiled(out _, good with { Strides = [129] }));
        using var ampere = new DriverFixture(new EmulatedDriverOptions { Capability = 80 });
        Assert.Equal(CudaResult.NotSupported, DriverFixture.ResultOf(() => ampere.Context.EncodeTensorMap(good)));
    }
}
