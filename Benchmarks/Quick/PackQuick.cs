using System.Diagnostics;
using System.Runtime.InteropServices;
using Llama4Kernels.Kernels.Contracts;
using Llama4Kernels.Kernels.MatMul;
using Llama4Kernels.Kernels.Numerics;
using Llama4Kernels.Kernels.Quantization;
using Llama4Kernels.Kernels.Threading;

namespace Llama4Kernels.Benchmarks.Quick;

/// <summary>Packing of an expert's gate and up projection of Scout on one thread, fused [in, out] and row-major, against reading the same bytes.</summary>
internal static unsafe class PackQuick
{
    // Pieces of some outputs, each short enough to be packed between two interruptions by others.
    private const int Columns = 5120, Rows = 16384, Piece = 512, Rounds = 4;

    public static void Run()
    {
        const long Bytes = 2L * Columns * Rows;
        ushort* source = (ushort*)NativeMemory.AlignedAlloc((nuint)Bytes, 64);
        var random = new Random(1);
        for (long i = 0; i < (long)Columns * Rows; i++)
        {
            source[i] = Bf16.FromSingle(random.NextSingle() - 0.5f);
        }
        using var team = new ThreadTeam(1);
        StridedMatrix rows = MatrixSource.RowMajor((nint)source, ElementType.BF16, Rows, Columns);
        var fused = new StridedMatrix((nint)source, ElementType.BF16, Rows, Columns, 1, Rows);
        double best = 0;
        Console.WriteLine($"bf16 [{Columns}, {Rows}], one thread, GB/s of what is read; reading alone beside it");
        foreach ((string name, ActivationPrecision activations, WeightFormat? format) in new[] { ("int4", ActivationPrecision.Int8, WeightFormat.Int4), ("bf16", ActivationPrecision.Int8, null), ("int8", ActivationPrecision.Int8, null), ("fp8", ActivationPrecision.BFloat16, WeightFormat.Fp8) })
        {
            using var linear = new CpuLinear(team, activations, null);
            foreach ((string how, StridedMatrix matrix) in new[] { ("fused", fused), ("row-major", rows) })
            {
                double seconds = double.MaxValue;
                for (int piece = 0; piece < Rounds * Rows / Piece; piece++)
                {
                    MatrixSource part = matrix.Slice(piece * Piece % Rows, Piece);
                    long start = Stopwatch.GetTimestamp();
                    IMatrix packed = linear.Pack([name == "int8" ? new QuantisedMatrix(part) : part], format);
                    seconds = Math.Min(seconds, Stopwatch.GetElapsedTime(start).TotalSeconds * Rows / Piece);
                    packed.Dispose();
                }
                best = Math.Max(best, ReadBandwidth.Measure(team, [((nint)source, Bytes)]));
                Console.WriteLine($"{name} from {how,-9}  {Bytes / seconds / 1e9:F2} GB/s, reading {best / 1e9:F2} GB/s, {Bytes / seconds / best:P0}");
            }
        }
        NativeMemory.AlignedFree(source);
    }
}
