using Llama4Kernels.Kernels.Contracts;
using Llama4Kernels.Kernels.MatMul;
using Llama4Kernels.Kernels.Numerics;
using Llama4Kernels.Kernels.Quantization;
using Llama4Kernels.Kernels.Threading;

namespace Llama4Kernels.Tests.Kernels.Quantization;

/// <summary>Matrices whose columns lie together, turned while they are packed: the rows' bits, and the panels of the same matrix row by row.</summary>
public sealed class TurnedRowsTests : IDisposable
{
    private readonly ThreadTeam _team = new(2);
    private readonly PinnedArrays _pinned = new();

    public void Dispose()
    {
        _team.Dispose();
        _pinned.Dispose();
    }

    [Theory]
    [InlineData(ElementType.BF16, 1, 1)]
    [InlineData(ElementType.BF16, 130, 67)]
    [InlineData(ElementType.F16, 64, 8)]
    [InlineData(ElementType.F16, 23, 300)]
    public void RowsHaveTheirBits(ElementType type, int rows, int columns)
    {
        (StridedMatrix fused, StridedMatrix plain) = Both(type, rows, columns);
        using var turned = new TurnedRows([fused, plain, new QuantisedMatrix(Both(type, 9, 32).Fused)], 0, 2 * rows + 9);
        Assert.True(turned.Sources[0] is StridedMatrix { ColumnStride: 1 } own && own.Type == type && own.Rows == rows);
        Assert.Equal(plain, turned.Sources[1]);
        Assert.True(turned.Sources[2] is QuantisedMatrix { Numbers: StridedMatrix { ColumnStride: 1 } });
        float[] expected = new float[columns], actual = new float[columns];
        for (int r = 0; r < rows; r++)
        {
            fused.ReadRow(r, expected);
            turned.Sources[0].ReadRow(r, actual);
            Assert.Equal(expected, actual);
        }
        turned.Dispose();
    }

    /// <summary>Panels of every kind of codes, whole items and one that ends early, beside a matrix whose rows lie together.</summary>
    [Theory]
    [InlineData("fp8", ActivationPrecision.Float32)]
    [InlineData("fp8", ActivationPrecision.BFloat16)]
    [InlineData("int4", ActivationPrecision.Float32)]
    [InlineData("int8", ActivationPrecision.Float32)]
    [InlineData("int8", ActivationPrecision.Int8)]
    public unsafe void FusedMatricesArePackedAsThoseRowByRow(string format, ActivationPrecision activations)
    {
        const int Columns = 384;
        (StridedMatrix fused, StridedMatrix plain) = Both(ElementType.BF16, 203, Columns);
        StridedMatrix other = Both(ElementType.BF16, 41, Columns).Plain;
        using var linear = new CpuLinear(_team, activations, null);
        using CpuMatrix expected = Pack(other, plain), actual = Pack(other, fused);
        Assert.Equal(expected.Layout, actual.Layout);
        Assert.True(new ReadOnlySpan<byte>((void*)expected.Memory.Address, (int)expected.Bytes).SequenceEqual(new ReadOnlySpan<byte>((void*)actual.Memory.Address, (int)actual.Bytes)));

        CpuMatrix Pack(params MatrixSource[] sources) => (CpuMatrix)(format == "int8"
            ? linear.Pack(Array.ConvertAll(sources, source => (MatrixSource)new QuantisedMatrix(source)), null)
            : linear.Pack(sources, WeightFormat.Get(format)));
    }

    [Fact]
    public void OnlyNumbersOfTwoBytesWhoseColumnsLieTogetherAreTurned()
    {
        (StridedMatrix fused, StridedMatrix plain) = Both(ElementType.BF16, 40, 32);
        Assert.Equal(4, TurnedRows.PanelsAtOnce([plain, fused]));
        Assert.Equal(4, TurnedRows.PanelsAtOnce([new QuantisedMatrix(fused)]));
        using var stored = new RandomCodes("Q8_0", 8, 32, seed: 1);
        Assert.Equal(1, TurnedRows.PanelsAtOnce([new QuantisedMatrix(fused), stored.Matrix]));
        Assert.Equal(1, TurnedRows.PanelsAtOnce([plain, new QuantisedMatrix(plain), fused with { Type = ElementType.F8E4M3 }]));
    }

    private (StridedMatrix Fused, StridedMatrix Plain) Both(ElementType type, int rows, int columns)
    {
        var random = new Random(rows + columns);
        ushort[] bits = new ushort[rows * columns];
        for (int i = 0; i < bits.Length; i++)
        {
            float value = random.NextSingle() - 0.5f;
            bits[i] = type == ElementType.BF16 ? Bf16.FromSingle(value) : BitConverter.HalfToUInt16Bits((Half)value);
        }
        // Columns three elements apart beyond their own, as a part of wider tensors.
        ushort[] turned = _pinned.Make((rows + 3) * columns, i => i % (rows + 3) < rows ? bits[i % (rows + 3) * columns + i / (rows + 3)] : ushort.MaxValue), own = _pinned.Make(bits.Length, i => bits[i]);
        return (new StridedMatrix(PinnedArrays.Address(turned), type, rows, columns, 1, rows + 3), MatrixSource.RowMajor(PinnedArrays.Address(own), type, rows, columns));
    }
}
