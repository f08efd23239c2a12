using System.Runtime.InteropServices;
using Llama4Kernels.Benchmarks.Machine;
using Llama4Kernels.Kernels.Assembly;
using Llama4Kernels.Kernels.Contracts;
using Llama4Kernels.Kernels.MatMul;
using Llama4Kernels.Kernels.Numerics;
using Llama4Kernels.Kernels.Quantization;
using Llama4Kernels.Kernels.Threading;

namespace Llama4Kernels.Benchmarks.Quick;

/// <summary>
/// Products of int4 weights with rows rounded to int8 at Scout's gate and up, [16384, 5120], by every record: time against the
/// roof, which is what reading the weights or the integer dot product takes, whichever is longer, both measured beside each
/// product; and against the product that leaves x in float32.
/// </summary>
internal static unsafe class Int4Quick
{
    private const int Rows = 16384, Columns = 5120, Matrices = 8, MaxTokens = 512;

    public static void Run(int threads)
    {
        using var team = new ThreadTeam(threads);
        using var workspace = new CpuWorkspace(team);
        double peak = CpuFeatures.Avx512Vnni ? Ceilings.IntegerDotPeak(team) : 0;
        Console.WriteLine($"{team.Threads} threads, W [{Rows}, {Columns}], {Matrices} matrices, vpdpbusd {peak / 1e9:F0} GOP/s");
        var random = new Random(1);
        float* x = Floats((long)MaxTokens * Columns), y = Floats((long)MaxTokens * Rows);
        for (int i = 0; i < MaxTokens * Columns; i++)
        {
            x[i] = random.NextSingle() - 0.5f;
        }
        (PackedMatrix plain, Int4Panels[] weights) = Pack(team, random);
        var buffers = weights.Select(w => ((nint)w.Panel(0), w.Bytes)).ToList();
        CpuProduct exact = QuantisedProduct.Products.First(record => record.Format == WeightFormat.Int4);
        foreach (int tokens in (int[])[1, 2, 3, 4, 5, 8, 16, 32, 128, 512])
        {
            bool isLong = tokens > 16;
            double old = Ceilings.Best(isLong ? 1 : 3, () => exact.Launch(workspace, new CpuOperands(x, tokens, plain, null, y)));
            foreach (CpuProduct record in Int4Product.Products.Where(record => record.Lacks(CpuLimits.This) is null && !(isLong && record.Name.EndsWith("scalar", StringComparison.Ordinal))))
            {
                double reading = 0, best = double.MaxValue;
                for (int turn = 0; turn < (isLong ? 2 : 4); turn++)
                {
                    reading = Math.Max(reading, ReadBandwidth.Measure(team, buffers));
                    best = Math.Min(best, Ceilings.Best(1, () =>
                    {
                        for (int i = 0; i < (isLong ? 1 : Matrices); i++)
                        {
                            record.Launch(workspace, new CpuOperands(x, tokens, weights[i], null, y));
                        }
                    }) / (isLong ? 1 : Matrices));
                }
                double read = weights[0].Bytes / reading, compute = peak > 0 ? 2.0 * tokens * Rows * Columns / peak : 0, roof = Math.Max(read, compute);
                Console.WriteLine(
                    $"T={tokens,-3} {record.Name,-28} {best * 1e3,8:F3} ms, {roof / best,4:P0} of the roof ({(read >= compute ? $"reading, {reading / 1e9:F1} GB/s" : "dot product")}), {old / best:F1} × as fast as float32 operands");
            }
        }
        plain.Dispose();
        Array.ForEach(weights, w => w.Dispose());
        NativeMemory.AlignedFree(x);
        NativeMemory.AlignedFree(y);
    }

    private static (PackedMatrix Plain, Int4Panels[] Weights) Pack(ThreadTeam team, Random random)
    {
        ushort* source = (ushort*)NativeMemory.AlignedAlloc((nuint)Rows * Columns * sizeof(ushort), 64);
        for (int i = 0; i < Rows * Columns; i++)
        {
            source[i] = Bf16.FromSingle(random.NextSingle() - 0.5f);
        }
        MatrixSource[] stored = [MatrixSource.RowMajor((nint)source, ElementType.BF16, Rows, Columns)];
        PackedMatrix plain = PackedMatrix.Pack(stored, WeightFormat.Int4, team);
        double seconds = 0;
        var weights = new Int4Panels[Matrices];
        for (int i = 0; i < Matrices; i++)
        {
            seconds += Ceilings.Best(1, () => weights[i] = Int4Panels.Pack(stored, team));
        }
        Console.WriteLine($"quantising and packing {Matrices * 2.0 * Rows * Columns / seconds / 1e9:F2} GB/s of bf16");
        NativeMemory.AlignedFree(source);
        return (plain, weights);
    }

    private static float* Floats(long count) => (float*)NativeMemory.AlignedAlloc((nuint)count * sizeof(float), 64);
}
