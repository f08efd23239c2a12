namespace Llama4Kernels.Tests.Kernels.Ilgpu;

/// <summary>Memory of a runner; a kernel sees it as a view of its element type.</summary>
internal abstract class DeviceBuffer
{
    /// <summary>Elements.</summary>
    public required int Count { get; init; }
}

/// <summary>Something that executes the device kernels by name: the tests of the kernels are the same for all of them.</summary>
internal abstract class DeviceRunner : IDisposable
{
    /// <summary>Threads of a group: a power of two, also the largest head size the tests use.</summary>
    public abstract int Threads { get; }

    /// <summary>Side of the square groups of tiled products.</summary>
    public abstract int Side { get; }

    public abstract DeviceBuffer Upload<T>(T[] values) where T : unmanaged;

    public abstract T[] Download<T>(DeviceBuffer buffer) where T : unmanaged;

    /// <summary>Runs a kernel to its end.</summary>
    /// <param name="kernel">Name.</param>
    /// <param name="grid">Groups.</param>
    /// <param name="group">Threads of a group.</param>
    /// <param name="arguments">Buffers, null for an empty view, int, long and float, in order.</param>
    public abstract void Launch(string kernel, (int X, int Y, int Z) grid, (int X, int Y) group, params object?[] arguments);

    public abstract void Dispose();
}
