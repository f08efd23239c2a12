using System.Reflection;
using System.Runtime.InteropServices;
using Llama4Kernels.Interop.Cuda;
using Llama4Kernels.Kernels.Attention;
using Llama4Kernels.Kernels.Backends;
using Llama4Kernels.Kernels.Backends.Cuda;
using Llama4Kernels.Kernels.Contracts;
using Llama4Kernels.Kernels.Contracts.Cuda;
using Llama4Kernels.Kernels.Embedding;
using Llama4Kernels.Kernels.MatMul;
using Llama4Kernels.Kernels.Normalization;
using Llama4Kernels.Kernels.Numerics;
using Llama4Kernels.Kernels.Ptx;
using Llama4Kernels.PtxEmulator.Driver;
using Llama4Kernels.Tests.Kernels.Quantization;
using DeviceLimits = Llama4Kernels.Kernels.Contracts.Cuda.DeviceLimits;

namespace Llama4Kernels.Tests.Kernels.Backends.Cuda;

/// <summary>The ordered lists of the operations other than products: what is chosen, and that every record that takes a case computes it, twice to the same bits.</summary>
public sealed class KernelRecordsTests
{
    private static readonly DeviceLimits s_device = DeviceLimits.Get("h100");

    /// <summary>What tables are stored as; null for codes.</summary>
    private static readonly ElementType?[] s_tables = [ElementType.F32, ElementType.BF16, ElementType.F16, null];

    private static readonly AttentionShape[] s_shapes = [new(4, 2, 16), new(10, 1, 128), new(3, 3, 36), new(10, 2, 128)];

    public static TheoryData<string, bool, int> AttentionCases()
    {
        var data = new TheoryData<string, bool, int>();
        foreach (KernelRecord<AttentionCase, PagedAttentionCuda.Launcher> record in PagedAttentionCuda.Records.All)
        {
            foreach (bool isDecode in (bool[])[true, false])
            {
                for (int shape = 0; shape < s_shapes.Length; shape++)
                {
                    if (Cases(isDecode, s_shapes[shape]).Any(what => record.WhyNot(what) is null))
                    {
                        data.Add(record.Kernel, isDecode, shape);
                    }
                }
            }
        }
        return data;
    }

    /// <summary>Each record at each shape that it takes, best or not, against the processor; through the records that write its cache.</summary>
    [Theory]
    [MemberData(nameof(AttentionCases))]
    public void EveryAttentionComputesItsCases(string kernel, bool isDecode, int index)
    {
        KernelRecord<AttentionCase, PagedAttentionCuda.Launcher> record = PagedAttentionCuda.Records.All.Single(record => record.Kernel == kernel);
        AttentionShape shape = s_shapes[index];
        AttentionCase what = Cases(isDecode, shape).First(what => record.WhyNot(what) is null);
        (KvFormat format, int blockTokens) = (what.Layout.Format, what.Layout.BlockTokens);
        using var cpu = new CpuBackend(new CpuBackendOptions { Threads = 1 });
        using var driver = new EmulatedCudaDriver();
        using CudaContext context = CudaContext.RetainPrimary(driver);
        using var queue = new CudaQueue(context, new CombinedKernelModules(PtxKernelModules.All, EmulatedBackend.Modules), null, 1 << 20, 1 << 20, 4);
        using var scratch = new AttentionScratch(queue);
        float[] expected = Run(isDecode, shape, cpu.LayoutOf(blockTokens, 1, shape, format), cpu.Allocate, cpu.CreateKvStep, (values, to) => cpu.Upload(values, to), (from, to) => cpu.Download(from, to),
            (qkv, step) => cpu.RotateNormAndAppend(qkv, shape, null, null, null, step, 0),
            (qkv, step, output) => cpu.Attention(qkv, shape, step, 0, output));
        float[] actual = Run(isDecode, shape, CudaKvStep.LayoutOf(blockTokens, 1, shape, format), queue.Allocate, (layout, memory, offset, count) => new CudaKvStep(queue, layout, memory, offset, count),
            (values, to) => queue.Upload<float>(values, to.Address), (from, to) => queue.Download(from.Address, MemoryMarshal.AsBytes(to.AsSpan())),
            (qkv, step) => RotateNormAppendCuda.Run(queue, qkv, shape, null, null, null, step, 0),
            (qkv, step, output) => record.Launch(queue, scratch, qkv, shape, CudaKvStep.Of(step), 0, output));
        float range = expected.Max() - expected.Min();
        float tolerance = what.Activations == ActivationPrecision.Float32 ? 3e-6f : 5e-3f;
        Assert.All(expected.Zip(actual), pair => Assert.InRange(Math.Abs(pair.First - pair.Second), 0, tolerance * range));
        Assert.Empty(driver.Findings);
    }

