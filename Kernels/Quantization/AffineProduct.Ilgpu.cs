using ILGPU;
using Llama4Kernels.Kernels.MatMul;
using Llama4Kernels.Kernels.Numerics;

namespace Llama4Kernels.Kernels.Quantization;

/// <summary>
/// y = x·Wᵀ on the device with weights w = (c − z)·s + β of any format that is kept as it is stored: x [T, inner], w panels of
/// <see cref="AffineRows"/>, whose last arguments describe them, y [T, outputs]. Every weight is the float32 that its code, scale
/// and offset stand for; products and sums are float32. Both forms add up an output in one order: chunks of 128 columns are dealt
/// to <c>parts</c> in turns, a part adds its columns in rising order, and the parts are added in theirs; there are as many as a group
/// of the vector form has warps.
/// </summary>
public static class AffineProductIlgpu
{
    private const int VectorTokens = 4;
    private const int ChunkColumns = 128;

    /// <summary>Group (panel of 32 outputs, four tokens): a lane has an output, warps share chunks of columns out; for few tokens.</summary>
    public static void Vector(
        ArrayView<float> x, ArrayView<byte> w, ArrayView<float> bias, ArrayView<float> y, int tokens, int outputs, int inner,
        int format, int group, int slab, int offsetsAt, int codesAt, int slabBytes, long panelBytes)
    {
        int token = VectorTokens * Grid.IdxY, left = tokens - token;
        var rows = new AffineRows(w, format, group, slab, offsetsAt, codesAt, slabBytes, panelBytes);
        Dot(x, rows, bias, y, token, left < VectorTokens ? left : VectorTokens, Grid.IdxX, outputs, inner);
    }

    /// <summary>As <see cref="Vector"/> for rows of x with an expert each; w has the experts' panels one after another. Group (panel of an expert, row).</summary>
    public static void ExpertVector(
        ArrayView<float> x, ArrayView<byte> w, ArrayView<int> rowExperts, ArrayView<float> y, int outputs, int inner,
        int format, int group, int slab, int offsetsAt, int codesAt, int slabBytes, long panelBytes)
    {
        var rows = new AffineRows(w, format, group, slab, offsetsAt, codesAt, slabBytes, panelBytes);
        Dot(x, rows, ArrayView<float>.Empty, y, Grid.IdxY, 1, (long)rowExperts[Grid.IdxY] * Panels(outputs) + Grid.IdxX, outputs, inner);
    }

    /// <summary>Group (tile of 4·side outputs, tile of 4·side tokens) of side² threads, as <see cref="MatMulIlgpu.TiledF32"/>.</summary>
    public static void Tiled(
        ArrayView<float> x, ArrayView<byte> w, ArrayView<float> bias, ArrayView<float> y, int tokens, int outputs, int inner,
        int format, int group, int slab, int offsetsAt, int codesAt, int slabBytes, long panelBytes, int parts)
    {
        var rows = new AffineRows(w, format, group, slab, offsetsAt, codesAt, slabBytes, panelBytes);
        Tiles(x, rows, bias, y, 0, tokens, 0, outputs, inner, parts);
    }

    /// <summary>As <see cref="Tiled"/> for the rows starts[expert] … starts[expert + 1] of each expert, which is the group's third index.</summary>
    public static void ExpertTiled(
        ArrayView<float> x, ArrayView<byte> w, ArrayView<int> starts, ArrayView<float> y, int outputs, int inner,
        int format, int group, int slab, int offsetsAt, int codesAt, int slabBytes, long panelBytes, int parts)
    {
        var rows = new AffineRows(w, format, group, slab, offsetsAt, codesAt, slabBytes, panelBytes);
        int expert = Grid.IdxZ;
        Tiles(x, rows, ArrayView<float>.Empty, y, starts[expert], starts[expert + 1], (long)expert * Panels(outputs) * AffineRows.PanelRows, outputs, inner, parts);
    }

    /// <summary>Group (token): output[i] = row ids[i] of a table. ids [T], output [T, columns].</summary>
    public static void Embed(
        ArrayView<byte> table, ArrayView<int> ids, ArrayView<float> output, int columns,
        int format, int group, int slab, int offsetsAt, int codesAt, int slabBytes, long panelBytes)
    {
        var rows = new AffineRows(table, format, group, slab, offsetsAt, codesAt, slabBytes, panelBytes);
        int id = ids[Grid.IdxX];
        long to = (long)Grid.IdxX * columns;
        for (int c = 4 * Group.IdxX; c < columns; c += 4 * Group.DimX)
        {
            Float4 quad = rows.Weights(id, c, columns);
            output[to + c] = quad.A;
            if (c + 1 < columns)
            {
                output[to + c + 1] = quad.B;
            }
            if (c + 2 < columns)
            {
                output[to + c + 2] = quad.C;
            }
            if (c + 3 < columns)
            {
                output[to + c + 3] = quad.D;
            }
        }
    }

