using Llama4Kernels.Kernels.Backends;
using Llama4Kernels.Kernels.Contracts;
using Llama4Kernels.Kernels.MatMul;
using Llama4Kernels.Kernels.Threading;
using Llama4Kernels.Tests.Oracles;

namespace Llama4Kernels.Tests.Kernels.MatMul;

/// <summary>The ordered list of products on the host: which is chosen, and that each record computes what it says at every shape.</summary>
public sealed unsafe class CpuProductsTests : IDisposable
{
    private static readonly CpuLimits s_all = new(512, true, true, null) { Avx2 = true, Avx512Vnni = true, Avx512Vbmi = true }, s_avx2 = new(256, false, false, null) { Avx2 = true }, s_arm = new(128, false, false, null), s_none = new(0, false, false, null);

    private readonly ThreadTeam _team = new(2);

    public static TheoryData<string> Records { get; } = CpuRecords.Names(CpuProducts.All);

    public void Dispose() => _team.Dispose();

    [Theory]
    [InlineData("bf16", ActivationPrecision.BFloat16, "matmul_bf16_bf16_avx512bf16", "matmul_bf16_bf16_avx2", "matmul_bf16_bf16_v128", "panels32")]
    [InlineData("bf16", ActivationPrecision.Float32, "matmul_bf16_avx512", "matmul_bf16_avx2", "matmul_bf16_v128", "panels32")]
    [InlineData("f32", ActivationPrecision.BFloat16, "matmul_f32_avx512", "matmul_f32_avx2", "matmul_f32_v128", "panels32")]
    [InlineData("int4", ActivationPrecision.BFloat16, "matmul_int4_avx512", "matmul_int4_avx2", "matmul_int4_v128", "panels32")]
    [InlineData("int4", ActivationPrecision.Int8, "matmul_int4_int8_avx512vnni", "matmul_int4_int8_avx2", "matmul_int4_int8_v128", "panels64")]
    [InlineData("bf16", ActivationPrecision.Int8, "matmul_bf16_bf16_avx512bf16", "matmul_bf16_bf16_avx2", "matmul_bf16_bf16_v128", "panels32")]
    [InlineData("fp8", ActivationPrecision.BFloat16, "matmul_fp8_bf16_avx512bf16", "matmul_fp8_avx2", "matmul_fp8_v128", "panels32")]
    [InlineData("fp8", ActivationPrecision.Float32, "matmul_fp8_avx512", "matmul_fp8_avx2", "matmul_fp8_v128", "panels32")]
    [InlineData("fp8a", ActivationPrecision.Float32, "matmul_fp8a_avx512", "matmul_fp8a_avx2", "matmul_fp8a_v128", "panels32")]
    [InlineData("fp8a", ActivationPrecision.BFloat16, "matmul_fp8a_bf16_avx512bf16", "matmul_fp8a_avx2", "matmul_fp8a_v128", "panels32")]
    [InlineData("q4_k", ActivationPrecision.Float32, "matmul_coded_avx512", "matmul_coded_avx2", "matmul_coded_v128", "slabs32")]
    [InlineData("q4_k", ActivationPrecision.BFloat16, "matmul_coded_avx512", "matmul_coded_avx2", "matmul_coded_v128", "slabs32")]
    [InlineData("q4_k", ActivationPrecision.Int8, "matmul_coded_int8_avx512vnni", "matmul_coded_avx2", "matmul_coded_v128", "lines32")]
    [InlineData("q8_0", ActivationPrecision.Int8, "matmul_int8_int8_avx512vnni", "matmul_int8_int8_avx2", "matmul_coded_v128", "panels32-int8")]
    [InlineData("q8_0", ActivationPrecision.BFloat16, "matmul_coded_avx512", "matmul_coded_avx2", "matmul_coded_v128", "slabs32")]
    [InlineData("fp8g128-bf16", ActivationPrecision.Int8, "matmul_coded_avx512", "matmul_coded_avx2", "matmul_coded_v128", "slabs32")]
    public void TheFirstThatAppliesIsTaken(string weights, ActivationPrecision activations, string best, string avx2, string arm, string layout)
    {
        var gemm = new GemmDesc(1, 64, 256, KeptFormats.Find(weights) ?? WeightFormat.Get(weights), activations);
        Assert.Equal([best, avx2, arm], new[] { s_all, s_avx2, s_arm }.Select(limits => new CpuProducts(activations, null, limits).Explain(gemm).Chosen.Name));
        Assert.EndsWith("_scalar", new CpuProducts(activations, null, s_none).Explain(gemm).Chosen.Name);
        Assert.Equal(layout, new CpuProducts(activations, null, s_all).ForPacking(gemm).Layout.Name);
    }

