using Llama4Kernels.Engine.Checkpoints.SafeTensors;
using Llama4Kernels.Kernels.Contracts;
using Llama4Kernels.Kernels.Numerics;
using Llama4Kernels.Kernels.Quantization;

namespace Llama4Kernels.Tests.Kernels.Quantization;

/// <summary>Stored integers against values that another decoder made of them, to the bit.</summary>
public sealed unsafe class CodedMatrixTests : IDisposable
{
    private readonly SafeTensorsFile _golden = SafeTensorsFile.Open(GoldenFiles.Path("quantised", "vectors.safetensors"));

    [Theory]
    [InlineData("int4.counting", 4)]
    [InlineData("int4.odd", 4)]
    [InlineData("int4.odd-asym", 4)]
    [InlineData("int8.odd", 8)]
    [InlineData("int8.odd-asym", 8)]
    public void PackedIntegersHaveTheReferenceValues(string name, int bits)
    {
        (int rows, int columns) = Shape($"{name}.values");
        int groups = (int)_golden.Get($"{name}.weight_scale").Shape[1];
        bool zeros = _golden.TryGet($"{name}.weight_zero_point", out TensorInfo? zero);
        WeightFormat format = zeros ? KeptFormats.Integers(bits, columns / groups, ScaleKind.BF16, OffsetKind.Zero) : KeptFormats.Integers(bits, columns / groups, ScaleKind.BF16, OffsetKind.None);
        TensorInfo packed = _golden.Get($"{name}.weight_packed");
        var matrix = new IntegerMatrix(
            _golden.Address(packed), packed.Shape[1] * 4, rows, columns, format, Numbers($"{name}.weight_scale"),
            zeros ? new GroupNumbers(_golden.Address(zero!), null, groups, Bits: bits) : default);
        Check(matrix, _golden.ReadFloats($"{name}.values"));
    }

    [Theory]
    [InlineData("mlx.2bit", 2)]
    [InlineData("mlx.4bit", 4)]
    [InlineData("mlx.8bit", 8)]
    public void AffineIntegersHaveTheReferenceValues(string name, int bits)
    {
        (int rows, int columns) = Shape($"{name}.values");
        int groups = (int)_golden.Get($"{name}.scales").Shape[1];
        var matrix = new IntegerMatrix(
            _golden.Address(_golden.Get($"{name}.weight")), columns * bits / 8, rows, columns, KeptFormats.Integers(bits, columns / groups, ScaleKind.BF16, OffsetKind.Added),
            Numbers($"{name}.scales"), Numbers($"{name}.biases"));
        Check(matrix, _golden.ReadFloats($"{name}.values"));
    }

    [Fact]
    public void BlocksShareAScaleOverTheirRowsAndAShortBlockHasItsOwn()
    {
        const int Rows = 5, Columns = 7;
        byte[] codes = [.. Enumerable.Range(0, Rows * Columns).Select(i => (byte)(3 * i + 11))];
        float[] scales = [2f, 0.5f, 3f, 0.25f, 5f, 7f];
        fixed (byte* data = codes)
        fixed (float* numbers = scales)
        {
            var matrix = new BlockFp8Matrix((nint)data, Rows, Columns, KeptFormats.Fp8Blocks(4, ScaleKind.F32), new GroupNumbers((nint)numbers, ElementType.F32, 2, RowsPerNumber: 2));
            float[] expected = [.. codes.Select((code, i) => Fp8.ToSingle(code) * scales[i / Columns / 2 * 2 + i % Columns / 4])];
            Check(matrix, expected);
        }
    }

    [Fact]
    public void BytesWithSignsAndZeroPointsCountFromMinus128()
    {
        sbyte[] codes = [-128, -1, 0, 1, 127, 5], zeros = [-128, 127];
        float[] scales = [0.5f, 2f];
        fixed (sbyte* data = codes, zero = zeros)
        fixed (float* numbers = scales)
        {
            var scale = new GroupNumbers((nint)numbers, ElementType.F32, 1);
            var symmetric = new IntegerMatrix((nint)data, 3, 2, 3, KeptFormats.Integers(8, 0, ScaleKind.F32, OffsetKind.None), scale, IsSigned: true);
            Check(symmetric, [-64f, -0.5f, 0f, 2f, 254f, 10f]);
            var shifted = new IntegerMatrix((nint)data, 3, 2, 3, KeptFormats.Integers(8, 0, ScaleKind.F32, OffsetKind.Zero), scale, new GroupNumbers((nint)zero, null, 1, Bits: 8, IsByte: true), IsSigned: true);
            Check(shifted, [0f, 63.5f, 64f, -252f, 0f, -244f]);
        }
    }

    [Fact]
    public void WhatCannotBeReadIsRefused()
    {
        WeightFormat format = KeptFormats.Integers(4, 32, ScaleKind.BF16, OffsetKind.None);
        var matrix = new IntegerMatrix(1, 16, 1, 32, format, new GroupNumbers(1, ElementType.BF16, 1));
        matrix.Check();
        Assert.Throws<ArgumentException>(() => (matrix with { Data = 0 }).Check());
        Assert.Throws<ArgumentException>(() => (matrix with { Scales = default }).Check());
        Assert.Throws<ArgumentException>(() => (matrix with { Codes = KeptFormats.Integers(4, 32, ScaleKind.BF16, OffsetKind.Zero) }).Check());
        Assert.Throws<NotSupportedException>(() => matrix.Copy(0, 0, 1, null));
        Assert.Throws<ArgumentException>(() => new GroupNumbers(1, ElementType.F8E4M3, 1).ScaleKind);
    }

    public void Dispose() => _golden.Dispose();

    /// <summary>Whole rows, and every piece of one, so that pieces may begin and end anywhere.</summary>
    private static void Check(CodedMatrix matrix, float[] expected)
    {
        matrix.Check();
        float[] actual = new float[expected.Length];
        fixed (float* values = actual)
        {
            for (int row = 0; row < matrix.Rows; row++)
            {
                matrix.Read(row, 0, matrix.Columns, values + row * matrix.Columns);
            }
            Assert.Equal(expected, actual);
            for (int first = 0; first < matrix.Columns; first += 3)
            {
                int width = Math.Min(5, matrix.Columns - first);
                matrix.Read(matrix.Rows - 1, first, width, values);
                Assert.Equal(expected.AsSpan((matrix.Rows - 1) * matrix.Columns + first, width), actual.AsSpan(0, width));
            }
        }
    }

    private (int Rows, int Columns) Shape(string name) => ((int)_golden.Get(name).Shape[0], (int)_golden.Get(name).Shape[1]);

    private GroupNumbers Numbers(string name) => new(_golden.Address(_golden.Get(name)), ElementType.BF16, _golden.Get(name).Shape[1]);
}
