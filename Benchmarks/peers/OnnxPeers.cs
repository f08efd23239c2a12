using System.Globalization;
using System.Numerics.Tensors;
using System.Runtime.InteropServices;
using Llama4Kernels.Benchmarks.Machine;
using Llama4Kernels.Kernels.Contracts;
using Llama4Kernels.Kernels.MatMul;
using Llama4Kernels.Kernels.Numerics;
using Llama4Kernels.Kernels.Quantization;
using Llama4Kernels.Kernels.Threading;
using Microsoft.ML.OnnxRuntime;

namespace Llama4Kernels.Benchmarks.Peers;

/// <summary>
/// This engine's int4 product with rows rounded to int8 and ONNX Runtime's MatMulNBits at accuracy level 4, on the same matrices
/// of one of Scout's shapes, more of them than the caches hold, in turns; both results are compared before anything is timed.
/// </summary>
internal static unsafe class OnnxPeers
{
    private const long PoolBytes = 320 << 20;

    /// <summary>Most that the results may differ by, as a share of their root mean square: each has a rounding of its own.</summary>
    private const double Tolerance = 0.2;

    /// <param name="shape">Outputs and inputs, whole groups of 128.</param>
    /// <param name="threads">Threads of each.</param>
    /// <param name="rows">Rows of x that are tried.</param>
    /// <param name="rounds">Turns of each.</param>
    public static void Run((int Outputs, int Inputs) shape, int threads, int[] rows, int rounds)
    {
        WeightFormat format = WeightFormat.Get("int4");
        CpuProduct record = CpuProducts.All.First(one => one.Format == format && one.Operands == ActivationPrecision.Int8 && one.Lacks(CpuLimits.This) is null);
        using var team = new ThreadTeam(threads);
        using var workspace = new CpuWorkspace(team);
        using var options = new SessionOptions { IntraOpNumThreads = threads, InterOpNumThreads = 1 };
        using var run = new RunOptions();
        var random = new Random(1);
        float[] numbers = new float[shape.Outputs * shape.Inputs];
        var own = new CpuMatrix[Math.Max(2, (int)(PoolBytes / format.Bytes(shape.Outputs, shape.Inputs)))];
        var theirs = new InferenceSession[own.Length];
        float[] x = [.. Enumerable.Range(0, rows.Max() * shape.Inputs).Select(_ => random.NextSingle() - 0.5f)], y = new float[rows.Max() * shape.Outputs], z = new float[y.Length];
        try
        {
            for (int i = 0; i < own.Length; i++)
            {
                for (int n = 0; n < numbers.Length; n++)
                {
                    numbers[n] = random.NextSingle() - 0.5f;
                }
                theirs[i] = new InferenceSession(OnnxProductModel.Write(numbers, shape.Outputs, shape.Inputs), options);
                fixed (float* source = numbers)
                {
                    own[i] = (CpuMatrix)record.Layout.Pack([MatrixSource.RowMajor((nint)source, ElementType.F32, shape.Outputs, shape.Inputs)], format, team);
                }
            }
            Console.WriteLine($"{record.Name} and ONNX Runtime {OrtEnv.Instance().GetVersionString()}, MatMulNBits, {threads} threads, {own.Length} matrices [{shape.Outputs}, {shape.Inputs}] of {own[0].Bytes / 1e6:F1} MB");
            foreach (int count in rows)
            {
                Compare(count);
            }
        }
        finally
        {
            Array.ForEach(own, matrix => matrix?.Dispose());
            Array.ForEach(theirs, session => session?.Dispose());
        }

        void Compare(int count)
        {
            using OrtValue operand = OrtValue.CreateTensorValueFromMemory(OrtMemoryInfo.DefaultInstance, x.AsMemory(0, count * shape.Inputs), [count, shape.Inputs]);
            using OrtValue result = OrtValue.CreateTensorValueFromMemory(OrtMemoryInfo.DefaultInstance, z.AsMemory(0, count * shape.Outputs), [count, shape.Outputs]);
            fixed (float* from = x, to = y)
            {
                var (input, output) = ((nint)from, (nint)to);
                double Own(int i) => Ceilings.Best(1, () => record.Launch(workspace, new CpuOperands((float*)input, count, own[i], null, (float*)output)));
                double Theirs(int i) => Ceilings.Best(1, () => theirs[i].Run(run, ["x"], [operand], ["y"], [result]));
                Own(0);
                Theirs(0);
                double difference = TensorPrimitives.Distance(y.AsSpan(0, count * shape.Outputs), z.AsSpan(0, count * shape.Outputs)) / TensorPrimitives.Norm(z.AsSpan(0, count * shape.Outputs));
                if (!(difference < Tolerance))
                {
                    throw new InvalidOperationException($"The results differ by {difference:P0}: the two do not compute the same.");
                }
                MachineState before = MachineState.Measure(team);
                List<double> ownTimes = [], times = [], ratios = [];
                for (int round = 0; round < rounds * own.Length; round++)
                {
                    int i = round % own.Length;
                    double a = Own(i), b = Theirs(i);
                    ownTimes.Add(a);
                    times.Add(b);
                    ratios.Add(b / a);
                }
                double[] sorted = [.. ratios.Order()];
                Console.WriteLine(string.Create(CultureInfo.InvariantCulture,
                    $"{count,4} rows: {ModelPeers.Median(ownTimes) * 1e3:F3} and {ModelPeers.Median(times) * 1e3:F3} ms, {ModelPeers.Median(ratios):F2} times (quartiles {sorted[sorted.Length / 4]:F2}–{sorted[sorted.Length * 3 / 4]:F2}); {before}"));
            }
        }
    }
}