    [Theory]
    [InlineData("int4")]
    [InlineData("q8_0")]
    public void WithoutTheDotProductOfAvx512OrAssembledCodeTheNextOneIsTaken(string weights)
    {
        var gemm = new GemmDesc(1, 64, 256, KeptFormats.Find(weights) ?? WeightFormat.Get(weights), ActivationPrecision.Int8);
        string Chosen(CpuLimits limits) => new CpuProducts(ActivationPrecision.Int8, null, limits).Explain(gemm).Chosen.Name;
        Assert.EndsWith("_avxvnni", Chosen(s_avx2 with { IntegerDot256 = true }));
        Assert.EndsWith("_avx2", Chosen(s_all with { Avx512Vnni = false }));
        Assert.EndsWith("_v256", Chosen(s_avx2 with { IntegerDot256 = true, AssemblyFault = "no code" }));
    }

    [Fact]
    public void WhatIsPassedByHasAReason()
    {
        var gemm = new GemmDesc(1, 64, 256, WeightFormat.BF16, ActivationPrecision.Float32);
        IReadOnlyList<string> passed = new CpuProducts(ActivationPrecision.Float32, null, s_avx2).Explain(gemm).Passed;
        Assert.Contains("matmul_bf16_bf16_v256 rounds activations to BFloat16", passed);
        Assert.Contains("matmul_bf16_avx512 needs AVX-512, which the processor does not have", passed);
        Assert.Contains("matmul_bf16_v512 needs vectors of 512 bits, the processor has 128", new CpuProducts(ActivationPrecision.Float32, null, s_arm).Explain(gemm).Passed);
        Assert.Contains("no code", new CpuProducts(ActivationPrecision.Float32, null, s_all with { AssemblyFault = "no code" }).Explain(gemm).Passed.Last());
        Assert.Contains("take f32", Assert.Throws<NotSupportedException>(() => CpuKernelChoices.Choose(gemm with { Weights = WeightFormat.F16 })).Message);
        Assert.Equal("matmul_bf16_scalar", CpuKernelChoices.Choose(gemm with { Experts = 16 }, "matmul_bf16_scalar").Kernel);
        Assert.Contains(CpuKernelChoices.Choose(gemm, "matmul_bf16_scalar").Passed, reason => reason.EndsWith("is not the forced one", StringComparison.Ordinal));
    }

    [Fact]
    public void AForcedNameThatDoesNotExistOrRunIsATypedError()
    {
        ArgumentException unknown = Assert.Throws<ArgumentException>(() => new CpuBackend(new CpuBackendOptions { Threads = 1, Product = "fastest" }));
        Assert.Contains("'fastest'", unknown.Message);
        Assert.All(CpuProducts.All, record => Assert.Contains(record.Name, unknown.Message));
        foreach (CpuProduct record in CpuProducts.All.Where(record => record.Lacks(CpuLimits.This) is not null))
        {
            Assert.Contains(record.Name, Assert.Throws<PlatformNotSupportedException>(() => new CpuBackend(new CpuBackendOptions { Threads = 1, Product = record.Name })).Message);
        }
    }

