using Llama4Kernels.Kernels.Contracts;
using Llama4Kernels.Kernels.MatMul;
using Llama4Kernels.Kernels.Numerics;
using Llama4Kernels.Kernels.Threading;
using Llama4Kernels.Tests.Kernels.Quantization;

namespace Llama4Kernels.Tests.Kernels.Contracts;

/// <summary>A matrix that lies in pieces packs to the same bytes as the whole one.</summary>
public sealed unsafe class MatrixSourceTests : IDisposable
{
    private const int Rows = 300, Columns = 256;

    private readonly ThreadTeam _team = new(2);
    private readonly float[] _values = new float[Rows * Columns];

    public MatrixSourceTests()
    {
        Random random = new(3);
        for (int i = 0; i < _values.Length; i++)
        {
            _values[i] = Bf16.Round((float)(random.NextDouble() - 0.5));
        }
    }

    public void Dispose() => _team.Dispose();

    [Theory]
    [InlineData(ElementType.F32, false)]
    [InlineData(ElementType.F32, true)]
    [InlineData(ElementType.BF16, false)]
    [InlineData(ElementType.BF16, true)]
    public void RowsAndColumnsInPieces(ElementType type, bool transposed)
    {
        fixed (byte* stored = Stored(type, transposed))
        {
            StridedMatrix whole = transposed
                ? new StridedMatrix((nint)stored, type, Rows, Columns, 1, Rows)
                : MatrixSource.RowMajor((nint)stored, type, Rows, Columns);
            MatrixSource[] pieces =
            [
                new RowStack(Slice(whole, 0, 37, 0, Columns), Slice(whole, 37, 200, 0, Columns), Slice(whole, 237, 63, 0, Columns)),
                new ColumnStack(Slice(whole, 0, Rows, 0, 5), Slice(whole, 0, Rows, 5, 123), Slice(whole, 0, Rows, 128, 128)),
                new RowStack(
                    new ColumnStack(Slice(whole, 0, 30, 0, 100), Slice(whole, 0, 30, 100, 156)),
                    new ColumnStack(Slice(whole, 30, 270, 0, 17), Slice(whole, 30, 270, 17, 239))),
            ];
            using PackedMatrix expected = PackedMatrix.Pack([whole], null, _team);
            Assert.Equal(WeightFormat.Of(type), expected.Format);
            using PackedMatrix quantised = PackedMatrix.Pack([whole], WeightFormat.Int4, _team);
            foreach (MatrixSource source in pieces)
            {
                Assert.Equal((Rows, Columns, (ElementType?)type), (source.Rows, source.Columns, source.PlainType));
                Assert.Equal((long)Rows * Columns * type.Size(), Covered(source, whole));
                using PackedMatrix packed = PackedMatrix.Pack([source], null, _team);
                Assert.True(new ReadOnlySpan<byte>(expected.Panel(0), (int)expected.Bytes).SequenceEqual(new ReadOnlySpan<byte>(packed.Panel(0), (int)packed.Bytes)));
                using PackedMatrix int4 = PackedMatrix.Pack([source], WeightFormat.Int4, _team);
                Assert.True(new ReadOnlySpan<byte>(quantised.Panel(0), (int)quantised.Bytes).SequenceEqual(new ReadOnlySpan<byte>(int4.Panel(0), (int)int4.Bytes)));
            }
        }
    }

    [Fact]
    public void PiecesWithScalesBecomeTheProducts()
    {
        byte[] codes = [.. Enumerable.Range(0, Rows * Columns).Select(i => (byte)(i * 7 % 120))];
        float[] scales = [.. Enumerable.Range(0, 2 * Rows).Select(i => MathF.ScaleB(1, i % 5 - 2))];
        fixed (byte* stored = codes)
        fixed (float* scale = scales)
        {
            StridedMatrix whole = MatrixSource.RowMajor((nint)stored, ElementType.F8E4M3, Rows, Columns);
            MatrixSource source = new ColumnStack(
                Slice(whole, 0, Rows, 0, 100) with { RowScales = (nint)scale },
                Slice(whole, 0, Rows, 100, 156) with { RowScales = (nint)(scale + Rows) });
            Assert.Null(source.PlainType);
            float* row = stackalloc float[Columns];
            source.Read(299, 0, Columns, row);
            Assert.Equal(Fp8.ToSingle(codes[299 * Columns + 99]) * scales[299], row[99]);
            Assert.Equal(Fp8.ToSingle(codes[299 * Columns + 100]) * scales[Rows + 299], row[100]);
            source.Read(0, 98, 4, row);
            Assert.Equal(Fp8.ToSingle(codes[101]) * scales[Rows], row[3]);
            using PackedMatrix packed = PackedMatrix.Pack([source], null, _team);
            Assert.Equal(WeightFormat.F32, packed.Format);
            // Two scales to a row are not the format's one: such codes cannot stay.
            Assert.Null(source.Format);
            using PackedMatrix again = PackedMatrix.Pack([source], WeightFormat.Fp8, _team), kept = PackedMatrix.Pack([whole], WeightFormat.Fp8, _team);
            Assert.Equal(codes[1], kept.Code(0, 1));
            Assert.NotEqual(codes[1], again.Code(0, 1));
        }
    }

    [Fact]
    public void PiecesThatDoNotFitAreRefused()
    {
        float value = 0;
        nint at = (nint)(&value);
        StridedMatrix one = MatrixSource.RowMajor(at, ElementType.F32, 1, 1), tall = one with { Rows = 2 }, wide = one with { Columns = 2 };
        Assert.Throws<ArgumentException>(() => PackedMatrix.Pack([new RowStack(one, wide)], null, _team));
        Assert.Throws<ArgumentException>(() => PackedMatrix.Pack([new ColumnStack(one, tall)], null, _team));
        Assert.Throws<ArgumentException>(() => PackedMatrix.Pack([new RowStack(one, one with { Data = 0 })], null, _team));
        Assert.Throws<ArgumentOutOfRangeException>(() => new RowStack());
        Assert.Throws<ArgumentOutOfRangeException>(() => new ColumnStack());
        Assert.Throws<OverflowException>(() => new RowStack(one with { Rows = int.MaxValue }, one));
    }

    private static StridedMatrix Slice(StridedMatrix whole, int row, int rows, int column, int columns) =>
        whole with { Data = (nint)whole.Element(row, column), Rows = rows, Columns = columns };

    // Bytes of the whole that the pieces' extents name, each once.
    private static long Covered(MatrixSource source, StridedMatrix whole)
    {
        (nint first, long bytes) = Assert.Single(whole.Extents);
        bool[] seen = new bool[bytes];
        foreach ((nint address, long length) in source.Extents)
        {
            Array.Fill(seen, true, (int)(address - first), (int)length);
        }
        return seen.Count(value => value);
    }

    private byte[] Stored(ElementType type, bool transposed)
    {
        byte[] bytes = new byte[_values.Length * type.Size()];
        for (int r = 0; r < Rows; r++)
        {
            for (int c = 0; c < Columns; c++)
            {
                int at = transposed ? c * Rows + r : r * Columns + c;
                float value = _values[r * Columns + c];
                _ = type == ElementType.F32
                    ? BitConverter.TryWriteBytes(bytes.AsSpan(4 * at), value)
                    : BitConverter.TryWriteBytes(bytes.AsSpan(2 * at), Bf16.FromSingle(value));
            }
        }
        return bytes;
    }
}
