using Llama4Kernels.Kernels.Backends;
using Llama4Kernels.Kernels.Contracts;
using Llama4Kernels.Tests.Kernels.Backends.Cuda;

namespace Llama4Kernels.Tests.Kernels.Backends;

/// <summary>A block of the cache is copied whole, and nothing beside it.</summary>
public sealed class CopyBlockTests : IDisposable
{
    private readonly CpuBackend _cpu = new(new CpuBackendOptions { Threads = 1 });
    private readonly EmulatedBackend _emulated = new();

    public void Dispose()
    {
        _cpu.Dispose();
        _emulated.Dispose();
    }

    [Theory]
    [InlineData(false, KvFormat.F32)]
    [InlineData(false, KvFormat.BF16)]
    [InlineData(true, KvFormat.F32)]
    [InlineData(true, KvFormat.BF16)]
    public void OneBlockBecomesLikeAnother(bool onDevice, KvFormat format)
    {
        IBackend backend = onDevice ? _emulated.Backend : _cpu;
        const int Blocks = 4, Offset = 512;
        KvLayout layout = backend.LayoutOf(3, 2, new AttentionShape(2, 1, 8), format);
        int blockFloats = (int)(layout.BlockBytes / sizeof(float));
        using DeviceMemory memory = backend.Allocate(Offset + Blocks * layout.BlockBytes);
        using KvStep step = backend.CreateKvStep(layout, memory, Offset, Blocks);
        float[] values = [.. Enumerable.Range(0, (int)(memory.Length / sizeof(float))).Select(i => (float)i)];
        backend.Upload(values, memory.View(1, values.Length));
        backend.CopyBlock(step, 2, 0);
        float[] after = new float[values.Length];
        backend.Download(memory.View(1, values.Length), after);
        int first = Offset / sizeof(float);
        values.AsSpan(first + 2 * blockFloats, blockFloats).CopyTo(values.AsSpan(first));
        Assert.Equal(values, after);
    }

    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public void BlocksThatThereAreNotAndOtherBackendsAreRefused(bool onDevice)
    {
        (IBackend backend, IBackend other) = onDevice ? ((IBackend)_emulated.Backend, (IBackend)_cpu) : (_cpu, _emulated.Backend);
        KvLayout layout = backend.LayoutOf(3, 2, new AttentionShape(2, 1, 8), KvFormat.F32);
        using DeviceMemory memory = backend.Allocate(2 * layout.BlockBytes);
        using KvStep step = backend.CreateKvStep(layout, memory, 0, 2);
        Assert.Equal("source", Assert.Throws<ArgumentOutOfRangeException>(() => backend.CopyBlock(step, 2, 0)).ParamName);
        Assert.Equal("destination", Assert.Throws<ArgumentOutOfRangeException>(() => backend.CopyBlock(step, 0, -1)).ParamName);
        Assert.Equal("destination", Assert.Throws<ArgumentException>(() => backend.CopyBlock(step, 1, 1)).ParamName);
        Assert.Throws<ArgumentException>(() => other.CopyBlock(step, 0, 1));
    }
}
