using ILGPU;
using Llama4Kernels.Kernels.Numerics;

namespace Llama4Kernels.Kernels.Embedding;

/// <summary>output[i] = table[ids[i]] on the device: tables of float32, bfloat16 and half.</summary>
public static class TokenEmbeddingIlgpu
{
    /// <summary>Group (token): table rows stand rowStride elements apart; ids [T], output [T, columns].</summary>
    public static void F32(ArrayView<float> table, ArrayView<int> ids, ArrayView<float> output, int columns, long rowStride)
    {
        long source = ids[Grid.IdxX] * rowStride;
        long row = (long)Grid.IdxX * columns;
        for (int c = Group.IdxX; c < columns; c += Group.DimX)
        {
            output[row + c] = table[source + c];
        }
    }

    /// <summary>As <see cref="F32"/> for bf16 bits.</summary>
    public static void Bf16(ArrayView<ushort> table, ArrayView<int> ids, ArrayView<float> output, int columns, long rowStride)
    {
        long source = ids[Grid.IdxX] * rowStride;
        long row = (long)Grid.IdxX * columns;
        for (int c = Group.IdxX; c < columns; c += Group.DimX)
        {
            output[row + c] = DeviceMath.FromBf16(table[source + c]);
        }
    }

    /// <summary>As <see cref="F32"/> for IEEE half bits.</summary>
    public static void F16(ArrayView<ushort> table, ArrayView<int> ids, ArrayView<float> output, int columns, long rowStride)
    {
        long source = ids[Grid.IdxX] * rowStride;
        long row = (long)Grid.IdxX * columns;
        for (int c = Group.IdxX; c < columns; c += Group.DimX)
        {
            output[row + c] = DeviceMath.FromHalf(table[source + c]);
        }
    }
}