    private static void Tiles(ArrayView<float> from, AffineRows w, ArrayView<float> bias, ArrayView<float> y, int firstRow, int endRow, long weightRow, int outputs, int inner, int parts)
    {
        ArrayView<Float4> a = SharedMemory.Allocate<Float4>(TileRows.Columns * TileRows.Pitch);
        ArrayView<Float4> b = SharedMemory.Allocate<Float4>(TileRows.Columns * TileRows.Pitch);
        var x = new StoredRows<float, F32Decoder>(from, ArrayView<float>.Empty);
        int side = Group.DimY;
        long token0 = firstRow + (long)Grid.IdxY * 4 * side;
        int output0 = Grid.IdxX * 4 * side;
        if (token0 >= endRow)
        {
            return;
        }
        TileSums total = default;
        for (int part = 0; part < parts; part++)
        {
            TileSums sums = default;
            for (int chunk = part * ChunkColumns; chunk < inner; chunk += parts * ChunkColumns)
            {
                int end = inner - chunk < ChunkColumns ? inner : chunk + ChunkColumns;
                for (int k0 = chunk; k0 < end; k0 += TileRows.Columns)
                {
                    x.Fill(a, token0, endRow, k0, inner);
                    w.Fill(b, weightRow + output0, weightRow + outputs, k0, inner);
                    Group.Barrier();
                    for (int k = 0; k < TileRows.Columns; k += 4)
                    {
                        sums = sums.AddQuad(a, b, k);
                    }
                    Group.Barrier();
                }
            }
            total = total.Plus(sums);
        }
        MatMulIlgpu.Store(x, w, bias, y, token0, endRow, weightRow, output0, outputs, total);
    }

    private static int Panels(int outputs) => (outputs + AffineRows.PanelRows - 1) / AffineRows.PanelRows;

    /// <summary>
    /// The outputs of a panel for up to <see cref="VectorTokens"/> tokens. Threads beyond a warp's, or all where there are fewer
    /// than a panel has rows, take chunks of columns in turns; the order of sums is fixed by the group's size.
    /// </summary>
    private static void Dot(ArrayView<float> x, AffineRows w, ArrayView<float> bias, ArrayView<float> y, long token, int count, long panel, int outputs, int inner)
    {
        ArrayView<Float4> sums = SharedMemory.Allocate<Float4>(GroupReduce.MaxThreads);
        int lanes = Group.DimX < AffineRows.PanelRows ? Group.DimX : AffineRows.PanelRows;
        int parts = Group.DimX / lanes, part = Group.IdxX / lanes, first = Grid.IdxX * AffineRows.PanelRows;
        long x0 = token * inner;
        // A missing token repeats the last one and is not stored.
        long x1 = count > 1 ? x0 + inner : x0;
        long x2 = count > 2 ? x1 + inner : x1;
        long x3 = count > 3 ? x2 + inner : x2;
        for (int lane = Group.IdxX % lanes; lane < AffineRows.PanelRows; lane += lanes)
        {
            Float4 sum = default;
            for (int chunk = part * ChunkColumns; chunk < inner; chunk += parts * ChunkColumns)
            {
                sum = Chunk(x, w, panel, lane, x0, x1, x2, x3, count, chunk, chunk + ChunkColumns < inner ? chunk + ChunkColumns : inner, inner, sum);
            }
            sums[Group.IdxX] = sum;
            Group.Barrier();
            if (part == 0 && first + lane < outputs)
            {
                for (int other = 1; other < parts; other++)
                {
                    sum = sum.Plus(sums[Group.IdxX + other * lanes]);
                }
                int output = first + lane;
                float added = bias.Length > 0 ? bias[output] : 0f;
                long to = token * outputs + output;
                y[to] = sum.A + added;
                if (count > 1)
                {
                    y[to + outputs] = sum.B + added;
                }
                if (count > 2)
                {
                    y[to + 2L * outputs] = sum.C + added;
                }
                if (count > 3)
                {
                    y[to + 3L * outputs] = sum.D + added;
                }
            }
            // No barrier before the next turn: where there are several, a group is less than a warp and a thread reads only its own.
        }
    }

    /// <summary>Adds to four dot products what some columns of a row contribute.</summary>
    private static Float4 Chunk(ArrayView<float> x, AffineRows w, long panel, int lane, long x0, long x1, long x2, long x3, int count, int column, int end, int inner, Float4 before)
    {
        float s0 = before.A, s1 = before.B, s2 = before.C, s3 = before.D;
        int slab = column / w.SlabColumns, inSlab = column - slab * w.SlabColumns, group = inSlab / w.GroupColumns;
        long at = w.Slab(panel, slab);
        while (column < end)
        {
            // Columns that share a scale.
            AffineGroup own = w.Group(at, group, lane);
            int stop = column + (group + 1) * w.GroupColumns - inSlab;
            stop = stop < end ? stop : end;
            for (; column < stop; column += 4)
            {
                Float4 weights = own.Weights(w.Values(at, inSlab, lane));
                s0 = weights.AddDot(s0, Four(x, x0, column, inner));
                if (count > 1)
                {
                    s1 = weights.AddDot(s1, Four(x, x1, column, inner));
                    s2 = weights.AddDot(s2, Four(x, x2, column, inner));
                    s3 = weights.AddDot(s3, Four(x, x3, column, inner));
                }
                inSlab += 4;
            }
            group++;
            if (inSlab >= w.SlabColumns)
            {
                slab++;
                at = w.Slab(panel, slab);
                inSlab = 0;
                group = 0;
            }
        }
        return new Float4(s0, s1, s2, s3);
    }

    /// <summary>Four numbers of a row of x; zeros beyond its end.</summary>
    private static Float4 Four(ArrayView<float> x, long row, int column, int inner)
    {
        long at = row + column;
        return inner % 4 == 0
            ? x.Cast<Float4>()[at >> 2]
            : new Float4(x[at], column + 1 < inner ? x[at + 1] : 0f, column + 2 < inner ? x[at + 2] : 0f, column + 3 < inner ? x[at + 3] : 0f);
    }
}