    /// <summary>What the choice distinguishes: exact ones first, so that each record has the first case that it takes.</summary>
    private static IEnumerable<AttentionCase> Cases(bool isDecode, AttentionShape shape) =>
        from activations in (ActivationPrecision[])[ActivationPrecision.Float32, ActivationPrecision.BFloat16]
        from blockTokens in (int[])[16, 32, 64]
        from format in Enum.GetValues<KvFormat>()
        select new AttentionCase(isDecode, shape, CudaKvStep.LayoutOf(blockTokens, 1, shape, format), activations, s_device);

    public static TheoryData<string> Embeddings { get; } = [.. TokenEmbeddingCuda.Records.All.Select(record => record.Kernel)];

    /// <summary>Each record at each size, of narrow and wide rows: the processor's numbers, and twice the same.</summary>
    [Theory]
    [MemberData(nameof(Embeddings))]
    public unsafe void EveryEmbeddingReadsItsRows(string kernel)
    {
        KernelRecord<ElementType?, TokenEmbeddingCuda.Launcher> record = TokenEmbeddingCuda.Records.All.Single(record => record.Kernel == kernel);
        ElementType? type = s_tables.Single(type => record.WhyNot(type) is null);
        using var cpu = new CpuBackend(new CpuBackendOptions { Threads = 1 });
        using var driver = new EmulatedCudaDriver();
        using CudaContext context = CudaContext.RetainPrimary(driver);
        using var queue = new CudaQueue(context, EmulatedBackend.Modules, null, 1 << 20, 1 << 20, 4);
        using var upload = new MatrixUpload(queue, isPlan: false);
        foreach ((int rows, int columns) in ((int, int)[])[(7, 32), (37, 544)])
        {
            using var codes = new RandomCodes("uint4g32-bf16-affine", rows, columns, seed: columns);
            byte[] plain = Plain(type, codes.Values());
            fixed (byte* data = plain)
            {
                MatrixSource source = type is ElementType stored ? MatrixSource.RowMajor((nint)data, stored, rows, columns) : codes.Matrix;
                using IEmbedding expectedTable = cpu.CreateEmbedding(source);
                using var table = new CudaEmbedding(queue, upload, source);
                int[] ids = [rows - 1, 0, 3, rows - 1];
                float[] expected = new float[ids.Length * columns];
                using DeviceMemory host = cpu.Allocate(expected.Length * sizeof(float));
                cpu.Embed(expectedTable, ids, host.View(ids.Length, columns));
                cpu.Download(host.View(ids.Length, columns), expected);
                Assert.Equal(expected, Run());
                Assert.Equal(expected, Run());

                float[] Run()
                {
                    using ArenaMemory output = queue.Allocate(expected.Length * sizeof(float));
                    record.Launch(queue, table, ids, output.View(ids.Length, columns));
                    float[] results = new float[expected.Length];
                    queue.Download(output.Address, MemoryMarshal.AsBytes(results.AsSpan()));
                    return results;
                }
            }
        }
        Assert.Empty(driver.Findings);
    }

    public static TheoryData<string> Norms { get; } = [.. RmsNormCuda.Records.All.Select(record => record.Kernel)];

    /// <summary>Each record, best or not, gives the processor's rows, and twice the same.</summary>
    [Theory]
    [MemberData(nameof(Norms))]
    public void EveryNormGivesTheProcessorsRows(string kernel)
    {
        const int Rows = 3, Columns = 516;
        using var cpu = new CpuBackend(new CpuBackendOptions { Threads = 1 });
        using var driver = new EmulatedCudaDriver();
        using CudaContext context = CudaContext.RetainPrimary(driver);
        using var queue = new CudaQueue(context, new CombinedKernelModules(PtxKernelModules.All, EmulatedBackend.Modules), null, 1 << 20, 1 << 20, 4);
        var random = new Random(1);
        float[] values = [.. Enumerable.Range(0, (Rows + 1) * Columns).Select(_ => (float)(random.NextDouble() * 2 - 1))], expected = new float[Rows * Columns];
        using DeviceMemory host = cpu.Allocate(values.Length * sizeof(float));
        cpu.Upload(values, host.View(Rows + 1, Columns));
        cpu.RmsNorm(host.View(Rows, Columns), host.View(1, Columns, Rows * Columns * sizeof(float)), 1e-5f, host.View(Rows, Columns));
        cpu.Download(host.View(Rows, Columns), expected);
        using ArenaMemory memory = queue.Allocate(values.Length * sizeof(float)), output = queue.Allocate(expected.Length * sizeof(float));
        queue.Upload<float>(values, memory.Address);
        float[][] runs = [Run(), Run()];
        Assert.Equal(runs[0], runs[1]);
        Assert.All(expected.Zip(runs[0]), pair => Assert.InRange(Math.Abs(pair.First - pair.Second), 0, 1e-5f));
        Assert.Empty(driver.Findings);

        float[] Run()
        {
            RmsNormCuda.Records.All.Single(record => record.Kernel == kernel).Launch(queue, memory.View(Rows, Columns), memory.View(1, Columns, Rows * Columns * sizeof(float)), 1e-5f, output.View(Rows, Columns));
            float[] results = new float[Rows * Columns];
            queue.Download(output.Address, MemoryMarshal.AsBytes(results.AsSpan()));
            return results;
        }
    }

