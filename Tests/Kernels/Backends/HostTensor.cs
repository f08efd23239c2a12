using Llama4Kernels.Kernels.Contracts;

namespace Llama4Kernels.Tests.Kernels.Backends;

/// <summary>A tensor with memory of its own, for tests.</summary>
internal sealed class HostTensor : IDisposable
{
    private readonly CpuMemory _memory;

    public HostTensor(int rows, int columns)
    {
        _memory = new CpuMemory((long)rows * columns * sizeof(float));
        View = _memory.View(rows, columns);
    }

    public Tensor View { get; }

    public unsafe Span<float> Values => new((void*)View.Address, (int)View.Elements);

    public static HostTensor Random(int rows, int columns, int seed, float scale = 1f)
    {
        var tensor = new HostTensor(rows, columns);
        var random = new Random(seed);
        foreach (ref float value in tensor.Values)
        {
            value = (float)(random.NextDouble() * 2 - 1) * scale;
        }
        return tensor;
    }

    public void Dispose() => _memory.Dispose();
}
