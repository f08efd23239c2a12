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
/// Products of a weight format with rounded rows, by every record that this processor runs: time against the roof, which is what
/// reading the weights or the multipliers' peak takes, whichever is longer, both measured beside each product, rounding the rows
/// included. Products, readings and peaks are short and take turns, and the best of each counts: on a busy machine those that
/// nobody interrupted.
/// </summary>
internal static unsafe class ProductQuick
{
    private const long PoolBytes = 400 << 20, ReadBytes = 96 << 20;

    private const int MaxTokens = 512, Turns = 12;

    /// <param name="weights">Name of the weights' format.</param>
    /// <param name="threads">0 for one on each core.</param>
    /// <param name="shape">Outputs and inputs.</param>
    /// <param name="only">How the names of records end that are measured, those with operands of float32 among them; null for all whose operands are rounded as the format's best are.</param>
    public static void Run(string weights, int threads, (int Outputs, int Inputs) shape, string? only)
    {
        // What products of integers of eight bits read is a form that files have.
        WeightFormat format = weights == "int8" ? KeptFormats.Int8 : WeightFormat.Get(weights);
        bool integers = format.Encoding == WeightEncoding.Integer;
        CpuProduct[] records = [.. CpuProducts.All.Where(record =>
            record.Format == format && record.Lacks(CpuLimits.This) is null
            && (only is null ? record.Operands == (integers ? ActivationPrecision.Int8 : ActivationPrecision.BFloat16) : record.Name.EndsWith(only, StringComparison.Ordinal)))];
        using var team = new ThreadTeam(threads);
        using var workspace = new CpuWorkspace(team);
        double Peak(ActivationPrecision operands) => operands switch
        {
            ActivationPrecision.Int8 when CpuFeatures.Avx512Vnni => Ceilings.IntegerDotPeak(team),
            ActivationPrecision.BFloat16 when CpuFeatures.Avx512Bf16 => Ceilings.DotPeak(team),
            ActivationPrecision.Float32 when CpuFeatures.Avx512 => Ceilings.FmaPeak(team),
            _ => 0,
        };
        var random = new Random(1);
        float* x = Floats((long)MaxTokens * shape.Inputs), y = Floats((long)MaxTokens * shape.Outputs);
        for (int i = 0; i < MaxTokens * shape.Inputs; i++)
        {
            x[i] = random.NextSingle() - 0.5f;
        }
        foreach (CpuProduct record in records)
        {
            CpuMatrix[] pool = Pack(record, format, shape, team, random);
            double peak = Peak(record.Operands);
            Console.WriteLine($"{record.Name}, {team.Threads} threads, {pool.Length} matrices [{shape.Outputs}, {shape.Inputs}] of {pool[0].Bytes / 1e6:F1} MB, peak {peak / 1e9:F0} GOP/s");
            foreach (int tokens in (int[])[1, 2, 3, 4, 5, 6, 8, 12, 16, 32, 128, 512])
            {
                // More than a third-level cache holds, since it is read twice.
                int read = (int)Math.Min(pool.Length - 1, ReadBytes / pool[0].Bytes + 1);
                double reading = 0, best = double.MaxValue, operations = 2.0 * tokens * shape.Outputs * shape.Inputs;
                int count = (int)Math.Clamp(Turns * 2e9 / operations, 3, 6L * pool.Length);
                for (int i = 0; i < count; i++)
                {
                    CpuMatrix w = pool[i % pool.Length];
                    best = Math.Min(best, Ceilings.Best(1, () => record.Launch(workspace, new CpuOperands(x, tokens, w, null, y))));
                    reading = Math.Max(reading, w.Bytes < 1 << 20 || i % 4 > 0 ? 0 : ReadBandwidth.Measure(team, [.. Enumerable.Range(1, read).Select(n => pool[(i + n) % pool.Length].Memory)], 1));
                }
                peak = Math.Max(peak, Peak(record.Operands));
                // Matrices that the caches hold have no roof of reading.
                double readSeconds = reading == 0 ? 0 : pool[0].Bytes / reading, compute = peak > 0 ? operations / peak : 0, roof = Math.Max(readSeconds, compute);
                Console.WriteLine(
                    $"T={tokens,-3} {best * 1e3,8:F3} ms, {pool[0].Bytes / best / 1e9,5:F1} GB/s, {operations / best / 1e9,5:F0} GOP/s, {roof / best,4:P0} of the roof ({(readSeconds >= compute ? $"reading, {reading / 1e9:F1} GB/s" : "multipliers")})");
            }
            Array.ForEach(pool, w => w.Dispose());
        }
        NativeMemory.AlignedFree(x);
        NativeMemory.AlignedFree(y);
    }

    private static CpuMatrix[] Pack(CpuProduct record, WeightFormat format, (int Outputs, int Inputs) shape, ThreadTeam team, Random random)
    {
        int count = shape.Outputs * shape.Inputs;
        ushort* source = (ushort*)NativeMemory.AlignedAlloc((nuint)count * sizeof(ushort), 64);
        for (int i = 0; i < count; i++)
        {
            source[i] = Bf16.FromSingle(random.NextSingle() - 0.5f);
        }
        MatrixSource numbers = MatrixSource.RowMajor((nint)source, ElementType.BF16, shape.Outputs, shape.Inputs);
        MatrixSource[] stored = [WeightFormat.All.Contains(format) ? numbers : new QuantisedMatrix(numbers)];
        long bytes = format.Bytes(shape.Outputs, shape.Inputs);
        var pool = new CpuMatrix[bytes < 1 << 20 ? 1 : Math.Max(2, PoolBytes / bytes)];
        double seconds = Ceilings.Best(1, () =>
        {
            for (int i = 0; i < pool.Length; i++)
            {
                pool[i] = (CpuMatrix)record.Layout.Pack(stored, format, team);
            }
        });
        Console.WriteLine($"quantising and packing {pool.Length * 2.0 * count / seconds / 1e9:F2} GB/s of bf16");
        NativeMemory.AlignedFree(source);
        return pool;
    }

    private static float* Floats(long count) => (float*)NativeMemory.AlignedAlloc((nuint)count * sizeof(float), 64);
}
