using System.Diagnostics;
using System.Runtime.InteropServices;
using Llama4Kernels.Kernels.Contracts;
using Llama4Kernels.Kernels.MatMul;
using Llama4Kernels.Kernels.Numerics;
using Llama4Kernels.Kernels.Threading;

namespace Llama4Kernels.Benchmarks.Quick;

/// <summary>
/// Short products one after another, as a small model's decoding has them, on teams of 1 to 256 threads that take turns: alone,
/// and beside another process that is always busy.
/// </summary>
internal static unsafe class TeamQuick
{
    /// <summary>2 MiB of weights: some 30 µs on two threads.</summary>
    private const int Rows = 2048, Columns = 512;

    /// <summary>Some 60 ms a turn: a woken thread may wait for a processor for some of them.</summary>
    private const int Products = 2000, Rounds = 15;

    private static readonly int[] s_threads = [1, 2, 3, 4, 8, 16, 32, 64, 128, 256];

    public static void Run()
    {
        Console.WriteLine($"{Environment.ProcessorCount} processors, {ThreadTeam.DefaultThreads} threads by default; W [{Rows}, {Columns}] in bfloat16 times one token, medians of {Rounds} rounds of {Products} products");
        double[] quiet = Measure();
        // A process of its own, as the neighbours of a machine are.
        using Process neighbour = Process.Start("sh", ["-c", "while :; do :; done"]);
        double[] busy;
        try
        {
            busy = Measure();
        }
        finally
        {
            neighbour.Kill();
        }
        Console.WriteLine("threads |  alone us  of the best | busy neighbour us  of the best | speed kept");
        for (int i = 0; i < s_threads.Length; i++)
        {
            Console.WriteLine($"{s_threads[i],7} | {quiet[i],9:F2} {quiet[i] / quiet.Min(),12:F2} | {busy[i],17:F2} {busy[i] / busy.Min(),12:F2} | {quiet[i] / busy[i],10:P0}");
        }
    }

    /// <summary>Microseconds of a product for each size of the team.</summary>
    private static double[] Measure()
    {
        ushort[] source = new ushort[Rows * Columns];
        float[] x = new float[Columns], y = new float[Rows];
        Array.Fill(source, (ushort)0x3F80);
        ThreadTeam[] teams = Array.ConvertAll(s_threads, threads => new ThreadTeam(threads));
        CpuLinear[] products = Array.ConvertAll(teams, team => new CpuLinear(team, ActivationPrecision.Float32, null));
        double[][] times = Array.ConvertAll(teams, _ => new double[Rounds]);
        fixed (ushort* elements = source)
        fixed (float* input = x, output = y)
        {
            using PackedMatrix weights = PackedMatrix.Pack([MatrixSource.RowMajor((nint)elements, ElementType.BF16, Rows, Columns)], null, teams[0]);
            Tensor one = new((nint)input, 1, Columns, ElementType.F32, MemoryPlace.Host), result = new((nint)output, 1, Rows, ElementType.F32, MemoryPlace.Host);
            for (int round = -1; round < Rounds; round++)
            {
                for (int i = 0; i < teams.Length; i++)
                {
                    long start = Stopwatch.GetTimestamp();
                    for (int k = 0; k < Products; k++)
                    {
                        products[i].Run(one, weights, null, result);
                    }
                    // The first round wakes threads and compiles.
                    times[i][Math.Max(round, 0)] = Stopwatch.GetElapsedTime(start).TotalMicroseconds / Products;
                }
            }
        }
        Array.ForEach(products, product => product.Dispose());
        Array.ForEach(teams, team => team.Dispose());
        return Array.ConvertAll(times, t => t.Order().ElementAt(Rounds / 2));
    }
}
