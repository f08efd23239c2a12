using System.Runtime.InteropServices;
using Llama4Kernels.Benchmarks.Machine;
using Llama4Kernels.Kernels.Assembly;
using Llama4Kernels.Kernels.Contracts;
using Llama4Kernels.Kernels.MatMul;
using Llama4Kernels.Kernels.Numerics;
using Llama4Kernels.Kernels.Threading;

namespace Llama4Kernels.Benchmarks.Quick;

/// <summary>
/// Matrix products at a Scout shape [8192, 5120], as shares of the limits measured in the same run: decoding against the
/// read bandwidth of the same buffers, before and after; prompts against the FMA and dot-product peaks.
/// </summary>
internal static unsafe class MatMulQuick
{
    private const int Rows = 8192, Columns = 5120, Matrices = 14, MaxTokens = 512;

    // With bfloat16 weights int8 is the same as bfloat16.
    private static readonly ActivationPrecision[] s_precisions = [ActivationPrecision.Float32, ActivationPrecision.BFloat16];

    public static void Run()
    {
        using var team = new ThreadTeam();
        using CpuLinear exact = new(team, ActivationPrecision.Float32, null), rounding = new(team, ActivationPrecision.BFloat16, null);
        Console.WriteLine($"{team.Threads} threads, {exact.Description}, {rounding.Description}, W [{Rows}, {Columns}]");
        double fma = CpuFeatures.Avx512 ? Ceilings.FmaPeak(team) : 0;
        double dot = CpuFeatures.Avx512Bf16 ? Ceilings.DotPeak(team) : 0;
        Console.WriteLine($"peaks: FMA {fma / 1e9:F0} GFLOP/s, vdpbf16ps {dot / 1e9:F0} GFLOP/s");

        long count = (long)Rows * Columns;
        ushort* source = (ushort*)NativeMemory.AlignedAlloc((nuint)count * 2, 64);
        var random = new Random(1);
        for (long i = 0; i < count; i++)
        {
            source[i] = Bf16.FromSingle(random.NextSingle() - 0.5f);
        }
        float* x = Floats((long)MaxTokens * Columns);
        float* y = Floats((long)MaxTokens * Rows);
        for (int i = 0; i < MaxTokens * Columns; i++)
        {
            x[i] = random.NextSingle() - 0.5f;
        }
        void Multiply(int tokens, PackedMatrix w, ActivationPrecision precision) => (precision == ActivationPrecision.Float32 ? exact : rounding).Run(
            new Tensor((nint)x, tokens, Columns, ElementType.F32, MemoryPlace.Host), w, null, new Tensor((nint)y, tokens, Rows, ElementType.F32, MemoryPlace.Host));

        var weights = new PackedMatrix[Matrices];
        double packing = Ceilings.Best(1, () =>
        {
            for (int i = 0; i < Matrices; i++)
            {
                weights[i] = PackedMatrix.Pack([MatrixSource.RowMajor((nint)source, ElementType.BF16, Rows, Columns)], null, team);
            }
        });
        PackedMatrix? strided = null;
        double columns = Ceilings.Best(1, () => strided = PackedMatrix.Pack([new StridedMatrix((nint)source, ElementType.BF16, Rows, Columns, 1, Rows)], null, team));
        strided!.Dispose();
        long bytes = weights.Sum(w => w.Bytes);
        Console.WriteLine($"packing [out, in] {bytes / packing / 1e9:F2} GB/s, [in, out] {bytes / Matrices / columns / 1e9:F2} GB/s");

        var buffers = weights.Select(w => ((nint)w.Panel(0), w.Bytes)).ToList();
        foreach (int tokens in (int[])[1, 2, 4, 6])
        {
            foreach (ActivationPrecision precision in s_precisions)
            {
                double before = ReadBandwidth.Measure(team, buffers);
                double seconds = Ceilings.Best(5, () =>
                {
                    foreach (PackedMatrix w in weights)
                    {
                        Multiply(tokens, w, precision);
                    }
                });
                double ceiling = Math.Max(before, ReadBandwidth.Measure(team, buffers));
                Console.WriteLine($"T={tokens,-3} {precision,-9} {bytes / seconds / 1e9,6:F1} GB/s of {ceiling / 1e9:F1}: {bytes / seconds / ceiling:P0}");
            }
        }
        foreach (int tokens in (int[])[16, 32, 64, 128, 512])
        {
            foreach (ActivationPrecision precision in s_precisions)
            {
                double seconds = Ceilings.Best(4, () => Multiply(tokens, weights[0], precision));
                double rate = 2.0 * tokens * Rows * Columns / seconds;
                double peak = precision == ActivationPrecision.BFloat16 && dot > 0 ? dot : fma;
                Console.WriteLine($"T={tokens,-3} {precision,-9} {rate / 1e9,6:F0} GFLOP/s of {peak / 1e9:F0}: {rate / peak:P0}");
            }
        }
        foreach (PackedMatrix w in weights)
        {
            w.Dispose();
        }
        NativeMemory.AlignedFree(source);
        NativeMemory.AlignedFree(x);
        NativeMemory.AlignedFree(y);
    }

    private static float* Floats(long count) => (float*)NativeMemory.AlignedAlloc((nuint)count * sizeof(float), 64);
}
