using System.Runtime.InteropServices;
using Llama4Kernels.Kernels.Numerics;
using Llama4Kernels.Kernels.Quantization;

namespace Llama4Kernels.Tests.Kernels.Quantization;

/// <summary>Rows as <see cref="Int4Operand"/> has them, by the layout's own functions.</summary>
internal static class OperandBytes
{
    /// <summary>The bytes of rows of equal length, a multiple of 128.</summary>
    public static byte[] Of(float[][] x)
    {
        int columns = x[0].Length, groups = columns / Int4Tiles.GroupColumns;
        var operand = new byte[x.Length * Int4Operand.RowBytes(columns)];
        for (int row = 0; row < x.Length; row++)
        {
            for (int group = 0; group < groups; group++)
            {
                Span<byte> to = operand.AsSpan((int)(row * Int4Operand.RowBytes(columns)) + (group * Int4Operand.GroupBytes), Int4Operand.GroupBytes);
                float[] pairs = new float[Int4Tiles.GroupColumns / 2];
                for (int column = 0; column < Int4Tiles.GroupColumns; column++)
                {
                    ushort bits = Bf16.FromSingle(x[row][(group * Int4Tiles.GroupColumns) + column]);
                    MemoryMarshal.Write(to[Int4Operand.Place(column)..], bits);
                    pairs[column / 2] += Bf16.ToSingle(bits);
                }
                // The order in which the warp adds: the two tiles of a lane, then lanes 16, 8, … apart.
                for (int half = 32; half > 0; half /= 2)
                {
                    for (int i = 0; i < half; i++)
                    {
                        pairs[i] += pairs[i + half];
                    }
                }
                for (int copy = 0; copy < Int4Operand.SumBytes / sizeof(float); copy++)
                {
                    MemoryMarshal.Write(to[(Int4Operand.ValueBytes + (copy * sizeof(float)))..], -24 * pairs[0]);
                }
            }
        }
        return operand;
    }
}
