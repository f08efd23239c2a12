using Llama4Kernels.Kernels.Backends;
using Llama4Kernels.Kernels.MatMul;
using Llama4Kernels.Kernels.Numerics;
using Llama4Kernels.Kernels.Threading;

namespace Llama4Kernels.Tests.Kernels.MatMul;

public sealed unsafe class PackedMatrixTests
{
    // Element (r, k) of a packed matrix, from the layout in its documentation.
    private static float Element(PackedMatrix w, int r, int k)
    {
        byte* panel = w.Data + (r / 32) * w.PanelBytes;
        return w.Format == ElementType.BF16
            ? Bf16.ToSingle(((ushort*)panel)[(k / 2) * 64 + (r % 32) * 2 + k % 2])
            : ((float*)panel)[k * 32 + r % 32];
    }

    private static void AssertElements(float[] expected, PackedMatrix w)
    {
        for (int r = 0; r < w.Panels * 32; r++)
        {
            for (int k = 0; k < w.Steps * 2; k++)
            {
                float value = r < w.Rows && k < w.Columns ? expected[r * w.Columns + k] : 0;
                Assert.True(value.Equals(Element(w, r, k)), $"[{r}, {k}]: {value} expected, {Element(w, r, k)} found");
            }
        }
    }

    [Theory]
    [InlineData(ElementType.BF16, 1, 1)]
    [InlineData(ElementType.BF16, 33, 63)]
    [InlineData(ElementType.BF16, 300, 70)]
    [InlineData(ElementType.F32, 15, 3)]
    [InlineData(ElementType.F32, 97, 70)]
    public void Packs_any_size_from_unaligned_memory(ElementType type, int rows, int columns)
    {
        using var team = new ThreadTeam(2);
        var test = new MatMulCase(1, rows, columns, type);
        byte[] shifted = [0, .. test.WeightBytes];
        fixed (byte* data = shifted)
        {
            using var w = PackedMatrix.Pack([MatrixSource.RowMajor((nint)data + 1, type, rows, columns)], team);
            Assert.Equal((rows, columns, type), (w.Rows, w.Columns, w.Format));
            Assert.Equal((rows + 31) / 32 * 32L * ((columns + 1) / 2 * 2) * type.Size(), w.Bytes);
            Assert.Equal(0, (nint)w.Data % 64);
            AssertElements(test.W, w);
        }
    }

    [Theory]
    [InlineData(ElementType.BF16, 300, 71)]
    [InlineData(ElementType.BF16, 256, 8)]
    [InlineData(ElementType.F32, 300, 71)]
    [InlineData(ElementType.BF16, 31, 5)]
    public void Packs_transposed_sources(ElementType type, int rows, int columns)
    {
        using var team = new ThreadTeam(2);
        var test = new MatMulCase(1, columns, rows, type);
        float[] expected = new float[rows * columns];
        for (int i = 0; i < expected.Length; i++)
        {
            expected[i] = test.W[i % columns * rows + i / columns];
        }
        fixed (byte* data = test.WeightBytes)
        {
            using var w = PackedMatrix.Pack([new MatrixSource((nint)data, type, rows, columns, 1, rows)], team);
            AssertElements(expected, w);
        }
    }

