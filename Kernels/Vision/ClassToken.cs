using System.Numerics.Tensors;
using Llama4Kernels.Kernels.Contracts;
using Llama4Kernels.Kernels.Threading;
using Tensor = Llama4Kernels.Kernels.Contracts.Tensor;

namespace Llama4Kernels.Kernels.Vision;

/// <summary>
/// Appends the class token (last row of each tile) and adds the learned positions. patches [tiles·n, D], classToken [1, D],
/// positions [n+1, D] → x [tiles·(n+1), D].
/// </summary>
internal static unsafe partial class ClassToken
{
    /// <summary>Fills <paramref name="x"/>.</summary>
    /// <exception cref="ArgumentException">Shapes differ.</exception>
    public static void Run(ThreadTeam team, Tensor patches, Tensor classToken, Tensor positions, int tiles, Tensor x)
    {
        Check(MemoryPlace.Host, patches, classToken, positions, tiles, x);
        team.Run(x.Rows, new Job(patches.Pointer, classToken.Pointer, positions.Pointer, positions.Rows, x));
    }

    internal static void Check(MemoryPlace place, Tensor patches, Tensor classToken, Tensor positions, int tiles, Tensor x)
    {
        int rows = positions.Rows;
        ShapeCheck.Require(tiles >= 0 && rows > 0, "Tiles are negative or there are no positions.", nameof(tiles));
        ShapeCheck.Require(positions, place, rows, positions.Columns, nameof(positions));
        ShapeCheck.Require(patches, place, tiles * (rows - 1), positions.Columns, nameof(patches));
        ShapeCheck.Require(classToken, place, 1, positions.Columns, nameof(classToken));
        ShapeCheck.Require(x, place, tiles * rows, positions.Columns, nameof(x));
    }

    private readonly struct Job(float* patches, float* classToken, float* positions, int rows, Tensor x) : ITeamJob
    {
        public void Execute(int item, int worker)
        {
            int tile = item / rows;
            int row = item % rows;
            long columns = x.Columns;
            float* source = row == rows - 1 ? classToken : patches + ((long)tile * (rows - 1) + row) * columns;
            TensorPrimitives.Add(
                new ReadOnlySpan<float>(source, x.Columns),
                new ReadOnlySpan<float>(positions + row * columns, x.Columns),
                new Span<float>(x.Pointer + item * columns, x.Columns));
        }
    }
}
