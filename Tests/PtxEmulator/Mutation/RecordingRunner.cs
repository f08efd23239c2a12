using System.Runtime.InteropServices;
using Llama4Kernels.Interop.Cuda;
using Llama4Kernels.PtxEmulator.Execution;
using Llama4Kernels.PtxEmulator.Parsing;
using Llama4Kernels.Tests.Kernels.Ilgpu;

namespace Llama4Kernels.Tests.PtxEmulator.Mutation;

/// <summary>Runs the tests of the device kernels, which compare with float64, and keeps every launch with its memory before and after.</summary>
internal sealed class RecordingRunner(int threads) : DeviceRunner
{
    private readonly List<(string Kernel, MutationLaunch Launch)> _launches = [];

    public IReadOnlyList<(string Kernel, MutationLaunch Launch)> Launches => _launches;

    public override int Threads => threads;

    public override int Side => 16;

    public override DeviceBuffer Upload<T>(T[] values) => new Buffer
    {
        Count = values.Length,
        Bytes = MemoryMarshal.AsBytes(values.AsSpan()).ToArray(),
        Agreement = typeof(T) == typeof(float) ? new Agreement(ElementFormat.F32, 1e-6, 1e-7, 0)
            : typeof(T) == typeof(ushort) ? new Agreement(ElementFormat.Bf16, 4e-3, 0, 1e-7)
            : Agreement.Exact,
    };

    public override T[] Download<T>(DeviceBuffer buffer) => MemoryMarshal.Cast<byte, T>(((Buffer)buffer).Bytes).ToArray();

    public override void Launch(string kernel, (int X, int Y, int Z) grid, (int X, int Y) group, params object?[] arguments)
    {
        Buffer[] buffers = [.. arguments.OfType<Buffer>().Distinct()];
        object?[] values = [.. arguments.Select(argument => argument is Buffer buffer ? new BufferArgument(Array.IndexOf(buffers, buffer), buffer.Count) : argument)];
        // Unchanged inputs must stay as they are to the bit.
        var launch = new MutationLaunch(new CudaDim3(grid.X, grid.Y, grid.Z), new CudaDim3(group.X, group.Y), 0, values,
            [.. buffers.Select(buffer => new MutationBuffer(buffer.Bytes, buffer.Bytes, buffer.Agreement))]);
        launch.Run(PtxModule.Parse(KernelTexts.Get(kernel)), kernel, new LaunchOptions { Workers = 1 }, out byte[][] results);
        for (int i = 0; i < buffers.Length; i++)
        {
            buffers[i].Bytes = results[i];
        }
        _launches.Add((kernel, launch with { Buffers = [.. launch.Buffers.Select((buffer, i) => buffer with { Expected = results[i], Agreement = buffer.Initial!.AsSpan().SequenceEqual(results[i]) ? Agreement.Exact : buffer.Agreement })] }));
    }

    public override void Dispose()
    {
    }

    private sealed class Buffer : DeviceBuffer
    {
        public required byte[] Bytes { get; set; }

        public required Agreement Agreement { get; init; }
    }
}
