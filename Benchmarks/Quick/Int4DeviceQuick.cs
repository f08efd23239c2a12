using Llama4Kernels.Interop.Cuda;
using Llama4Kernels.Kernels.Backends.Cuda;
using Llama4Kernels.Kernels.Contracts;
using Llama4Kernels.Kernels.Ilgpu;
using Llama4Kernels.Kernels.Numerics;
using Llama4Kernels.PtxEmulator.Driver;

namespace Llama4Kernels.Benchmarks.Quick;

/// <summary>
/// int4 products on a CUDA device at a Scout shape [8192, 5120]: the tensor cores' kernels beside those in C#, as shares of the rate
/// at which the device copies its own memory, measured in the same run. Weights lie in so many matrices that no cache holds them. The
/// emulator does the same with small ones: that shows whether the benchmark runs, and times nothing.
/// </summary>
internal static unsafe class Int4DeviceQuick
{
    private const int Runs = 5;
    private const double RoundedOperands = 1e-2;

    private static readonly Size s_scout = new(8192, 5120, Matrices: 14, Launches: 28, CopyBytes: 1L << 30), s_small = new(96, 1024, Matrices: 2, Launches: 2, CopyBytes: 1L << 20);

    /// <summary>Runs, or says why not.</summary>
    public static void Run(bool onEmulator)
    {
        if (onEmulator)
        {
            using var emulated = new EmulatedCudaDriver();
            Run(emulated, s_small, isTimed: false);
            Console.WriteLine($"{emulated.Findings.Count} findings");
            return;
        }
        if (!CudaDriver.TryLoad(out ICudaDriver? driver, out string reason))
        {
            Console.WriteLine($"skipped: there is no CUDA driver ({reason}). The kernels' counters are held by Int4MatVecTests, predictions are in docs/kernels/int4-matvec.md.");
            return;
        }
        Run(driver, s_scout, isTimed: true);
    }

    private static void Run(ICudaDriver driver, Size size, bool isTimed)
    {
        IReadOnlyList<CudaDeviceInfo> devices = CudaDeviceInfo.List(driver);
        if (devices.Count == 0 || devices[0].ComputeMajor < 8)
        {
            Console.WriteLine($"skipped: {(devices.Count == 0 ? "the driver has no device" : $"{devices[0].Name} is {devices[0].Target}")}; the kernels need sm_80.");
            return;
        }
        using CudaContext context = CudaContext.RetainPrimary(driver);
        double? copy = isTimed ? CopyRate(context, size.CopyBytes) : null;
        Console.WriteLine($"{devices[0].Name}, {devices[0].Target}: {(copy is double rate ? $"copies {rate / 1e9:F0} GB/s read and written" : "nothing is timed")}; W [{size.Outputs}, {size.Columns}] int4, {WeightFormat.Int4.Bytes(size.Outputs, size.Columns) / 1e6:F1} MB");
        ushort[] source = new ushort[size.Outputs * size.Columns];
        var random = new Random(1);
        for (int i = 0; i < source.Length; i++)
        {
            source[i] = Bf16.FromSingle(random.NextSingle() - 0.5f);
        }
        // Exact first: what the other gives is compared with it.
        Dictionary<int, float[]> exact = [];
        foreach (ActivationPrecision precision in (ActivationPrecision[])[ActivationPrecision.Float32, ActivationPrecision.BFloat16])
        {
            Measure(context, size, source, precision, copy, exact);
        }
    }

    private static void Measure(CudaContext context, Size size, ushort[] source, ActivationPrecision precision, double? copy, Dictionary<int, float[]> exact)
    {
        using var timer = new CudaTimer(context);
        using var backend = new CudaBackend(context, new IlgpuKernelModules(), new CudaBackendOptions { Precision = precision, Stream = timer.Stream });
        IMatrix[] weights;
        fixed (ushort* data = source)
        {
            nint address = (nint)data;
            weights = [.. Enumerable.Range(0, size.Matrices).Select(_ => backend.Pack([MatrixSource.RowMajor(address, ElementType.BF16, size.Outputs, size.Columns)], WeightFormat.Int4))];
        }
        foreach (int rows in (int[])[1, 2, 4, 8, 16, 64])
        {
            using DeviceMemory x = backend.Allocate((long)rows * size.Columns * sizeof(float)), y = backend.Allocate((long)rows * size.Outputs * sizeof(float));
            var random = new Random(rows);
            backend.Upload([.. Enumerable.Range(0, rows * size.Columns).Select(_ => random.NextSingle() - 0.5f)], x.View(rows, size.Columns));
            double seconds = timer.Seconds(backend, size.Launches, Runs, i => backend.Linear(x.View(rows, size.Columns), weights[i % size.Matrices], null, y.View(rows, size.Outputs)));
            float[] results = new float[rows * size.Outputs];
            backend.Download(y.View(rows, size.Outputs), results);
            string time = copy is double rate ? Figures(weights[0], size, rows, seconds, rate) : "";
            Console.WriteLine($"{weights[0].Layout,-5} T={rows,-3} {time}differs from exact by {Difference(exact, rows, results):E1} of the range");
        }
        Array.ForEach(weights, matrix => matrix.Dispose());
    }

    private static string Figures(IMatrix weight, Size size, int rows, double seconds, double copy)
    {
        double bytes = weight.Bytes + (4.0 * rows * (size.Columns + size.Outputs)), flops = 2.0 * rows * size.Outputs * size.Columns;
        return $"{seconds * 1e6,8:F1} us  {bytes / 1e6,6:F1} MB  {flops / 1e6,8:F0} MFLOP  {bytes / seconds / 1e9,6:F0} GB/s, {bytes / seconds / copy:P0} of copying  {flops / seconds / 1e12,6:F2} TFLOP/s  ";
    }

    /// <summary>Of the range; keeps results that are the first of their number of rows.</summary>
    /// <exception cref="InvalidOperationException">Too much: times of wrong results mean nothing.</exception>
    private static double Difference(Dictionary<int, float[]> exact, int rows, float[] results)
    {
        if (exact.TryAdd(rows, results))
        {
            return 0;
        }
        float[] expected = exact[rows];
        double difference = expected.Zip(results, (a, b) => float.IsNaN(b) ? double.PositiveInfinity : Math.Abs(a - b)).Max() / (expected.Max() - expected.Min());
        return difference <= RoundedOperands ? difference : throw new InvalidOperationException($"{rows} rows: results differ from the exact mode's by {difference:E1} of the range.");
    }

    /// <summary>Bytes a second, those read and those written together.</summary>
    private static double CopyRate(CudaContext context, long bytes)
    {
        using CudaStream stream = CudaStream.Create(context);
        using CudaMemory from = CudaMemory.Allocate(context, bytes), to = CudaMemory.Allocate(context, bytes);
        using CudaEvent start = CudaEvent.Create(context, timing: true), end = CudaEvent.Create(context, timing: true);
        stream.Fill(from.Address, 0x5A, bytes);
        double best = 0;
        for (int run = 0; run < Runs; run++)
        {
            start.Record(stream);
            stream.Copy(to.Address, from.Address, bytes);
            end.Record(stream);
            end.Synchronize();
            best = Math.Max(best, 2 * bytes / (end.MillisecondsSince(start) / 1e3));
        }
        return best;
    }

    private sealed record Size(int Outputs, int Columns, int Matrices, int Launches, long CopyBytes);
}
