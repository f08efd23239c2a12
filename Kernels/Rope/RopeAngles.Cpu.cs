using Llama4Kernels.Kernels.Contracts;
using Llama4Kernels.Kernels.Threading;

namespace Llama4Kernels.Kernels.Rope;

internal static unsafe partial class RopeAngles
{
    private const int RowsPerItem = 16;

    private static void RunCpu(ThreadTeam team, ReadOnlySpan<float> frequencies, ReadOnlySpan<int> positions, Tensor output)
    {
        fixed (float* f = frequencies)
        fixed (int* p = positions)
        {
            team.Run((positions.Length + RowsPerItem - 1) / RowsPerItem, new Job(f, p, output));
        }
    }

    /// <summary>The pairs of one position.</summary>
    internal static void Fill(ReadOnlySpan<float> frequencies, float position, float* pairs)
    {
        for (int j = 0; j < frequencies.Length; j++)
        {
            (double sin, double cos) = Math.SinCos((double)(position * frequencies[j]));
            pairs[2 * j] = (float)cos;
            pairs[2 * j + 1] = (float)sin;
        }
    }

    private readonly struct Job(float* frequencies, int* positions, Tensor output) : ITeamJob
    {
        public void Execute(int item, int worker)
        {
            int end = Math.Min(output.Rows, (item + 1) * RowsPerItem);
            for (int row = item * RowsPerItem; row < end; row++)
            {
                Fill(new ReadOnlySpan<float>(frequencies, output.Columns / 2), positions[row], output.Pointer + (long)row * output.Columns);
            }
        }
    }
}
