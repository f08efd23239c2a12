using Llama4Kernels.Interop.Cuda;
using Llama4Kernels.Kernels.Backends.Cuda;
using Llama4Kernels.Kernels.Contracts;
using Llama4Kernels.PtxEmulator.Driver;

namespace Llama4Kernels.Tests.Kernels.Backends.Cuda;

/// <summary>A backend in a context and a stream that a host made with another library and hands in as numbers.</summary>
public sealed class HostContextTests : IDisposable
{
    private readonly EmulatedCudaDriver _driver = new(new EmulatedDriverOptions { Devices = 2 });
    private readonly nint _context, _stream;

    public HostContextTests()
    {
        _driver.DeviceGet(out int device, 0);
        _driver.DevicePrimaryCtxRetain(out _context, device);
        _driver.CtxSetCurrent(_context);
        _driver.StreamCreate(out _stream, 0);
    }

    public void Dispose() => _driver.Dispose();

    [Fact]
    public void ItWorksInTheHostsStreamAndLeavesBothToTheHost()
    {
        int before = _driver.LiveResources;
        // The host works on its other device meanwhile.
        _driver.DeviceGet(out int second, 1);
        _driver.DevicePrimaryCtxRetain(out nint current, second);
        _driver.CtxSetCurrent(current);
        using (CudaContext context = CudaContext.FromHandle(_driver, _context))
        using (CudaStream stream = CudaStream.FromHandle(context, _stream))
        using (CudaBackend backend = Create(context, stream))
        {
            using DeviceMemory memory = backend.Allocate(1 << 10);
            Tensor x = memory.View(1, 64), sum = memory.View(1, 64, 512);
            backend.Upload(Enumerable.Repeat(1f, 64).ToArray(), x);
            for (int i = 0; i < 3; i++)
            {
                Step(backend, x, sum);
            }
            Assert.Equal((1, 2), backend.Graphs);
            Assert.Equal(3f, Read(backend, sum)[63]);

            // What the backend launches while the host records its stream is in the host's recording.
            _driver.CtxSetCurrent(_context);
            Assert.Equal(CudaResult.Success, _driver.StreamBeginCapture(_stream));
            backend.Add(x, sum);
            Assert.Equal(CudaResult.Success, _driver.StreamEndCapture(_stream, out nint graph));
            Assert.Equal(CudaResult.Success, _driver.GraphGetKernelNodes(graph, out nint[] nodes));
            Assert.Single(nodes);
            Assert.Equal(CudaResult.Success, _driver.GraphDestroy(graph));
            _driver.CtxSetCurrent(current);
            Assert.Equal(3f, Read(backend, sum)[63]);
        }
        _driver.CtxGetCurrent(out nint still);
        Assert.Equal(current, still);
        _driver.DevicePrimaryCtxRelease(second);
        Assert.Equal(before, _driver.LiveResources);
        _driver.CtxSetCurrent(_context);
        Assert.Equal(CudaResult.Success, _driver.StreamSynchronize(_stream));
        Assert.Equal(CudaResult.Success, _driver.StreamDestroy(_stream));
    }

    [Fact]
    public void TheLegacyStreamWorksWithoutGraphs()
    {
        using CudaContext context = CudaContext.FromHandle(_driver, _context);
        using CudaStream stream = CudaStream.FromHandle(context, 0);
        using CudaBackend backend = Create(context, stream);
        using DeviceMemory memory = backend.Allocate(1 << 10);
        Tensor x = memory.View(1, 64), sum = memory.View(1, 64, 512);
        backend.Upload(Enumerable.Repeat(1f, 64).ToArray(), x);
        for (int i = 0; i < 3; i++)
        {
            Step(backend, x, sum);
        }
        Assert.Equal(3f, Read(backend, sum)[0]);
        Assert.Equal((0, 0), backend.Graphs);
    }

    [Fact]
    public void AStreamOfAnotherContextIsRefused()
    {
        using CudaContext context = CudaContext.FromHandle(_driver, _context), other = CudaContext.RetainPrimary(_driver, 1);
        using CudaStream stream = CudaStream.Create(other);
        Assert.Contains("another context", Assert.Throws<ArgumentException>(() => Create(context, stream)).Message);
    }

    private static CudaBackend Create(CudaContext context, CudaStream stream) =>
        new(context, EmulatedBackend.Modules, new CudaBackendOptions { ArenaBytes = 1 << 20, StagingBytes = 1 << 16, Stream = stream });

    private static void Step(CudaBackend backend, Tensor x, Tensor sum)
    {
        backend.BeginStep(1, repeats: true);
        backend.Add(x, sum);
        backend.EndStep();
    }

    private static float[] Read(CudaBackend backend, Tensor tensor)
    {
        float[] values = new float[tensor.Elements];
        backend.Download(tensor, values);
        return values;
    }
}
