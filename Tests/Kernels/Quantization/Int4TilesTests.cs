using System.Buffers.Binary;
using System.Numerics;
using Llama4Kernels.Kernels.Numerics;
using Llama4Kernels.Kernels.Ptx;
using Llama4Kernels.Kernels.Quantization;

namespace Llama4Kernels.Tests.Kernels.Quantization;

/// <summary>The layouts of int4 weights and their activations: codes and scales arrive bit for bit, where the fragments want them.</summary>
public class Int4TilesTests
{
    private const float LeastNormal = 1.17549435e-38f;

    [Theory]
    [InlineData(32, 128)]
    [InlineData(32, 384)]
    [InlineData(17, 256)]
    [InlineData(1, 128)]
    public void CodesAndScalesAreKeptAndTheRestIsZero(int rows, int columns)
    {
        var random = new Random(rows + columns);
        byte[] codes = new byte[rows * columns / 2];
        random.NextBytes(codes);
        float[] scales = [.. Enumerable.Range(0, rows * columns / 128).Select(_ => random.NextSingle())];
        byte[] unit = new byte[Int4Tiles.UnitCodeBytes(columns)];
        float[] unitScales = new float[Int4Tiles.UnitScaleBytes(columns) / sizeof(float)];
        random.NextBytes(unit);
        Array.Fill(unitScales, float.NaN);
        Int4Tiles.Pack(codes, scales, columns, unit, unitScales);
        for (int row = 0; row < Int4Tiles.UnitRows; row++)
        {
            for (int column = 0; column < columns; column++)
            {
                int expected = row >= rows ? 0 : (sbyte)(codes[((row * columns) + column) / 2] << (column % 2 == 0 ? 4 : 0)) >> 4;
                Assert.Equal(expected, Int4Tiles.Code(unit, row, column, columns));
            }
            for (int group = 0; group < columns / 128; group++)
            {
                Assert.Equal(row < rows ? scales[(row * (columns / 128)) + group] : 0, unitScales[Int4Tiles.ScalePlace(row, group)]);
            }
        }
    }

    /// <summary>Every word, shifted, masked and flipped as the kernel does, gives its lane the fragment of its block of 16 columns.</summary>
    [Fact]
    public void WordsAreFragments()
    {
        const int Columns = 256;
        var random = new Random(1);
        byte[] codes = new byte[Int4Tiles.UnitRows * Columns / 2];
        random.NextBytes(codes);
        byte[] unit = new byte[Int4Tiles.UnitCodeBytes(Columns)];
        Int4Tiles.Pack(codes, [.. Enumerable.Repeat(1f, Int4Tiles.UnitRows * 2)], Columns, unit, new float[2 * Int4Tiles.UnitRows]);
        for (int i = 0; i < unit.Length / sizeof(uint); i++)
        {
            int tile = i / 128, lane = i % 128 / 4, block = i % 4;
            uint word = BinaryPrimitives.ReadUInt32LittleEndian(unit.AsSpan(i * sizeof(uint)));
            uint[] registers = [word, word >> 4, word >> 8, BitOperations.RotateRight(word, 12)];
            for (int element = 0; element < 8; element++)
            {
                (int row, int column) = MatrixFragments.A(lane, element);
                uint pair = (registers[element / 2] & Int4Tiles.Mask) ^ Int4Tiles.Flip;
                int code = Int4Tiles.Code(unit, (tile / (Columns / 64) * 16) + row, (tile % (Columns / 64) * 64) + (block * 16) + column, Columns);
                Assert.Equal(Int4Tiles.Offset + code, Bf16.ToSingle((ushort)(pair >> (16 * (element % 2)))));
            }
        }
    }

    /// <summary>Kernels divide one scale by the next: a zero, or what is nothing beside the row's largest, becomes a small one with codes of zero; what is no number stays.</summary>
    [Theory]
    [InlineData(new[] { 0f, 2f, -3f, 1e-30f }, new[] { 3f / (1L << 62), 2f, -3f, 3f / (1L << 62) })]
    [InlineData(new[] { 0f, 0f, 0f, 0f }, new[] { LeastNormal, LeastNormal, LeastNormal, LeastNormal })]
    [InlineData(new[] { 1e-39f, 0f, 1e-39f, 0f }, new[] { LeastNormal, LeastNormal, LeastNormal, LeastNormal })]
    [InlineData(new[] { 1e-10f, 1e5f, 1e-12f, -1e-10f }, new[] { 1e-10f, 1e5f, 1e-12f, -1e-10f })]
    [InlineData(new[] { 1f, float.NaN, 2f, 1e-7f }, new[] { 1f, float.NaN, 2f, 1e-7f })]
    public void ScalesAreNoZeros(float[] scales, float[] packed)
    {
        const int Columns = 512;
        byte[] unit = new byte[Int4Tiles.UnitCodeBytes(Columns)];
        float[] unitScales = new float[4 * Int4Tiles.UnitRows];
        Int4Tiles.Pack([.. Enumerable.Repeat((byte)0x35, Columns / 2)], scales, Columns, unit, unitScales);
        for (int group = 0; group < 4; group++)
        {
            Assert.Equal(packed[group], unitScales[Int4Tiles.ScalePlace(0, group)]);
            bool isKept = packed[group].Equals(scales[group]);
            Assert.Equal(isKept ? (5, 3) : (0, 0), (Int4Tiles.Code(unit, 0, group * 128, Columns), Int4Tiles.Code(unit, 0, (group * 128) + 127, Columns)));
        }
    }

    /// <summary>A lane's 16 bytes of a half are the b fragments of its two blocks.</summary>
    [Fact]
    public void ValuesAreFragments()
    {
        Assert.Equal(Enumerable.Range(0, 128).Select(column => 2 * column), Enumerable.Range(0, 128).Select(Int4Operand.Place).Order());
        for (int tile = 0; tile < 2; tile++)
        {
            for (int lane = 0; lane < 32; lane++)
            {
                for (int block = 0; block < 4; block++)
                {
                    for (int element = 0; element < 4; element++)
                    {
                        int column = (tile * 64) + (block * 16) + MatrixFragments.B(lane, element).Row;
                        Assert.Equal((tile * 128) + (block / 2 * Int4Operand.HalfBytes) + (lane % 4 * 16) + (block % 2 * 8) + (element * 2), Int4Operand.Place(column));
                    }
                }
            }
        }
    }

    [Theory]
    [InlineData(33, 128)]
    [InlineData(32, 64)]
    [InlineData(32, 192)]
    public void WhatIsNoUnitIsRefused(int rows, int columns) =>
        Assert.Throws<ArgumentException>(() => Int4Tiles.Pack(new byte[rows * columns / 2], new float[rows * (columns / 128)], columns, new byte[Int4Tiles.UnitCodeBytes(columns)], new float[columns / 128 * 32]));
}