    /// <summary>A list of records that nobody tries here has to be tried, too.</summary>
    [Fact]
    public void EveryListOfRecordsIsTriedHere() => Assert.Equal(
        [nameof(PagedAttentionCuda), nameof(RmsNormCuda), nameof(RotateNormAppendCuda), nameof(TokenEmbeddingCuda)],
        typeof(PagedAttentionCuda).Assembly.GetTypes()
            .Where(type => type.GetFields(BindingFlags.Static | BindingFlags.Public | BindingFlags.NonPublic)
                .Any(field => field.FieldType is { IsGenericType: true } list && list.GetGenericTypeDefinition() == typeof(KernelRecords<,>)))
            .Select(type => type.Name).Order(StringComparer.Ordinal));

    [Theory]
    [InlineData(true, KvFormat.F32, ActivationPrecision.BFloat16, "attention_split_f32")]
    [InlineData(true, KvFormat.BF16, ActivationPrecision.BFloat16, "attention_split_page64_bf16")]
    [InlineData(true, KvFormat.BF16, ActivationPrecision.Float32, "attention_split_bf16")]
    [InlineData(false, KvFormat.F32, ActivationPrecision.BFloat16, "attention_f32")]
    [InlineData(false, KvFormat.BF16, ActivationPrecision.BFloat16, "attention_prefill_page64_bf16")]
    [InlineData(false, KvFormat.BF16, ActivationPrecision.Float32, "attention_bf16")]
    public void TheFirstThatTakesACaseIsChosenAndTheOthersHaveReasons(bool isDecode, KvFormat format, ActivationPrecision activations, string kernel)
    {
        var shape = new AttentionShape(40, 8, 128);
        var what = new AttentionCase(isDecode, shape, CudaKvStep.LayoutOf(64, 1, shape, format), activations, s_device);
        Assert.Equal(kernel, PagedAttentionCuda.Records.Choose(what).Kernel);
        string[] passed = PagedAttentionCuda.Records.Passed(what);
        Assert.Equal(PagedAttentionCuda.Records.All.TakeWhile(record => record.Kernel != kernel).Select(record => record.Kernel), passed.Select(reason => reason.Split(' ')[0]));
        Assert.All(passed, reason => Assert.Contains(" is for ", reason, StringComparison.Ordinal));
        OperationChoice[] choices = [.. KernelChoices.Choose(what.Layout, shape, ElementType.BF16, activations, s_device)];
        Assert.Equal(["Embed", "RotateNormAndAppend", "Attention", "Attention"], choices.Select(choice => choice.Operation));
        Assert.Equal(kernel, choices[isDecode ? 2 : 3].Kernel);
        Assert.Equal(passed, choices[isDecode ? 2 : 3].Passed);
        Assert.Equal((format == KvFormat.F32 ? "rotate_norm_append_f32" : "rotate_norm_append_bf16", "embed_bf16"), (choices[1].Kernel, choices[0].Kernel));
    }

    [Fact]
    public void WhatNobodyTakesIsRefusedWithEachReason()
    {
        string message = Assert.Throws<NotSupportedException>(() => PagedAttentionCuda.Records.Choose(Cases(true, new AttentionShape(8, 8, 300)).First())).Message;
        Assert.Contains("attention_split_f32 has room for heads of 256 elements; attention_split_bf16 is for a cache of bf16;", message, StringComparison.Ordinal);
        Assert.Throws<NotSupportedException>(() => TokenEmbeddingCuda.Records.Choose(ElementType.F8E4M3));
    }

