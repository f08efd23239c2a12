using Llama4Kernels.Interop.Cuda;
using Llama4Kernels.Kernels.Backends.Cuda;
using Llama4Kernels.Kernels.Contracts;
using Llama4Kernels.Kernels.Numerics;
using Llama4Kernels.Tests.Interop.Cuda;

namespace Llama4Kernels.Tests.Kernels.Backends.Cuda;

/// <summary>What launches cost the host, on a driver that runs nothing.</summary>
public sealed unsafe class LaunchTests : IDisposable
{
    private readonly RecordingDriver _driver = new();
    private readonly CudaBackend _backend;
    private readonly DeviceMemory _memory;
    private readonly IMatrix _weights;

    public LaunchTests()
    {
        _backend = new CudaBackend(CudaContext.RetainPrimary(_driver), EmulatedBackend.Modules, new CudaBackendOptions { ArenaBytes = 4 << 20, StagingBytes = 1 << 16 }, ownsContext: true);
        _memory = _backend.Allocate(1 << 20);
        float[] numbers = new float[64 * 64];
        fixed (float* data = numbers)
        {
            _weights = _backend.Pack([MatrixSource.RowMajor((nint)data, ElementType.F32, 64, 64)], WeightFormat.Fp8Activations);
        }
        // Kernels are loaded when they are first used.
        Step(1, repeats: false);
    }

    public void Dispose()
    {
        _driver.IsQuiet = false;
        _weights.Dispose();
        _memory.Dispose();
        _backend.Dispose();
    }

    [Fact]
    public void AStepBindsTheContextOnce()
    {
        _driver.IsQuiet = true;
        Step(100, repeats: false);
        Assert.Equal(2, _driver.Binds); // made current, and what was current before again
        Step(100, repeats: true);
        Assert.Equal(4, _driver.Binds);
        Assert.Equal(0, _driver.Current);
    }

    [Fact]
    public void ALaunchAllocatesNothing()
    {
        _driver.IsQuiet = true;
        for (int i = 0; i < 3; i++)
        {
            Step(100, repeats: false);
            Direct();
        }
        long before = GC.GetAllocatedBytesForCurrentThread();
        Step(100, repeats: false);
        Direct();
        Assert.Equal(0, GC.GetAllocatedBytesForCurrentThread() - before);
    }

    private void Step(int layers, bool repeats)
    {
        _backend.BeginStep(4, repeats);
        for (int i = 0; i < layers; i++)
        {
            Direct();
        }
        _backend.EndStep();
    }

    private void Direct()
    {
        Tensor x = _memory.View(8, 64), y = _memory.View(8, 64, 1 << 16), wide = _memory.View(8, 128, 1 << 17);
        _backend.RmsNorm(x, _memory.View(1, 64, 1 << 18), 1e-5f, y);
        _backend.SwiGlu(wide, y);
        _backend.Add(x, y);
        _backend.Linear(x, _weights, null, y);
    }
}
