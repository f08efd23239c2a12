using System.Runtime.Intrinsics;
using Llama4Kernels.Kernels.Contracts;
using Llama4Kernels.Kernels.Threading;

namespace Llama4Kernels.Kernels.Normalization;

internal static unsafe partial class RmsNorm
{
    /// <summary>rsqrt(mean(x²) + eps) of one row, with float64 accumulation.</summary>
    internal static float InverseRms(float* x, int columns, float eps) =>
        (float)(1.0 / Math.Sqrt(RowSums.SumOfSquares(x, columns, 0f) / columns + eps));

    private static void RunCpu(ThreadTeam team, Tensor x, Tensor weight, float eps, Tensor output)
    {
        int grain = RowSums.RowsPerItem(x.Columns);
        team.Run((x.Rows + grain - 1) / grain, new Job(x, weight.Pointer, eps, output.Pointer, grain));
    }

    private static void Row(float* x, float* weight, float eps, float* y, int columns)
    {
        float scale = InverseRms(x, columns, eps);
        Vector512<float> scales = Vector512.Create(scale);
        int c = 0;
        for (; c <= columns - Vector512<float>.Count; c += Vector512<float>.Count)
        {
            (Vector512.Load(x + c) * scales * Vector512.Load(weight + c)).Store(y + c);
        }
        for (; c < columns; c++)
        {
            y[c] = x[c] * scale * weight[c];
        }
    }

    private readonly struct Job(Tensor x, float* weight, float eps, float* output, int grain) : ITeamJob
    {
        public void Execute(int item, int worker)
        {
            int end = Math.Min(x.Rows, (item + 1) * grain);
            for (int row = item * grain; row < end; row++)
            {
                long offset = (long)row * x.Columns;
                Row(x.Pointer + offset, weight, eps, output + offset, x.Columns);
            }
        }
    }
}
