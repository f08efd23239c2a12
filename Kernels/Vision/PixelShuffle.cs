using Llama4Kernels.Kernels.Contracts;
using Llama4Kernels.Kernels.Threading;

namespace Llama4Kernels.Kernels.Vision;

/// <summary>Drops the class token and merges 2×2 patches. x [tiles·(g²+1), D] → output [tiles·(g/2)², 4D].</summary>
internal static unsafe partial class PixelShuffle
{
    /// <summary>output[t][(2a+b)·D + c] = x[2R+a][2Q+b][c], t = (g/2)·R + Q.</summary>
    /// <exception cref="ArgumentException">Shapes differ, or the grid is odd.</exception>
    public static void Run(ThreadTeam team, Tensor x, int tiles, int grid, Tensor output)
    {
        Check(MemoryPlace.Host, x, tiles, grid, output);
        team.Run(output.Rows, new Job(x, grid, output.Pointer));
    }

    internal static void Check(MemoryPlace place, Tensor x, int tiles, int grid, Tensor output)
    {
        ShapeCheck.Require(grid > 0 && grid % 2 == 0, "An odd grid cannot be merged in pairs.", nameof(grid));
        ShapeCheck.Require(tiles >= 0, "Tiles are negative.", nameof(tiles));
        ShapeCheck.Require(x, place, tiles * (grid * grid + 1), x.Columns, nameof(x));
        ShapeCheck.Require(output, place, tiles * (grid / 2) * (grid / 2), 4 * x.Columns, nameof(output));
    }

    private readonly struct Job(Tensor x, int grid, float* output) : ITeamJob
    {
        public void Execute(int item, int worker)
        {
            int half = grid / 2;
            int tile = item / (half * half);
            int row = item % (half * half) / half;
            int column = item % half;
            float* y = output + 4L * item * x.Columns;
            for (int part = 0; part < 4; part++)
            {
                long source = (long)tile * (grid * grid + 1) + (2 * row + part / 2) * grid + 2 * column + part % 2;
                new ReadOnlySpan<float>(x.Pointer + source * x.Columns, x.Columns).CopyTo(new Span<float>(y + (long)part * x.Columns, x.Columns));
            }
        }
    }
}
