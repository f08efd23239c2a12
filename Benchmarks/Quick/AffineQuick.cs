using System.Runtime.InteropServices;
using Llama4Kernels.Benchmarks.Machine;
using Llama4Kernels.Kernels.Assembly;
using Llama4Kernels.Kernels.Contracts;
using Llama4Kernels.Kernels.MatMul;
using Llama4Kernels.Kernels.Numerics;
using Llama4Kernels.Kernels.Quantization;
using Llama4Kernels.Kernels.Quantization.Gguf;
using Llama4Kernels.Kernels.Threading;

namespace Llama4Kernels.Benchmarks.Quick;

/// <summary>
/// Products with weights that stay as they are stored, at [4096, 5120]: bytes read, operations against the peak of multiplying floats
/// or, with rows rounded to int8, of the integer dot product, and the time against the engine's own int4, all in one run, the
/// matrices taking turns, so that each comes from memory.
/// </summary>
internal static unsafe class AffineQuick
{
    private const int Rows = 4096, Columns = 5120, MaxTokens = 96, Repeats = 24;

    public static void Run(ActivationPrecision activations, int threads, string? product)
    {
        using var team = new ThreadTeam(threads);
        using var linear = new CpuLinear(team, activations, product);
        double peak = Peak(team, activations);
        Console.WriteLine($"{team.Threads} threads, {linear.Description}, W [{Rows}, {Columns}], peak {peak / 1e9:F0} GOP/s");
        var random = new Random(1);
        float* x = Floats(MaxTokens * Columns), y = Floats(MaxTokens * Rows);
        for (int i = 0; i < MaxTokens * Columns; i++)
        {
            x[i] = random.NextSingle() - 0.5f;
        }
        List<IMatrix> matrices = [Int4(linear, x)];
        foreach (string name in (string[])["Q4_0", "Q4_K", "Q5_K", "Q6_K", "Q8_0", "Q3_K", "Q2_K", "IQ4_XS"])
        {
            GgufBlockType type = GgufBlockType.Find(name)!;
            byte[] blocks = GC.AllocateUninitializedArray<byte>(Rows * (Columns / type.Columns) * type.Bytes, pinned: true);
            random.NextBytes(blocks);
            var source = new GgufMatrix(Marshal.UnsafeAddrOfPinnedArrayElement(blocks, 0), type, Rows, Columns);
            IMatrix? packed = null;
            // Once: memory that was given back comes again in small pages.
            double seconds = Ceilings.Best(1, () => packed = linear.Pack([source], null));
            Console.WriteLine($"packing {name,-7} {blocks.Length / seconds / 1e9:F2} GB/s");
            matrices.Add(packed!);
        }
        foreach (int tokens in (int[])[1, 2, 4, 12, 96])
        {
            // Neighbours on the machine disturb the peak too: the best that was seen.
            peak = peak > 0 ? Math.Max(peak, Peak(team, activations)) : 0;
            double[] best = [.. matrices.Select(_ => double.MaxValue)];
            for (int turn = 0; turn < Repeats; turn++)
            {
                for (int i = 0; i < matrices.Count; i++)
                {
                    IMatrix w = matrices[i];
                    best[i] = Math.Min(best[i], Ceilings.Best(1, () => linear.Run(new Tensor((nint)x, tokens, Columns, ElementType.F32, MemoryPlace.Host), w, null, new Tensor((nint)y, tokens, Rows, ElementType.F32, MemoryPlace.Host))));
                }
            }
            for (int i = 0; i < matrices.Count; i++)
            {
                double rate = 2.0 * tokens * Rows * Columns / best[i];
                Console.WriteLine(
                    $"T={tokens,-3} {matrices[i].Format,-7} {best[i] * 1e3,7:F3} ms, {best[i] / best[0]:F2} of int4; {matrices[i].Bytes / best[i] / 1e9,5:F1} GB/s, {rate / 1e9,4:F0} GOP/s{(peak > 0 ? $", {rate / peak:P0} of the peak" : "")}");
            }
        }
        matrices.ForEach(w => w.Dispose());
        NativeMemory.AlignedFree(x);
        NativeMemory.AlignedFree(y);
    }

    private static double Peak(ThreadTeam team, ActivationPrecision activations) =>
        activations == ActivationPrecision.Int8 ? CpuFeatures.Avx512Vnni ? Ceilings.IntegerDotPeak(team) : 0 : CpuFeatures.Avx512 ? Ceilings.FmaPeak(team) : 0;

    private static IMatrix Int4(CpuLinear linear, float* numbers)
    {
        float* source = Floats(Rows * Columns);
        for (int i = 0; i < Rows * Columns; i++)
        {
            source[i] = numbers[i % (MaxTokens * Columns)];
        }
        IMatrix packed = linear.Pack([MatrixSource.RowMajor((nint)source, ElementType.F32, Rows, Columns)], WeightFormat.Int4);
        NativeMemory.AlignedFree(source);
        return packed;
    }

    private static float* Floats(long count) => (float*)NativeMemory.AlignedAlloc((nuint)count * sizeof(float), 64);
}
