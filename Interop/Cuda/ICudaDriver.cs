namespace Llama4Kernels.Interop.Cuda;

/// <summary>
/// What the CUDA backend needs of a driver, real or emulated. The methods are the driver's functions of the same names:
/// they return its codes and never throw for what the device says, take handles and device addresses as <see cref="nint"/>
/// and lengths in bytes, and act on the context that is current on the calling thread. <see cref="CudaContext"/>,
/// <see cref="CudaStream"/> and the others turn this into lifetimes and exceptions; use those.
/// </summary>
public unsafe partial interface ICudaDriver
{
    /// <summary>What this is, for people: "CUDA driver" or "PTX emulator".</summary>
    string Description { get; }

    /// <summary>What the driver can say about this thread's last failed call beyond its code, or null.</summary>
    string? ErrorDetail => null;

    /// <summary>cuDriverGetVersion: 1000·major + 10·minor of the newest CUDA that the driver knows.</summary>
    CudaResult DriverGetVersion(out int version);

    /// <summary>cuDeviceGetCount.</summary>
    CudaResult DeviceGetCount(out int count);

    /// <summary>cuDeviceGet: the handle of a device, by its number from 0.</summary>
    CudaResult DeviceGet(out int device, int ordinal);

    /// <summary>cuDeviceGetName.</summary>
    CudaResult DeviceGetName(out string name, int device);

    /// <summary>cuDeviceGetUuid.</summary>
    CudaResult DeviceGetUuid(out Guid uuid, int device);

    /// <summary>cuDeviceTotalMem.</summary>
    CudaResult DeviceTotalMem(out long bytes, int device);

    /// <summary>cuDeviceGetAttribute.</summary>
    CudaResult DeviceGetAttribute(out int value, CudaDeviceAttribute attribute, int device);

    /// <summary>cuDeviceCanAccessPeer.</summary>
    CudaResult DeviceCanAccessPeer(out bool can, int device, int peer);

    /// <summary>cuDevicePrimaryCtxRetain: the context that the runtime API and NCCL use too.</summary>
    CudaResult DevicePrimaryCtxRetain(out nint context, int device);

    /// <summary>cuDevicePrimaryCtxRelease.</summary>
    CudaResult DevicePrimaryCtxRelease(int device);

    /// <summary>cuCtxSetCurrent of this thread; 0 for none.</summary>
    CudaResult CtxSetCurrent(nint context);

    /// <summary>cuCtxGetCurrent of this thread; 0 if none is.</summary>
    CudaResult CtxGetCurrent(out nint context);

    /// <summary>cuCtxGetDevice of the current context.</summary>
    CudaResult CtxGetDevice(out int device);

    /// <summary>cuCtxSynchronize: waits for all work of the current context.</summary>
    CudaResult CtxSynchronize();

    /// <summary>cuCtxEnablePeerAccess: the current context may use the peer's memory.</summary>
    CudaResult CtxEnablePeerAccess(nint peer);

    /// <summary>cuModuleLoadDataEx.</summary>
    /// <param name="module">Handle of the module.</param>
    /// <param name="image">PTX with a zero byte at its end, or a cubin.</param>
    /// <param name="options">Options of the PTX compiler.</param>
    /// <param name="log">What the compiler wrote, also when the call fails.</param>
    CudaResult ModuleLoadData(out nint module, ReadOnlySpan<byte> image, in CudaJitOptions options, out CudaJitLog log);

    /// <summary>cuModuleUnload.</summary>
    CudaResult ModuleUnload(nint module);

    /// <summary>cuModuleGetFunction.</summary>
    CudaResult ModuleGetFunction(out nint function, nint module, string name);

    /// <summary>cuModuleGetGlobal: address and size of a module's variable.</summary>
    CudaResult ModuleGetGlobal(out nint address, out nuint bytes, nint module, string name);

    /// <summary>cuLinkCreate.</summary>
    CudaResult LinkCreate(out nint linker, in CudaJitOptions options);

    /// <summary>cuLinkAddData.</summary>
    /// <param name="linker">The linker.</param>
    /// <param name="kind">What the data is.</param>
    /// <param name="data">Read before the call returns; PTX has a zero byte at its end.</param>
    /// <param name="name">What logs call it.</param>
    CudaResult LinkAddData(nint linker, CudaLinkInput kind, ReadOnlySpan<byte> data, string name);

    /// <summary>cuLinkComplete; the image is a copy.</summary>
    CudaResult LinkComplete(nint linker, out byte[] image);

    /// <summary>cuLinkDestroy.</summary>
    CudaResult LinkDestroy(nint linker);

    /// <summary>What the linker wrote so far, also after a failed call; empty for an unknown handle.</summary>
    CudaJitLog LinkLog(nint linker);

    /// <summary>cuFuncGetAttribute.</summary>
    CudaResult FuncGetAttribute(out int value, CudaFunctionAttribute attribute, nint function);

    /// <summary>cuFuncSetAttribute.</summary>
    CudaResult FuncSetAttribute(nint function, CudaFunctionAttribute attribute, int value);

    /// <summary>cuOccupancyMaxActiveBlocksPerMultiprocessor.</summary>
    CudaResult OccupancyMaxActiveBlocksPerMultiprocessor(out int blocks, nint function, int threadsPerBlock, nuint dynamicSharedBytes);

    /// <summary>cuLaunchKernel, or cuLaunchKernelEx when the configuration has attributes.</summary>
    /// <param name="function">The kernel.</param>
    /// <param name="config">Extents and attributes.</param>
    /// <param name="stream">The stream, 0 for the legacy default stream.</param>
    /// <param name="arguments">Address of each parameter's value, in order; read before the call returns.</param>
    CudaResult LaunchKernel(nint function, in CudaLaunchConfig config, nint stream, void** arguments);

    /// <summary>cuTensorMapEncodeTiled.</summary>
    CudaResult TensorMapEncodeTiled(out CudaTensorMap map, CudaTensorDescription description);
}
