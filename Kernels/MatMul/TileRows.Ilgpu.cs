using ILGPU;
using Llama4Kernels.Kernels.Numerics;

namespace Llama4Kernels.Kernels.MatMul;

/// <summary>The rows of one operand of a tiled product, however they are stored.</summary>
internal interface ITileRows
{
    /// <summary>
    /// Fills a tile [k, row] of the group with <see cref="TileRows.Columns"/> columns from <paramref name="k0"/> on of the 4·side
    /// rows from <paramref name="row0"/> on; zeros outside the matrix.
    /// </summary>
    void Fill(ArrayView<Float4> tile, long row0, long endRow, int k0, int inner);

    /// <summary>What sums of a row are multiplied by.</summary>
    float RowScale(long row);
}

/// <summary>A tile of an operand in shared memory.</summary>
internal static class TileRows
{
    /// <summary>Columns of a tile.</summary>
    public const int Columns = 16;

    /// <summary>Groups of four rows, and one that keeps columns out of each other's banks.</summary>
    public const int Pitch = 17;

    /// <summary>Puts four columns of a row into a tile, <paramref name="k"/> counting from the tile's first.</summary>
    public static void Put(ArrayView<Float4> tile, int k, int row, Float4 quad)
    {
        ArrayView<float> values = tile.Cast<float>();
        int to = k * (4 * Pitch) + row;
        values[to] = quad.A;
        values[to + 4 * Pitch] = quad.B;
        values[to + 8 * Pitch] = quad.C;
        values[to + 12 * Pitch] = quad.D;
    }
}

/// <summary>Rows of elements that a decoder reads one by one or in fours.</summary>
/// <param name="stored">[rows, inner]</param>
/// <param name="scales">The decoder's.</param>
internal readonly struct StoredRows<T, TDecoder>(ArrayView<T> stored, ArrayView<float> scales) : ITileRows
    where T : unmanaged
    where TDecoder : struct, IDecoder<T>
{
    /// <inheritdoc/>
    public void Fill(ArrayView<Float4> tile, long row0, long endRow, int k0, int inner)
    {
        TDecoder decoder = default;
        int side = Group.DimY;
        for (int i = Group.IdxY * side + Group.IdxX; i < TileRows.Columns * side; i += side * side)
        {
            int row = i >> 2;
            int k = k0 + 4 * (i & 3);
            Float4 quad = default;
            if (row0 + row < endRow && k < inner)
            {
                long at = (row0 + row) * inner + k;
                if (inner % 4 == 0)
                {
                    quad = decoder.Quad(stored, scales, at);
                }
                else
                {
                    quad = new Float4(
                        decoder.One(stored, scales, at),
                        k + 1 < inner ? decoder.One(stored, scales, at + 1) : 0f,
                        k + 2 < inner ? decoder.One(stored, scales, at + 2) : 0f,
                        k + 3 < inner ? decoder.One(stored, scales, at + 3) : 0f);
                }
            }
            TileRows.Put(tile, k - k0, row, quad);
        }
    }

    /// <inheritdoc/>
    public float RowScale(long row)
    {
        TDecoder decoder = default;
        return decoder.RowScale(scales, row);
    }
}
