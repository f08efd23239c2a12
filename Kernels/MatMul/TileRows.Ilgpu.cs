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

/// <summary>A thread's 4 × 4 results of a tile: a line of four outputs for each of four rows.</summary>
internal readonly record struct TileSums(Float4 A, Float4 B, Float4 C, Float4 D)
{
    /// <summary>Adds the products of four columns of a tile, one column after another.</summary>
    public TileSums AddQuad(ArrayView<Float4> a, ArrayView<Float4> b, int k)
    {
        int rowA = k * TileRows.Pitch + Group.IdxY, rowB = k * TileRows.Pitch + Group.IdxX;
        // Written out: each turn of a loop copies the sixteen sums.
        return Add(a[rowA], b[rowB]).Add(a[rowA + TileRows.Pitch], b[rowB + TileRows.Pitch])
            .Add(a[rowA + 2 * TileRows.Pitch], b[rowB + 2 * TileRows.Pitch]).Add(a[rowA + 3 * TileRows.Pitch], b[rowB + 3 * TileRows.Pitch]);
    }

    /// <summary>Elementwise.</summary>
    public TileSums Plus(TileSums other) => new(A.Plus(other.A), B.Plus(other.B), C.Plus(other.C), D.Plus(other.D));

    private TileSums Add(Float4 rows, Float4 outputs) => new(A.Add(rows.A, outputs), B.Add(rows.B, outputs), C.Add(rows.C, outputs), D.Add(rows.D, outputs));
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
                quad = inner % 4 == 0 ? decoder.Quad(stored, scales, at) : MatMulIlgpu.Four<T, TDecoder>(stored, scales, at, inner - k);
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
