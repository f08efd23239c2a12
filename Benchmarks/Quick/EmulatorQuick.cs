using System.Diagnostics;
using System.Globalization;
using System.Runtime.InteropServices;
using Llama4Kernels.Interop.Cuda;
using Llama4Kernels.Kernels.Backends.Cuda;
using Llama4Kernels.Kernels.Contracts;
using Llama4Kernels.Kernels.Ilgpu;
using Llama4Kernels.Kernels.Numerics;
using Llama4Kernels.PtxEmulator.Driver;

namespace Llama4Kernels.Benchmarks.Quick;

/// <summary>How fast the emulator runs a tiled product of 256 x 256 x 256, all its checks on.</summary>
internal static unsafe class EmulatorQuick
{
    private const int Size = 256;
    private const int Runs = 30;

    public static void Run()
    {
        using var driver = new EmulatedCudaDriver(new EmulatedDriverOptions { RecordLaunches = true });
        using var backend = new CudaBackend(CudaContext.RetainPrimary(driver), new IlgpuKernelModules(), new CudaBackendOptions { ArenaBytes = 8L << 20, StagingBytes = 2L << 20 }, ownsContext: true);
        var random = new Random(1);
        float[] values = [.. Enumerable.Range(0, Size * Size).Select(_ => random.NextSingle() - 0.5f)];
        float* stored = (float*)NativeMemory.Alloc((nuint)values.Length, sizeof(float));
        values.CopyTo(new Span<float>(stored, values.Length));
        using IMatrix weight = backend.Pack([MatrixSource.RowMajor((nint)stored, ElementType.F32, Size, Size)]);
        NativeMemory.Free(stored);
        using DeviceMemory memory = backend.Allocate(2L * Size * Size * sizeof(float));
        Tensor x = memory.View(Size, Size), y = memory.View(Size, Size, (long)Size * Size * sizeof(float));
        backend.Upload(values, x);
        float[] result = new float[values.Length];
        double best = double.MaxValue;
        List<double> times = [];
        for (int i = 0; i < Runs; i++)
        {
            long start = Stopwatch.GetTimestamp();
            backend.Linear(x, weight, null, y);
            backend.Download(y, result);
            times.Add(Stopwatch.GetElapsedTime(start).TotalMilliseconds);
            best = Math.Min(best, times[^1]);
        }
        times.Sort();
        EmulatedLaunch launch = driver.Launches[^1];
        Console.WriteLine(string.Create(CultureInfo.InvariantCulture,
            $"{launch.Kernel}, {Size} cubed: {best:F1} ms at best, {times[Runs / 2]:F1} ms in the median, {launch.Counters.Instructions} warp instructions, {best * 1e6 / launch.Counters.Instructions:F1} ns each on {Environment.ProcessorCount} cores"));
    }
}
