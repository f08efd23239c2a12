using Llama4Kernels.Kernels.Contracts;
using Llama4Kernels.Kernels.Quantization;
using Llama4Kernels.Tests.Kernels.Quantization;
using Llama4Kernels.Tests.Oracles;

namespace Llama4Kernels.Tests.Kernels.Ilgpu;

public abstract partial class DeviceKernelTests
{
    /// <summary>Every width of code, kind of scale and of offset; widths that end inside a group, a unit or a quad.</summary>
    public static TheoryData<string, int, int, int> AffineShapes() => new()
    {
        { "Q4_0", 1, 33, 64 },
        { "Q4_1", 2, 5, 96 },
        { "Q5_0", 5, 3, 160 },
        { "Q5_1", 1, 35, 32 },
        { "Q8_0", 3, 33, 64 },
        { "Q2_K", 1, 33, 256 },
        { "Q3_K", 4, 2, 256 },
        { "Q4_K", 1, 34, 512 },
        { "Q5_K", 5, 2, 256 },
        { "Q6_K", 1, 33, 256 },
        { "IQ4_NL", 1, 33, 96 },
        { "IQ4_XS", 2, 3, 256 },
        { "MXFP4", 1, 33, 64 },
        { "int4row-bf16", 1, 33, 77 },
        { "int8row-f32", 6, 3, 35 },
        { "uint4g32-bf16-zero", 1, 33, 160 },
        { "uint8row-f32-zero", 5, 2, 131 },
        { "uint4g64-bf16-affine", 1, 33, 192 },
        { "uint8g32-f16-affine", 3, 2, 96 },
        { "uint2g16-f32-affine", 1, 33, 48 },
        { "fp8g128-bf16", 1, 33, 192 },
        { "fp8g128-f32", 3, 2, 150 },
    };

    [Theory]
    [MemberData(nameof(AffineShapes))]
    public void ProductsWithCodesAsTheyAreStored(string name, int tokens, int outputs, int inner)
    {
        using var stored = new RandomCodes(name, outputs, inner, seed: 30);
        (DeviceBuffer w, object[] layout) = Panels(stored.Matrix);
        float[] x = Numbers(tokens * inner, 31), bias = Numbers(outputs, 32);
        DeviceBuffer xs = _device.Upload(x), biases = _device.Upload(bias);
        (double[] expected, double[] magnitude) = MatMulOracle.Run(x, stored.Values(), bias, tokens, outputs, inner, roundX: false);
        DeviceBuffer y = Zeros<float>(tokens * outputs);
        Run("matvec_affine", ((outputs + 31) / 32, (tokens + 3) / 4, 1), [xs, w, biases, y, tokens, outputs, inner, .. layout]);
        float[] vector = Floats(y);
        Check(expected, magnitude, vector);
        y = Zeros<float>(tokens * outputs);
        RunTiled("matmul_affine", outputs, tokens, 1, [xs, w, biases, y, tokens, outputs, inner, .. layout, Parts]);
        Assert.Equal(vector, Floats(y));
    }

    [Theory]
    [InlineData("Q6_K", 256)]
    [InlineData("uint4g32-bf16-zero", 96)]
    [InlineData("int8row-f32", 7)]
    public void ExpertsWithCodesAsTheyAreStored(string name, int inner)
    {
        const int Experts = 3, Outputs = 35;
        int many = 4 * _device.Side + 1;
        int[] starts = [0, 2, 2, 2 + many], rowExperts = [0, 0, .. Enumerable.Repeat(2, many)];
        RandomCodes[] stored = [.. Enumerable.Range(0, Experts).Select(expert => new RandomCodes(name, Outputs, inner, seed: 33 + expert))];
        (DeviceBuffer w, object[] layout) = Panels([.. stored.Select(one => one.Matrix)]);
        float[] x = Numbers(rowExperts.Length * inner, 36);
        List<double> expected = [], magnitude = [];
        for (int row = 0; row < rowExperts.Length; row++)
        {
            (double[] own, double[] size) = MatMulOracle.Run(x[(row * inner)..((row + 1) * inner)], stored[rowExperts[row]].Values(), null, 1, Outputs, inner, roundX: false);
            expected.AddRange(own);
            magnitude.AddRange(size);
        }
        Array.ForEach(stored, one => one.Dispose());
        DeviceBuffer xs = _device.Upload(x), y = Zeros<float>(expected.Count);
        RunTiled("expert_matmul_affine", Outputs, rowExperts.Length, Experts, [xs, w, _device.Upload(starts), y, Outputs, inner, .. layout, Parts]);
        float[] tiled = Floats(y);
        Check([.. expected], [.. magnitude], tiled);
        y = Zeros<float>(expected.Count);
        Run("expert_matvec_affine", (2, rowExperts.Length, 1), [xs, w, _device.Upload(rowExperts), y, Outputs, inner, .. layout]);
        Assert.Equal(tiled, Floats(y));
    }

