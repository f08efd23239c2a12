using Llama4Kernels.Kernels.Contracts;
using Llama4Kernels.Kernels.MatMul;
using Llama4Kernels.Kernels.Numerics;
using Llama4Kernels.Kernels.Threading;

namespace Llama4Kernels.Tests.Kernels.MatMul;

public sealed unsafe class PackedMatrixTests : IDisposable
{
    private readonly ThreadTeam _team = new(2);

    [Theory]
    [InlineData(ElementType.BF16, 1, 1)]
    [InlineData(ElementType.BF16, 33, 63)]
    [InlineData(ElementType.BF16, 300, 70)]
    [InlineData(ElementType.BF16, 256, 8)]
    [InlineData(ElementType.F32, 15, 3)]
    [InlineData(ElementType.F32, 300, 71)]
    [InlineData(ElementType.F16, 40, 65)]
    [InlineData(ElementType.F8E4M3, 300, 67)]
    public void EveryLayoutOfASourcePacksToTheDocumentedPanels(ElementType type, int rows, int columns)
    {
        // Codes of few bits are exact in all types; scales are powers of two.
        int size = type.Size();
        byte[] memory = new byte[1 + rows * columns * size * 2];
        float[] scales = [.. Enumerable.Range(0, rows).Select(r => type == ElementType.F8E4M3 ? MathF.ScaleB(1, r % 5 - 2) : 1)];
        (long Row, long Column)[] layouts = [(columns, 1), (1, rows), (2 * columns, 2)];
        fixed (byte* start = memory)
        fixed (float* scale = scales)
        {
            foreach ((long rowStride, long columnStride) in layouts)
            {
                for (int r = 0; r < rows; r++)
                {
                    for (int c = 0; c < columns; c++)
                    {
                        Write(start + 1 + (r * rowStride + c * columnStride) * size, type, Code(r, c));
                    }
                }
                var source = new StridedMatrix((nint)start + 1, type, rows, columns, rowStride, columnStride, type == ElementType.F8E4M3 ? (nint)scale : 0);
                using PackedMatrix packed = PackedMatrix.Pack([source], type == ElementType.BF16 ? null : WeightFormat.F32, _team);
                Assert.Equal(type == ElementType.BF16 ? WeightFormat.BF16 : WeightFormat.F32, packed.Format);
                for (int r = 0; r < packed.Panels * 32; r++)
                {
                    for (int c = 0; c < (packed.Format == WeightFormat.BF16 ? packed.Steps * 2 : packed.Steps); c++)
                    {
                        float expected = r < rows && c < columns ? Code(r, c) * scales[r] : 0;
                        Assert.True(expected == Element(packed, r, c), $"strides ({rowStride}, {columnStride}) [{r}, {c}]: {Element(packed, r, c)} for {expected}");
                    }
                }
            }
        }
    }

    [Fact]
    public void ADisposedMatrixAndASourceWithoutDataAreRefused()
    {
        float value = 1;
        nint data = (nint)(&value);
        PackedMatrix packed = PackedMatrix.Pack([MatrixSource.RowMajor(data, ElementType.F32, 1, 1)], null, _team);
        packed.Dispose();
        CpuProduct record = CpuProducts.All.Single(record => record.Name == "matmul_f32_scalar");
        Assert.Throws<ObjectDisposedException>(() => record.Run(_team, packed, [1], 1, null, new float[1]));
        Assert.Throws<ArgumentException>(() => PackedMatrix.Pack([MatrixSource.RowMajor(0, ElementType.F32, 1, 1)], null, _team));
        Assert.Throws<ArgumentOutOfRangeException>(() => PackedMatrix.Pack([MatrixSource.RowMajor(data, (ElementType)99, 1, 1)], null, _team));
    }

    public void Dispose() => _team.Dispose();

    // 1 … 7 and their negatives: every format holds them.
    private static float Code(int row, int column) => ((row * 7 + column * 3) % 15) - 7;

    private static void Write(byte* at, ElementType type, float value)
    {
        switch (type)
        {
            case ElementType.F32:
                *(float*)at = value;
                break;
            case ElementType.BF16:
                *(ushort*)at = Bf16.FromSingle(value);
                break;
            case ElementType.F16:
                *(Half*)at = (Half)value;
                break;
            default:
                *at = (byte)Enumerable.Range(0, 256).First(code => Fp8.ToSingle((byte)code) == value);
                break;
        }
    }

    private static float Element(PackedMatrix w, int r, int c)
    {
        byte* panel = w.Panel(r / 32);
        return w.Format == WeightFormat.BF16
            ? Bf16.ToSingle(((ushort*)panel)[(c / 2) * 64 + (r % 32) * 2 + c % 2])
            : ((float*)panel)[c * 32 + r % 32];
    }
}
