using ILGPU;
using Llama4Kernels.Kernels.Attention;
using Llama4Kernels.Kernels.Numerics;

namespace Llama4Kernels.Kernels.Vision;

/// <summary>Bidirectional attention within tiles on the device: a tile is one block whose keys lie among the projections.</summary>
public static class VisionAttentionIlgpu
{
    /// <summary>
    /// Group (eight tokens, head, tile): qkv [tiles·n, 3·H·d], its q and k rotated already; output [tiles·n, H·d]. At least d
    /// threads.
    /// </summary>
    public static void Run(ArrayView<float> qkv, ArrayView<float> output, int tokens, int heads, int headDim)
    {
        ArrayView<Float4> queries = SharedMemory.Allocate<Float4>(2 * OctetAttention.MaxDim);
        ArrayView<int> limits = SharedMemory.Allocate<int>(OctetAttention.Rows);
        ArrayView<Float4> state = SharedMemory.Allocate<Float4>(6);
        int first = OctetAttention.Rows * Grid.IdxX;
        int vectors = tokens - first < OctetAttention.Rows ? tokens - first : OctetAttention.Rows;
        int head = Grid.IdxY * headDim;
        long columns = 3L * heads * headDim;
        long block = (long)Grid.IdxZ * tokens * columns;
        ArrayView<float> query = queries.Cast<float>();
        float scale = 1f / MathF.Sqrt(headDim);
        for (int i = 0; i < OctetAttention.Rows; i++)
        {
            for (int c = Group.IdxX; c < headDim; c += Group.DimX)
            {
                query[c * OctetAttention.Rows + i] = i < vectors ? qkv[block + (first + i) * columns + head + c] * scale : 0f;
            }
            if (Group.IdxX == 0)
            {
                limits[i] = tokens;
            }
        }
        Group.Barrier();
        var place = new KeyValuePlace(tokens, 0, 0, (long)heads * headDim + head, columns, 1, 2L * heads * headDim + head, columns);
        OctetAttention.Run<float, F32Decoder>(qkv, ArrayView<int>.Empty, block, place, queries, limits, state.Cast<float>(), headDim, 0, tokens, out Float4 low, out Float4 high);
        if (Group.IdxX < headDim)
        {
            Float4 lowWeights = state[2], highWeights = state[3];
            long width = (long)heads * headDim;
            long at = ((long)Grid.IdxZ * tokens + first) * width + head + Group.IdxX;
            Store(output, at, width, vectors, 0, low.A / lowWeights.A);
            Store(output, at, width, vectors, 1, low.B / lowWeights.B);
            Store(output, at, width, vectors, 2, low.C / lowWeights.C);
            Store(output, at, width, vectors, 3, low.D / lowWeights.D);
            Store(output, at, width, vectors, 4, high.A / highWeights.A);
            Store(output, at, width, vectors, 5, high.B / highWeights.B);
            Store(output, at, width, vectors, 6, high.C / highWeights.C);
            Store(output, at, width, vectors, 7, high.D / highWeights.D);
        }
    }

    private static void Store(ArrayView<float> output, long at, long width, int vectors, int i, float value)
    {
        if (i < vectors)
        {
            output[at + i * width] = value;
        }
    }
}