    /// <summary>Rows of a table are the stored numbers to the bit, so every code of every width is read where it lies.</summary>
    [Theory]
    [InlineData("Q2_K", 256)]
    [InlineData("Q3_K", 512)]
    [InlineData("Q4_K", 256)]
    [InlineData("Q5_K", 512)]
    [InlineData("Q5_1", 64)]
    [InlineData("Q6_K", 512)]
    [InlineData("Q8_0", 96)]
    [InlineData("IQ4_XS", 256)]
    [InlineData("MXFP4", 64)]
    [InlineData("uint4row-bf16-zero", 77)]
    [InlineData("uint8g64-f16-affine", 128)]
    [InlineData("fp8g128-f32", 131)]
    public void EmbeddingsOfCodesAsTheyAreStored(string name, int columns)
    {
        using var stored = new RandomCodes(name, 70, columns, seed: 37);
        (DeviceBuffer table, object[] layout) = Panels(stored.Matrix);
        int[] ids = [69, 0, 33, 69];
        DeviceBuffer output = Zeros<float>(ids.Length * columns);
        Run("embed_affine", (ids.Length, 1, 1), [table, _device.Upload(ids), output, columns, .. layout]);
        float[] values = stored.Values();
        Assert.Equal(ids.SelectMany(id => values[(id * columns)..((id + 1) * columns)]), Floats(output));
    }

    [Fact]
    public void PartsOfOutputsComeToTheirColumns()
    {
        float[] x = Numbers(3 * 5, 38), y = Numbers(3 * 9, 39);
        DeviceBuffer to = _device.Upload(y);
        Run("place_columns", (3, 1, 1), _device.Upload(x), to, 5, 9, 2);
        Assert.Equal(y.Select((old, i) => i % 9 is >= 2 and < 7 ? x[i / 9 * 5 + i % 9 - 2] : old), Floats(to));
    }

    /// <summary>Warps of a group, which share out columns: tiles are told so many.</summary>
    private int Parts => Math.Max(1, N / 32);

    /// <summary>Matrices in panels one after another, and the arguments that describe them.</summary>
    private unsafe (DeviceBuffer Data, object[] Layout) Panels(params CodedMatrix[] matrices)
    {
        var layout = new AffineLayout(matrices[0].Codes, matrices[0].Columns);
        int panels = AffinePanel.Count(matrices[0].Rows);
        byte[] data = new byte[matrices.Length * panels * layout.PanelBytes];
        fixed (byte* to = data)
        {
            for (int i = 0; i < matrices.Length * panels; i++)
            {
                CodedMatrix matrix = matrices[i / panels];
                AffinePanel.Pack([matrix], matrix.Rows, i % panels, layout, &CodePlanes.Pack, to + i * layout.PanelBytes);
            }
        }
        return (_device.Upload(data), [layout.Form, layout.Group, layout.Slab, layout.OffsetsAt, layout.CodesAt, layout.SlabBytes, layout.PanelBytes]);
    }

    private static void Check(double[] expected, double[] magnitude, float[] actual) =>
        Assert.All(Enumerable.Range(0, expected.Length), i => Assert.True(Math.Abs(actual[i] - expected[i]) <= magnitude[i] * 1e-6, $"y[{i}] = {actual[i]}, expected {expected[i]}"));
}