    /// <summary>No record is behind others that take all it takes, and every one has its kernel.</summary>
    [Fact]
    public void EveryRecordIsChosenSomewhere()
    {
        Check(TokenEmbeddingCuda.Records, s_tables);
        Check(RotateNormAppendCuda.Records, Enum.GetValues<KvFormat>());
        Check(RmsNormCuda.Records, [new RmsNormCase(5120, true, 90), new RmsNormCase(5120, false, 90)]);
        Check(PagedAttentionCuda.Records, [.. from isDecode in (bool[])[true, false] from what in Cases(isDecode, new AttentionShape(40, 8, 128)) select what]);

        static void Check<TCase, TLaunch>(KernelRecords<TCase, TLaunch> records, TCase[] cases)
            where TLaunch : Delegate
        {
            Assert.Equal(records.All.Select(record => record.Kernel).Order(StringComparer.Ordinal), cases.Select(what => records.Choose(what).Kernel).Distinct().Order(StringComparer.Ordinal));
            Assert.All(records.All, record => Assert.Contains(record.Kernel, PtxKernelModules.All.Names.Concat(EmulatedBackend.Modules.Names)));
        }
    }

    /// <summary>4 · 132 groups for an H100, 4 · 72 for an A10, of 8 a row; between 16 and 64 for a row's splits.</summary>
    [Theory]
    [InlineData("h100", 1, 64)]
    [InlineData("h100", 2, 64)]
    [InlineData("h100", 4, 32)]
    [InlineData("h100", 64, 16)]
    [InlineData("a10", 1, 64)]
    [InlineData("a10", 2, 32)]
    public void GroupsFollowRowsAndDeviceAlone(string device, int rows, int groups) =>
        Assert.Equal(groups, PagedAttentionCuda.SplitGroups(rows, new AttentionShape(40, 8, 128), DeviceLimits.Get(device)));

    private static float[] Run(
        bool isDecode, AttentionShape shape, KvLayout layout, Func<long, DeviceMemory> allocate, Func<KvLayout, DeviceMemory, long, int, KvStep> create, Action<float[], Tensor> upload, Action<Tensor, float[]> download,
        Action<Tensor, KvStep> append, Action<Tensor, KvStep, Tensor> attend)
    {
        const int Sequences = 3, BlocksEach = 24;
        int[] before = [0, 70, 300], rows = isDecode ? [1, 1, 1] : [11, 1, 9];
        var random = new Random(shape.HeadDim);
        float[] Values(long count) => [.. Enumerable.Range(0, (int)count).Select(_ => (float)(random.NextDouble() * 2 - 1))];
        int[] tables = [.. Enumerable.Range(0, Sequences * BlocksEach).Reverse()];
        using DeviceMemory cache = allocate(tables.Length * layout.BlockBytes);
        using KvStep step = create(layout, cache, 0, tables.Length);
        // What came before, appended as prompts are.
        int old = before.Sum();
        using DeviceMemory past = allocate((long)old * shape.QkvColumns * sizeof(float));
        upload(Values(past.Length / sizeof(float)), past.View(old, shape.QkvColumns));
        step.Set(old, [new(0, before[1], 0, BlocksEach), new(before[1], before[2], 0, 2 * BlocksEach)], tables);
        append(past.View(old, shape.QkvColumns), step);
        int count = rows.Sum();
        using DeviceMemory memory = allocate((long)count * (shape.QkvColumns + shape.QueryColumns) * sizeof(float));
        Tensor qkv = memory.View(count, shape.QkvColumns), output = memory.View(count, shape.QueryColumns, qkv.Elements * sizeof(float));
        upload(Values(qkv.Elements), qkv);
        step.Set(count, [.. Enumerable.Range(0, Sequences).Select(i => new KvSegment(rows[..i].Sum(), rows[i], before[i], i * BlocksEach))], tables);
        append(qkv, step);
        attend(qkv, step, output);
        float[] result = new float[output.Elements];
        download(output, result);
        attend(qkv, step, output);
        float[] again = new float[output.Elements];
        download(output, again);
        Assert.Equal(result, again);
        return result;
    }

    private static byte[] Plain(ElementType? type, float[] values) => type switch
    {
        ElementType.F32 => MemoryMarshal.AsBytes(values.AsSpan()).ToArray(),
        ElementType.BF16 => MemoryMarshal.AsBytes(Array.ConvertAll(values, Bf16.FromSingle).AsSpan()).ToArray(),
        ElementType.F16 => MemoryMarshal.AsBytes(Array.ConvertAll(values, value => (Half)value).AsSpan()).ToArray(),
        _ => [],
    };
}
