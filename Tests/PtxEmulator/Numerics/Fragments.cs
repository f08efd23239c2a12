using Llama4Kernels.PtxEmulator.Numerics;

namespace Llama4Kernels.Tests.PtxEmulator.Numerics;

/// <summary>Matrices to registers and back, element by element as the PTX manual's tables for each shape say.</summary>
internal static class Fragments
{
    public static uint[,] Execute(in MatrixForm form, uint[,] a, uint[,] b, uint[,] c)
    {
        uint[] x = new uint[form.ARegisters * 32], y = new uint[form.BRegisters * 32], z = new uint[form.DRegisters * 32], result = new uint[form.DRegisters * 32];
        int bits = form.ElementBits;
        uint mask = bits == 32 ? uint.MaxValue : (1u << bits) - 1;
        for (int lane = 0; lane < 32; lane++)
        {
            for (int i = 0; i < form.M * form.K / 32; i++)
            {
                (int row, int k) = A(bits, form.M, form.K, lane, i);
                x[(i * bits / 32 * 32) + lane] |= (a[row, k] & mask) << (i * bits % 32);
            }
            for (int i = 0; i < 8 * form.K / 32; i++)
            {
                (int k, int column) = B(bits, lane, i);
                y[(i * bits / 32 * 32) + lane] |= (b[column, k] & mask) << (i * bits % 32);
            }
            for (int i = 0; i < form.M / 4; i++)
            {
                (int row, int column) = C(lane, i);
                z[((form.HalfAccumulator ? i / 2 : i) * 32) + lane] |= form.HalfAccumulator ? c[row, column] << (16 * (i & 1)) : c[row, column];
            }
        }
        MatrixMultiply.Execute(form, x, y, z, result);
        uint[,] d = new uint[form.M, 8];
        for (int lane = 0; lane < 32; lane++)
        {
            for (int i = 0; i < form.M / 4; i++)
            {
                (int row, int column) = C(lane, i);
                d[row, column] = form.HalfAccumulator ? (result[(i / 2 * 32) + lane] >> (16 * (i & 1))) & 0xFFFF : result[(i * 32) + lane];
            }
        }
        return d;
    }

    public static int[,] ExecuteF64(in MatrixForm form, int[,] a, int[,] b, int[,] c)
    {
        ulong[] x = new ulong[form.ARegisters * 32], y = new ulong[form.BRegisters * 32], z = new ulong[form.DRegisters * 32];
        for (int lane = 0; lane < 32; lane++)
        {
            for (int i = 0; i < form.ARegisters; i++)
            {
                (int row, int k) = A(64, form.M, form.K, lane, i);
                x[(i * 32) + lane] = BitConverter.DoubleToUInt64Bits(a[row, k]);
            }
            for (int i = 0; i < form.BRegisters; i++)
            {
                (int k, int column) = B(64, lane, i);
                y[(i * 32) + lane] = BitConverter.DoubleToUInt64Bits(b[column, k]);
            }
            for (int i = 0; i < form.DRegisters; i++)
            {
                (int row, int column) = C(lane, i);
                z[(i * 32) + lane] = BitConverter.DoubleToUInt64Bits(c[row, column]);
            }
        }
        MatrixMultiply.Execute(form, x, y, z, z);
        int[,] d = new int[form.M, 8];
        for (int lane = 0; lane < 32; lane++)
        {
            for (int i = 0; i < form.DRegisters; i++)
            {
                (int row, int column) = C(lane, i);
                d[row, column] = (int)BitConverter.UInt64BitsToDouble(z[(i * 32) + lane]);
            }
        }
        return d;
    }

    private static (int Row, int K) A(int bits, int m, int k, int lane, int i)
    {
        int g = lane >> 2, t = lane & 3;
        return (bits, m, k) switch
        {
            (16, 16, 8) => (g + (8 * (i >> 1)), (2 * t) + (i & 1)),
            (16, 16, 16) => (g + (8 * ((i >> 1) & 1)), (2 * t) + (i & 1) + (8 * (i >> 2))),
            (32, 16, _) => (g + (8 * (i & 1)), t + (4 * (i >> 1))),
            (64, 16, _) => (g + (8 * (i % 2)), t + (4 * (i / 2))),
            (64, 8, 4) => (g, t),
            (8, 8, 16) => (g, (4 * t) + i),
            (8, 16, 16) => (g + (8 * (i >> 2)), (4 * t) + (i & 3)),
            (8, 16, 32) => (g + (8 * ((i >> 2) & 1)), (4 * t) + (i & 3) + (16 * (i >> 3))),
            (4, 8, 32) => (g, (8 * t) + i),
            (4, 16, 32) => (g + (8 * (i >> 3)), (8 * t) + (i & 7)),
            (4, 16, 64) => (g + (8 * ((i >> 3) & 1)), (8 * t) + (i & 7) + (32 * (i >> 4))),
            (1, 8, 128) => (g, (32 * t) + i),
            (1, 16, 128) => (g + (8 * (i >> 5)), (32 * t) + (i & 31)),
            (1, 16, 256) => (g + (8 * ((i >> 5) & 1)), (32 * t) + (i & 31) + (128 * (i >> 6))),
            _ => throw new ArgumentOutOfRangeException(nameof(bits)),
        };
    }

    private static (int K, int Column) B(int bits, int lane, int i)
    {
        int g = lane >> 2, t = lane & 3;
        return (bits switch
        {
            64 or 32 => t + (4 * i),
            16 => (2 * t) + (i & 1) + (8 * (i >> 1)),
            8 => (4 * t) + (i & 3) + (16 * (i >> 2)),
            4 => (8 * t) + (i & 7) + (32 * (i >> 3)),
            _ => (32 * t) + (i & 31) + (128 * (i >> 5)),
        }, g);
    }

    private static (int Row, int Column) C(int lane, int i) => ((lane >> 2) + (8 * (i >> 1)), (2 * (lane & 3)) + (i & 1));
}