    /// <summary>No name twice, and a record without demands on the processor for every format, so that every machine computes every product.</summary>
    [Fact]
    public void EveryMachineHasARecordForEveryFormat()
    {
        Assert.Equal(CpuProducts.All.Length, CpuProducts.All.Select(record => record.Name).Distinct().Count());
        Assert.All(
            WeightFormat.All.Where(format => format != WeightFormat.F16).Concat(KeptFormats.All),
            format => Assert.All(Enum.GetValues<ActivationPrecision>(), activations =>
                Assert.EndsWith("_scalar", new CpuProducts(activations, null, s_none).ForPacking(new GemmDesc(1, 64, 256, format, activations)).Name)));
    }

    /// <summary>Each record, forced, at every shape: the oracle's product, and every row of a batch has the bits that it has alone.</summary>
    [Theory]
    [MemberData(nameof(Records))]
    public void EveryRecordComputesTheProduct(string name)
    {
        CpuProduct record = CpuRecords.Get(name);
        using var backend = new CpuBackend(new CpuBackendOptions { Threads = 2, Product = name, Precision = record.Operands });
        int computed = 0;
        foreach (WeightFormat format in record.Format is WeightFormat own ? [own] : Kept().Where(record.Reads))
        {
            foreach ((int outputs, int inner) in ((int, int)[])[(1, 1), (33, 3), (17, 63), (32, 64), (70, 256), (97, 130), (133, 512)])
            {
                if (format.WhyNot(inner) is not null || (format.GroupColumns > inner && record.Format is null))
                {
                    continue;
                }
                computed++;
                using ProductCase subject = ProductCase.Of(format, outputs, inner, seed: outputs + inner);
                using IMatrix packed = backend.Pack([subject.Source], record.Format);
                Assert.Equal((format.Name, record.Layout.Name), (packed.Format.Name, packed.Layout));
                foreach (int rows in (int[])[1, 2, 5, 13])
                {
                    float[] x = subject.Rows(rows), bias = subject.Bias, y = Linear(backend, packed, x, rows, bias);
                    float[] input = format.QuantisesActivations ? QuantizationOracle.Rounded(x, inner) : record.Operands == ActivationPrecision.Int8 ? QuantizationOracle.Int8Rounded(x, inner) : x;
                    (double[] expected, double[] magnitude) = MatMulOracle.Run(input, subject.Weights, bias, rows, outputs, inner, roundX: record.Operands == ActivationPrecision.BFloat16 && !format.QuantisesActivations);
                    Assert.All(Enumerable.Range(0, y.Length), i => Assert.True(Math.Abs(y[i] - expected[i]) <= 1e-6 * magnitude[i], $"{format} [{outputs}, {inner}] × {rows}, element {i}: {y[i]} for {expected[i]}"));
                    Assert.All(Enumerable.Range(0, rows), row => Assert.Equal(y[(row * outputs)..((row + 1) * outputs)], Linear(backend, packed, x[(row * inner)..((row + 1) * inner)], 1, bias)));
                }
            }
        }
        Assert.True(computed > 0);
    }

    /// <summary>All block types, and every seventh of the others; symmetric groups of 128 of four bits become the engine's own format.</summary>
    private static IEnumerable<WeightFormat> Kept() =>
        KeptFormats.All.Where((format, index) => (index % 7 == 0 || index < KeptFormats.Gguf.Count) && format is not { Encoding: WeightEncoding.Integer, Bits: 4, GroupColumns: 128 });

    private static float[] Linear(CpuBackend backend, IMatrix weights, float[] x, int rows, float[] bias)
    {
        using DeviceMemory input = backend.Allocate(x.Length * sizeof(float)), output = backend.Allocate((long)rows * weights.Rows * sizeof(float)), added = backend.Allocate(bias.Length * sizeof(float));
        backend.Upload(x, input.View(rows, weights.Columns));
        backend.Upload(bias, added.View(1, weights.Rows));
        backend.Linear(input.View(rows, weights.Columns), weights, added.View(1, weights.Rows), output.View(rows, weights.Rows));
        float[] y = new float[rows * weights.Rows];
        backend.Download(output.View(rows, weights.Rows), y);
        return y;
    }
}
