using System.Runtime.Intrinsics;
using Llama4Kernels.Kernels.Contracts;
using Llama4Kernels.Kernels.Threading;

namespace Llama4Kernels.Kernels.Activation;

internal static unsafe partial class SwiGlu
{
    private const int ColumnsPerItem = 4096;

    private static void RunCpu(ThreadTeam team, Tensor gateUp, Tensor output)
    {
        // Whole row blocks when rows are short, column blocks when one row is long: a decode step splits too.
        int blocks = (output.Columns + ColumnsPerItem - 1) / ColumnsPerItem;
        int rows = Math.Max(1, ColumnsPerItem / Math.Max(1, output.Columns));
        int rowBlocks = (output.Rows + rows - 1) / rows;
        team.Run(checked(rowBlocks * blocks), new Job(gateUp.Pointer, output, blocks, rows));
    }

    private static void Columns(float* gate, float* up, float* y, int count)
    {
        int c = 0;
        for (; c <= count - Vector512<float>.Count; c += Vector512<float>.Count)
        {
            (VectorMath.Silu(Vector512.Load(gate + c)) * Vector512.Load(up + c)).Store(y + c);
        }
        for (; c < count; c++)
        {
            y[c] = VectorMath.Silu(Vector512.Create(gate[c])).ToScalar() * up[c];
        }
    }

    private readonly struct Job(float* gateUp, Tensor output, int blocks, int rows) : ITeamJob
    {
        public void Execute(int item, int worker)
        {
            int first = item % blocks * ColumnsPerItem;
            int count = Math.Min(ColumnsPerItem, output.Columns - first);
            int end = Math.Min(output.Rows, (item / blocks + 1) * rows);
            for (int row = item / blocks * rows; row < end; row++)
            {
                float* gate = gateUp + 2L * row * output.Columns + first;
                Columns(gate, gate + output.Columns, output.Pointer + (long)row * output.Columns + first, count);
            }
        }
    }
}
