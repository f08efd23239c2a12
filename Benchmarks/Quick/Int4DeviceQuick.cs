using Llama4Kernels.Interop.Cuda;
using Llama4Kernels.Kernels.Backends.Cuda;
using Llama4Kernels.Kernels.Contracts;
using Llama4Kernels.Kernels.Ilgpu;
using Llama4Kernels.Kernels.Numerics;

namespace Llama4Kernels.Benchmarks.Quick;

/// <summary>
/// int4 products on a CUDA device at a Scout shape [8192, 5120]: the tensor cores' kernels beside those in C#, as shares of the rate
/// at which the device copies its own memory, measured in the same run. Weights lie in so many matrices that no cache holds them.
/// </summary>
internal static unsafe class Int4DeviceQuick
{
    private const int Outputs = 8192, Columns = 5120, Matrices = 14, Launches = 28, Runs = 5;
    private const long CopyBytes = 1L << 30;

    /// <summary>Runs, or says why not.</summary>
    public static void Run()
    {
        if (!CudaDriver.TryLoad(out ICudaDriver? driver, out string reason))
        {
            Console.WriteLine($"skipped: there is no CUDA driver ({reason}). The kernels' counters are held by Int4MatVecTests, predictions are in docs/kernels/int4-matvec.md.");
            return;
        }
        IReadOnlyList<CudaDeviceInfo> devices = CudaDeviceInfo.List(driver);
        if (devices.Count == 0 || devices[0].ComputeMajor < 8)
        {
            Console.WriteLine($"skipped: {(devices.Count == 0 ? "the driver has no device" : $"{devices[0].Name} is {devices[0].Target}")}; the kernels need sm_80.");
            return;
        }
        using CudaContext context = CudaContext.RetainPrimary(driver);
        double copy = CopyRate(context);
        Console.WriteLine($"{devices[0].Name}, {devices[0].Target}: copies {copy / 1e9:F0} GB/s read and written; W [{Outputs}, {Columns}] int4, {WeightFormat.Int4.Bytes(Outputs, Columns) / 1e6:F1} MB");
        ushort[] source = new ushort[Outputs * Columns];
        var random = new Random(1);
        for (int i = 0; i < source.Length; i++)
        {
            source[i] = Bf16.FromSingle(random.NextSingle() - 0.5f);
        }
        foreach (ActivationPrecision precision in (ActivationPrecision[])[ActivationPrecision.BFloat16, ActivationPrecision.Float32])
        {
            Measure(context, source, precision, copy);
        }
    }

    private static void Measure(CudaContext context, ushort[] source, ActivationPrecision precision, double copy)
    {
        using var timer = new CudaTimer(context);
        using var backend = new CudaBackend(context, new IlgpuKernelModules(), new CudaBackendOptions { Precision = precision, Stream = timer.Stream });
        IMatrix[] weights;
        fixed (ushort* data = source)
        {
            nint address = (nint)data;
            weights = [.. Enumerable.Range(0, Matrices).Select(_ => backend.Pack([MatrixSource.RowMajor(address, ElementType.BF16, Outputs, Columns)], WeightFormat.Int4))];
        }
        foreach (int rows in (int[])[1, 2, 4, 8, 16, 64])
        {
            using DeviceMemory x = backend.Allocate((long)rows * Columns * sizeof(float)), y = backend.Allocate((long)rows * Outputs * sizeof(float));
            var random = new Random(rows);
            backend.Upload([.. Enumerable.Range(0, rows * Columns).Select(_ => random.NextSingle() - 0.5f)], x.View(rows, Columns));
            double seconds = timer.Seconds(backend, Launches, Runs, i => backend.Linear(x.View(rows, Columns), weights[i % Matrices], null, y.View(rows, Outputs)));
            double bytes = weights[0].Bytes + (4.0 * rows * (Columns + Outputs)), flops = 2.0 * rows * Outputs * Columns;
            Console.WriteLine($"{weights[0].Layout,-5} T={rows,-3} {seconds * 1e6,8:F1} us  {bytes / 1e6,6:F1} MB  {flops / 1e6,8:F0} MFLOP  {bytes / seconds / 1e9,6:F0} GB/s, {bytes / seconds / copy:P0} of copying  {flops / seconds / 1e12,6:F2} TFLOP/s");
        }
        Array.ForEach(weights, matrix => matrix.Dispose());
    }

    /// <summary>Bytes a second, those read and those written together.</summary>
    private static double CopyRate(CudaContext context)
    {
        using CudaStream stream = CudaStream.Create(context);
        using CudaMemory from = CudaMemory.Allocate(context, CopyBytes), to = CudaMemory.Allocate(context, CopyBytes);
        using CudaEvent start = CudaEvent.Create(context, timing: true), end = CudaEvent.Create(context, timing: true);
        stream.Fill(from.Address, 0x5A, CopyBytes);
        double best = 0;
        for (int run = 0; run < Runs; run++)
        {
            start.Record(stream);
            stream.Copy(to.Address, from.Address, CopyBytes);
            end.Record(stream);
            end.Synchronize();
            best = Math.Max(best, 2 * CopyBytes / (end.MillisecondsSince(start) / 1e3));
        }
        return best;
    }
}
