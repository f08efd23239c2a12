using Llama4Kernels.Kernels.Contracts;
using Llama4Kernels.Kernels.MatMul;
using Llama4Kernels.Kernels.Numerics;
using Llama4Kernels.Kernels.Quantization;
using Llama4Kernels.Kernels.Threading;

namespace Llama4Kernels.Tests.Kernels.Quantization;

/// <summary>Codes and scales of <see cref="Int4Panels"/>, read by its documented layout, are those of the codec: those of <see cref="PackedMatrix"/>, bit for bit.</summary>
public sealed unsafe class Int4PanelsTests : IDisposable
{
    private const int Inner = 384;

    private readonly ThreadTeam _team = new(2);
    private readonly Random _random = new(11);
    private readonly PinnedArrays _pinned = new();

    public void Dispose()
    {
        _team.Dispose();
        _pinned.Dispose();
    }

    [Theory]
    [InlineData(1)]
    [InlineData(63)]
    [InlineData(64)]
    [InlineData(130)]
    public void NumbersAreQuantisedAsTheCodecDoes(int rows)
    {
        float[] w = _pinned.Make(rows * Inner, i => (float)((_random.NextDouble() - 0.5) * Math.Pow(2, _random.Next(-8, 3))));
        // Ties, a group of zeros, one below the floor of scales, a negative zero, the largest and subnormal numbers.
        for (int i = 0; i < 128; i++)
        {
            w[i] = (i % 17 - 8) * 0.5f;
        }
        if (rows > 2)
        {
            w.AsSpan(Inner, 128).Clear();
            w.AsSpan(Inner + 128, 128).Fill(1e-8f);
            w[Inner + 130] = -0f;
            w[2 * Inner] = float.MaxValue;
            w[2 * Inner + 200] = float.Epsilon;
        }
        ushort[] bits = _pinned.Make(w.Length, i => Bf16.FromSingle(w[i])), columns = _pinned.Make(w.Length, i => Bf16.FromSingle(w[i % rows * Inner + i / rows]));
        byte[] codes = _pinned.Make(w.Length, _ => (byte)(_random.Next(0x7f) | _random.Next(2) << 7));
        float[] scales = _pinned.Make(rows, _ => _random.NextSingle() + 0.5f);
        MatrixSource[] sources =
        [
            MatrixSource.RowMajor(PinnedArrays.Address(w), ElementType.F32, rows, Inner),
            MatrixSource.RowMajor(PinnedArrays.Address(bits), ElementType.BF16, rows, Inner),
            new StridedMatrix(PinnedArrays.Address(columns), ElementType.BF16, rows, Inner, 1, rows),
            new StridedMatrix(PinnedArrays.Address(codes), ElementType.F8E4M3, rows, Inner, Inner, 1, PinnedArrays.Address(scales), ElementType.F32),
        ];
        Assert.All(sources, source => Same([source]));
        Same(sources);
    }

    [Fact]
    public void NotANumberStaysInItsGroup()
    {
        float[] w = _pinned.Make(70 * Inner, _ => _random.NextSingle() - 0.5f);
        w[3 * Inner + 5] = float.NaN;
        w[66 * Inner + 300] = float.PositiveInfinity;
        using Int4Panels packed = Same([MatrixSource.RowMajor(PinnedArrays.Address(w), ElementType.F32, 70, Inner)]);
        Assert.Equal((true, false, float.PositiveInfinity), (float.IsNaN(Scale(packed, 3, 0)), float.IsNaN(Scale(packed, 3, 128)), Scale(packed, 66, 256)));
    }

    /// <summary>Stored codes keep their bits, alone and between numbers.</summary>
    [Fact]
    public void StacksKeepStoredCodes()
    {
        using var first = new RandomCodes("int4g128-f32", 50, Inner, 1);
        using var last = new RandomCodes("int4g128-f32", 31, Inner, 2);
        float[] w = _pinned.Make(20 * Inner, _ => _random.NextSingle() - 0.5f);
        MatrixSource numbers = MatrixSource.RowMajor(PinnedArrays.Address(w), ElementType.F32, 20, Inner);
        using Int4Panels packed = Same([first.Matrix, numbers, last.Matrix]);
        Assert.Equal((101, Inner, "panels64", 2L * 3 * Int4Panels.BlockBytes), (packed.Rows, packed.Columns, packed.Layout, packed.Bytes));
        float[] values = [.. first.Values(), .. last.Values()];
        Assert.All(Enumerable.Range(0, values.Length), i =>
            Assert.Equal(values[i], Value(packed, i / Inner < 50 ? i / Inner : i / Inner + 20, i % Inner)));
        Same([first.Matrix]);
        Same([new RowStack(numbers, last.Matrix), first.Matrix]);
    }

    [Fact]
    public void WrongSourcesAndDisposedMatricesAreTypedErrors()
    {
        nint address = PinnedArrays.Address(_pinned.Make(130, _ => 0f));
        Assert.Contains("multiple of 128", Assert.Throws<ArgumentException>(() => Int4Panels.Pack([MatrixSource.RowMajor(address, ElementType.F32, 1, 130)], _team)).Message);
        Assert.Throws<ArgumentException>(() => Int4Panels.Pack([], _team));
        Int4Panels disposed = Int4Panels.Pack([MatrixSource.RowMajor(address, ElementType.F32, 1, 128)], _team);
        disposed.Dispose();
        Assert.Throws<ObjectDisposedException>(() => { _ = disposed.Panel(0); });
    }

    private Int4Panels Same(MatrixSource[] sources)
    {
        Int4Panels packed = Int4Panels.Pack(sources, _team);
        using PackedMatrix expected = PackedMatrix.Pack(sources, WeightFormat.Int4, _team);
        for (int r = 0; r < packed.Rows; r++)
        {
            for (int c = 0; c < Inner; c++)
            {
                Assert.True(
                    (expected.Code(r, c), BitConverter.SingleToInt32Bits(expected.Scale(r, c))) == (Code(packed, r, c), BitConverter.SingleToInt32Bits(Scale(packed, r, c))),
                    $"row {r}, column {c}: code {Code(packed, r, c)} for {expected.Code(r, c)}, scale {Scale(packed, r, c)} for {expected.Scale(r, c)}");
            }
        }
        Assert.All(Enumerable.Range(packed.Rows, packed.Panels * 64 - packed.Rows), r => Assert.Equal(0, Scale(packed, r, 0)));
        return packed;
    }

    private static float Value(Int4Panels w, int row, int column) => Code(w, row, column) * Scale(w, row, column);

    private static int Code(Int4Panels w, int row, int column)
    {
        int k = column % 128, line = k / 8 * 4 + row % 64 / 16;
        byte pair = Block(w, row, column)[line * 64 + row % 16 * 4 + k % 4];
        return (k % 8 < 4 ? pair & 15 : pair >> 4) - 8;
    }

    private static float Scale(Int4Panels w, int row, int column) => ((float*)(Block(w, row, column) + 4096))[row % 64];

    private static byte* Block(Int4Panels w, int row, int column) => w.Panel(row / 64) + column / 128 * 4352;
}
