using System.Runtime.Intrinsics;
using Llama4Kernels.Kernels.Contracts;
using Llama4Kernels.Kernels.Threading;

namespace Llama4Kernels.Kernels.Normalization;

internal static unsafe partial class LayerNorm
{
    private static void RunCpu(ThreadTeam team, Tensor x, Tensor weight, Tensor bias, float eps, Tensor output)
    {
        int grain = RowSums.RowsPerItem(x.Columns);
        team.Run((x.Rows + grain - 1) / grain, new Job(x, weight.Pointer, bias.Pointer, eps, output.Pointer, grain));
    }

    private static void Row(float* x, float* weight, float* bias, float eps, float* y, int columns)
    {
        float mean = (float)(RowSums.Sum(x, columns) / columns);
        float scale = (float)(1.0 / Math.Sqrt(RowSums.SumOfSquares(x, columns, mean) / columns + eps));
        Vector512<float> means = Vector512.Create(mean);
        Vector512<float> scales = Vector512.Create(scale);
        int c = 0;
        for (; c <= columns - Vector512<float>.Count; c += Vector512<float>.Count)
        {
            Vector512<float> normal = (Vector512.Load(x + c) - means) * scales;
            (normal * Vector512.Load(weight + c) + Vector512.Load(bias + c)).Store(y + c);
        }
        for (; c < columns; c++)
        {
            y[c] = (x[c] - mean) * scale * weight[c] + bias[c];
        }
    }

    private readonly struct Job(Tensor x, float* weight, float* bias, float eps, float* output, int grain) : ITeamJob
    {
        public void Execute(int item, int worker)
        {
            int end = Math.Min(x.Rows, (item + 1) * grain);
            for (int row = item * grain; row < end; row++)
            {
                long offset = (long)row * x.Columns;
                Row(x.Pointer + offset, weight, bias, eps, output + offset, x.Columns);
            }
        }
    }
}