    [Fact]
    public void Stacks_sources_of_different_strides()
    {
        using var team = new ThreadTeam(2);
        var a = new MatMulCase(1, 19, 10, ElementType.BF16, 1);
        var b = new MatMulCase(1, 10, 70, ElementType.BF16, 2);
        var c = new MatMulCase(1, 40, 20, ElementType.BF16, 3);
        float[] expected = new float[(19 + 70 + 40) * 10];
        a.W.CopyTo(expected, 0);
        for (int r = 0; r < 70; r++)
        {
            for (int k = 0; k < 10; k++)
            {
                expected[(19 + r) * 10 + k] = b.W[k * 70 + r];
            }
        }
        for (int r = 0; r < 40; r++)
        {
            for (int k = 0; k < 10; k++)
            {
                expected[(89 + r) * 10 + k] = c.W[r * 20 + 2 * k];
            }
        }
        fixed (byte* pa = a.WeightBytes, pb = b.WeightBytes, pc = c.WeightBytes)
        {
            using var w = PackedMatrix.Pack(
                [
                    MatrixSource.RowMajor((nint)pa, ElementType.BF16, 19, 10),
                    new MatrixSource((nint)pb, ElementType.BF16, 70, 10, 1, 70),
                    new MatrixSource((nint)pc, ElementType.BF16, 40, 10, 20, 2),
                ],
                team);
            Assert.Equal(ElementType.BF16, w.Format);
            AssertElements(expected, w);
        }
    }

    [Theory]
    [InlineData(true)]
    [InlineData(false)]
    public void Every_fp8_code_times_its_row_scale(bool transposed)
    {
        using var team = new ThreadTeam(2);
        const int rows = 256, columns = 256;
        byte[] codes = new byte[rows * columns];
        float[] scales = new float[rows];
        float[] expected = new float[rows * columns];
        for (int r = 0; r < rows; r++)
        {
            scales[r] = 0.001f * (r + 1);
            for (int k = 0; k < columns; k++)
            {
                int code = (r + k) & 255;
                codes[transposed ? k * rows + r : r * columns + k] = (byte)code;
                int exponent = (code >> 3) & 15;
                double value = exponent == 0 ? (code & 7) / 8.0 * Math.Pow(2, -6) : (1 + (code & 7) / 8.0) * Math.Pow(2, exponent - 7);
                float signed = (code & 127) == 127 ? float.NaN : (float)(code >= 128 ? -value : value);
                expected[r * columns + k] = signed * scales[r];
            }
        }
        Assert.Equal(448, Fp8Values.Table[0x7e]);
        fixed (byte* data = codes)
        fixed (float* scale = scales)
        {
            using var w = PackedMatrix.Pack(
                [new MatrixSource((nint)data, ElementType.F8E4M3, rows, columns, transposed ? 1 : columns, transposed ? rows : 1, (nint)scale)], team);
            Assert.Equal(ElementType.F32, w.Format);
            AssertElements(expected, w);
        }
    }

    [Fact]
    public void Halves_become_exact_floats()
    {
        using var team = new ThreadTeam(1);
        Half[] values = [.. Enumerable.Range(0, 7 * 9).Select(i => (Half)(0.1 * i - 2)), Half.Epsilon];
        fixed (Half* data = values)
        {
            using var w = PackedMatrix.Pack([MatrixSource.RowMajor((nint)data, ElementType.F16, 8, 8)], team);
            AssertElements([.. values.Select(v => (float)v)], w);
        }
    }

    [Fact]
    public void Wrong_sources_are_refused()
    {
        using var team = new ThreadTeam(1);
        float value = 1;
        nint data = (nint)(&value);
        Assert.Throws<ArgumentException>(() => PackedMatrix.Pack([], team));
        Assert.Throws<ArgumentException>(() => PackedMatrix.Pack([MatrixSource.RowMajor(0, ElementType.F32, 1, 1)], team));
        Assert.Throws<ArgumentException>(() => PackedMatrix.Pack([MatrixSource.RowMajor(data, ElementType.F32, 0, 1)], team));
        Assert.Throws<ArgumentException>(() => PackedMatrix.Pack(
            [MatrixSource.RowMajor(data, ElementType.F32, 1, 1), MatrixSource.RowMajor(data, ElementType.F32, 1, 2)], team));
        Assert.Throws<ArgumentException>(() => PackedMatrix.Pack([MatrixSource.RowMajor(data, ElementType.F32, 1, 1) with { RowScales = data }], team));
        Assert.Throws<ArgumentOutOfRangeException>(() => PackedMatrix.Pack([MatrixSource.RowMajor(data, (ElementType)99, 1, 1)], team));
    }
}
