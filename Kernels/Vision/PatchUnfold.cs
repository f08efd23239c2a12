using Llama4Kernels.Kernels.Contracts;
using Llama4Kernels.Kernels.Numerics;
using Llama4Kernels.Kernels.Threading;

namespace Llama4Kernels.Kernels.Vision;

/// <summary>
/// Patches of square tiles. pixels bf16 [tiles, channels, size, size]; output [tiles·g², channels·patch²], g = size / patch;
/// patches row-major, a patch ordered channel, row, column.
/// </summary>
internal static unsafe partial class PatchUnfold
{
    /// <summary>Fills <paramref name="output"/>.</summary>
    /// <exception cref="ArgumentException">Sizes do not agree.</exception>
    public static void Run(ThreadTeam team, ReadOnlySpan<ushort> pixels, int tiles, int channels, int size, int patch, Tensor output)
    {
        Check(MemoryPlace.Host, pixels, tiles, channels, size, patch, output);
        int grid = size / patch;
        fixed (ushort* source = pixels)
        {
            team.Run(tiles * grid, new Job(source, channels, size, patch, output));
        }
    }

    internal static void Check(MemoryPlace place, ReadOnlySpan<ushort> pixels, int tiles, int channels, int size, int patch, Tensor output)
    {
        ShapeCheck.Require(patch > 0 && size > 0 && size % patch == 0, "The tile size is no multiple of the patch size.", nameof(size));
        ShapeCheck.Require(tiles >= 0 && channels > 0, "Tiles or channels are negative or none.", nameof(tiles));
        long expected = (long)tiles * channels * size * size;
        ShapeCheck.Require(pixels.Length == expected, "The number of pixel values is not tiles · channels · size².", nameof(pixels));
        int grid = size / patch;
        ShapeCheck.Require(output, place, tiles * grid * grid, channels * patch * patch, nameof(output));
    }

    /// <summary>One item: a row of patches of one tile.</summary>
    private readonly struct Job(ushort* pixels, int channels, int size, int patch, Tensor output) : ITeamJob
    {
        public void Execute(int item, int worker)
        {
            int grid = size / patch;
            long tile = item / grid;
            int patchRow = item % grid;
            float* y = output.Pointer + (long)item * grid * output.Columns;
            for (int patchColumn = 0; patchColumn < grid; patchColumn++)
            {
                for (int channel = 0; channel < channels; channel++)
                {
                    ushort* corner = pixels + ((tile * channels + channel) * size + patchRow * patch) * size + patchColumn * patch;
                    for (int row = 0; row < patch; row++)
                    {
                        for (int column = 0; column < patch; column++)
                        {
                            *y++ = Bf16.ToSingle(corner[(long)row * size + column]);
                        }
                    }
                }
            }
        }
    }
}
