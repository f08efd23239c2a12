using Llama4Kernels.Kernels.Contracts;
using Llama4Kernels.Kernels.MatMul;
using Llama4Kernels.Kernels.Numerics;
using Llama4Kernels.Kernels.Quantization;
using Llama4Kernels.Kernels.Threading;
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

    /// <summary>A row of codes is the same in a device's rows and in a processor's lanes, in whole panels and in one that ends early.</summary>
    [Theory]
    [InlineData("fp8", 300)]
    [InlineData("fp8", 7)]
    [InlineData("int4", 384)]
    public void CodesDoNotDependOnWhereTheyGo(string name, int columns)
    {
        const int Rows = 45;
        WeightCodec codec = WeightCodec.Of(WeightFormat.Get(name));
        var random = new Random(3);
        float[] values = [.. Enumerable.Range(0, Rows * columns).Select(_ => random.NextSingle() - 0.5f)];
        values[0] = float.NaN;
        values[columns] = float.NegativeInfinity;
        Array.Clear(values, 2 * columns, columns);
        int codes = (int)codec.Format.CodeBytes(columns), groups = codec.Format.ScalesPerRow(columns), groupBytes = codes / groups;
        byte[] row = new byte[codes];
        float[] scales = new float[groups];
        using var team = new ThreadTeam(2);
        fixed (float* from = values, s = scales)
        fixed (byte* to = row)
        {
            MatrixSource source = MatrixSource.RowMajor((nint)from, ElementType.F32, Rows, columns);
            using PackedMatrix packed = PackedMatrix.Pack([source], codec.Format, team);
            for (int r = 0; r < Rows; r++)
            {
                codec.Write(source, r, new RowTarget(to, groupBytes, s, sizeof(float)));
                byte* panel = packed.Panel(r / 32);
                for (int g = 0; g < groups; g++, panel += packed.BlockBytes)
                {
                    Assert.Equal(scales[g], ((float*)panel)[r % 32]);
                    for (int i = 0; i < groupBytes; i++)
                    {
                        Assert.Equal(row[g * groupBytes + i], panel[packed.HeaderBytes + i * 32 + r % 32]);
                    }
                }
                Assert.Equal(r != 2, row.Any(code => code != 0));
            }
            byte* last = packed.Panel(1);
            for (int lane = Rows % 32; lane < 32; lane++)
            {
                Assert.Equal(0, ((float*)last)[lane]);
                Assert.Equal(0, last[packed.HeaderBytes + (codes - 1) / groups * 32 + lane]);
            }
        }
    }

    /// <summary>Codes of vectors and of what is left over are those of each number by itself, for every kind of number.</summary>
    [Fact]
    public void NumbersOfEveryKindHaveTheCodesOfTheirRule()
    {
        var random = new Random(4);
        float[] special = [0, -0f, float.NaN, -float.NaN, float.PositiveInfinity, float.NegativeInfinity, float.Epsilon, 448, 464, 465, -449, 0.015625f, 0.0146484375f, 0.0009765625f, 0.00146484375f, 7.5f, -8.5f, 6.5f, 0.5f, 1.5f, -0.5f, 1e30f];
        float[] values = [.. special, .. Enumerable.Range(0, 1024 - special.Length).Select(_ => BitConverter.UInt32BitsToSingle((uint)random.NextInt64(1L << 32)))];
        byte[] fp8 = new byte[1000], int4 = new byte[512];
        fixed (float* from = values)
        fixed (byte* a = fp8, b = int4)
        {
            foreach (float scale in (float[])[1, 0.75f, 3e-5f])
            {
                WeightEncoders.Fp8(from, fp8.Length, scale, a);
                WeightEncoders.Int4(from, values.Length, scale, b);
                Assert.Equal([.. values[..1000].Select(value => Fp8.FromSingle(value / scale))], fp8);
                Assert.Equal(values.Select(value => float.IsNaN(value / scale) ? 0 : (int)Math.Clamp(MathF.Round(value / scale), -8, 7) & 15), int4.SelectMany(pair => (int[])[pair & 15, pair >> 4]));
            }
        }
        foreach (int length in (int[])[0, 1, 15, 16, 17, 100])
        {
            float[] some = [.. Enumerable.Range(0, length).Select(i => (i - 40) * 0.25f)];
            Assert.Equal(some.Select(Math.Abs).DefaultIfEmpty().Max(), Quantiser.MaxAbsolute(some));
            for (int i = 0; i < length; i++)
            {
                Assert.True(float.IsNaN(Quantiser.MaxAbsolute([.. some[..i], float.NaN, .. some[(i + 1)..]])));
            }
        }
    }
}
