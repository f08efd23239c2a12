using Llama4Kernels.Kernels.Contracts;
using Llama4Kernels.Kernels.Numerics;
using Llama4Kernels.Kernels.Quantization;
using Llama4Kernels.Tests.Kernels.Backends.Cuda;

namespace Llama4Kernels.Tests.Kernels.Quantization;

/// <summary>The list of weight formats, and that every row of it is complete.</summary>
public sealed unsafe class WeightFormatTests
{
    [Fact]
    public void EveryFormatHasANameACodecAndItsKernels()
    {
        Assert.Equal(WeightFormat.All, WeightCodec.All.Select(codec => codec.Format));
        Assert.Equal(WeightFormat.All.Count, WeightFormat.All.Select(format => format.Name).Distinct().Count());
        Assert.All(WeightFormat.All, format => Assert.Same(format, WeightFormat.Get(format.Name)));
        Assert.Contains("int4", Assert.Throws<ArgumentException>(() => WeightFormat.Get("int3")).Message);
        Assert.Throws<NotSupportedException>(() => WeightCodec.Of(WeightFormat.Int4 with { Name = "other" }));
        Assert.All(WeightFormat.All.Where(format => format != WeightFormat.F16), format => Assert.Contains("matvec_" + format.Name, EmulatedBackend.Modules.Names));
    }

    [Theory]
    [InlineData("f32", 0, 4096, 0, 32)]
    [InlineData("bf16", 0, 2048, 0, 16)]
    [InlineData("fp8", 1, 1024, 4, 8)]
    [InlineData("int4", 8, 512, 32, 4.25)]
    public void SizesFollowFromTheRecord(string name, int scales, long codeBytes, long scaleBytes, double bits)
    {
        WeightFormat format = WeightFormat.Get(name);
        Assert.Equal((scales, codeBytes, scaleBytes, bits), (format.ScalesPerRow(1024), format.CodeBytes(1024), format.ScaleBytes(1024), format.BitsPerWeight));
        Assert.Equal(7 * (codeBytes + scaleBytes), format.Bytes(7, 1024));
    }

    [Fact]
    public void AffineGroupsAreSizesOfTheSameRecord()
    {
        WeightFormat affine = new("u4g64", WeightEncoding.Unsigned, 4) { GroupColumns = 64, Scale = ScaleKind.BF16, Offset = OffsetKind.Added };
        Assert.Equal(4.5, affine.BitsPerWeight);
        Assert.Equal(256 / 2 + 4 * 4, affine.Bytes(1, 256));
        Assert.Contains("multiple of 64", affine.WhyNot(96));
        Assert.Null(affine.WhyNot(128));
        Assert.False(affine.HasCodesOf(affine with { Offset = OffsetKind.None }));
        Assert.True(WeightFormat.Fp8Activations.HasCodesOf(WeightFormat.Fp8));
    }

    /// <summary>A row of any format is the same in a device's rows and in a processor's lanes.</summary>
    [Theory]
    [InlineData("f32", 37)]
    [InlineData("bf16", 131)]
    [InlineData("f16", 131)]
    [InlineData("fp8", 300)]
    [InlineData("int4", 384)]
    public void CodesDoNotDependOnWhereTheyGo(string name, int columns)
    {
        WeightCodec codec = WeightCodec.Of(WeightFormat.Get(name));
        var random = new Random(3);
        float[] values = [.. Enumerable.Range(0, columns).Select(_ => random.NextSingle() - 0.5f)];
        int size = Math.Max(1, codec.Format.Bits / 8), codes = (int)codec.Format.CodeBytes(columns) / size;
        byte[] row = new byte[codes * size], lanes = new byte[codes * 32 + 32];
        float[] scales = new float[Math.Max(1, codec.Format.ScalesPerRow(columns))], again = new float[scales.Length];
        long group = codec.Format.CodeBytes(codec.Format.GroupColumns);
        fixed (float* from = values, s = scales, t = again)
        fixed (byte* a = row, b = lanes)
        {
            MatrixSource source = MatrixSource.RowMajor((nint)from, ElementType.F32, 1, columns);
            codec.Write(source, 0, new RowTarget(a, size, group, s, sizeof(float)));
            codec.Write(source, 0, new RowTarget(b + 5, 32, group * 32, t, sizeof(float)));
        }
        Assert.Equal(scales, again);
        Assert.Equal(row, Enumerable.Range(0, row.Length).Select(i => lanes[5 + i / size * 32 + i % size]));
        Assert.Contains(row, code => code != 0);
    }
}
