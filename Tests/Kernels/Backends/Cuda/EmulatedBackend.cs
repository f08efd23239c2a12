using Llama4Kernels.Interop.Cuda;
using Llama4Kernels.Kernels.Backends.Cuda;
using Llama4Kernels.Kernels.Ilgpu;
using Llama4Kernels.PtxEmulator.Driver;

namespace Llama4Kernels.Tests.Kernels.Backends.Cuda;

/// <summary>The CUDA backend on an emulated device.</summary>
internal sealed class EmulatedBackend : IDisposable
{
    /// <summary>Compiled once for all tests.</summary>
    public static IlgpuKernelModules Modules { get; } = new();

    public EmulatedBackend(CudaBackendOptions? options = null)
    {
        Backend = Create(Driver, options);
    }

    public EmulatedCudaDriver Driver { get; } = new();

    public CudaBackend Backend { get; }

    public static CudaBackend Create(EmulatedCudaDriver driver, CudaBackendOptions? options = null) =>
        new(CudaContext.RetainPrimary(driver), Modules, options ?? new CudaBackendOptions { ArenaBytes = 4 << 20, StagingBytes = 1 << 20 }, ownsContext: true);

    public void Dispose()
    {
        Backend.Dispose();
        Driver.Dispose();
    }
}
