using System.Runtime.InteropServices;
using Llama4Kernels.Kernels.Numerics;
using Llama4Kernels.Kernels.Quantization;

namespace Llama4Kernels.Tests.Kernels.Quantization;

/// <summary>Rows as <see cref="Int4Operand"/> has them, by the layout's own functions.</summary>
internal static class OperandBytes
{
    /// <summary>The order in which a lane adds that has a pair of each tile: the two tiles, then lanes 16, 8, … apart.</summary>
    public static IReadOnlyList<int> PairOfEachTile { get; } = [32, 16, 8, 4, 2, 1];

    /// <summary>The order in which a lane adds that has two pairs beside each other: those, then lanes 16, 8, … apart.</summary>
    public static IReadOnlyList<int> TwoPairs { get; } = [1, 32, 16, 8, 4, 2];

    /// <summary>Whether a value lies so near the middle between two bfloat16 that float32 sums may round it to either.</summary>
    public static bool IsBetween(double value)
    {
        float nearest = Bf16.ToSingle(Bf16.FromSingle((float)value));
        double step = Math.ScaleB(1, Math.ILogB(value) - 7);
        return Math.Abs(Math.Abs(value - nearest) - (step / 2)) < 4e-6 * Math.Abs(value);
    }

    /// <summary>The bytes of rows of equal length, a multiple of 128.</summary>
    /// <param name="x">The rows.</param>
    /// <param name="order">How far apart the pairs are that are added up, in turn; null for <see cref="PairOfEachTile"/>.</param>
    /// <param name="withSums">False leaves the sums as memory is that nobody wrote.</param>
    public static byte[] Of(float[][] x, IReadOnlyList<int>? order = null, bool withSums = true)
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
                if (!withSums)
                {
                    to[Int4Operand.ValueBytes..].Fill(0xFF);
                    continue;
                }
                foreach (int distance in order ?? PairOfEachTile)
                {
                    float[] before = [.. pairs];
                    for (int i = 0; i < pairs.Length; i++)
                    {
                        pairs[i] = before[i] + before[i ^ distance];
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
