using System.Diagnostics.CodeAnalysis;
using System.Runtime.InteropServices;
using Llama4Kernels.Engine.Chat;
using Llama4Kernels.Engine.Checkpoints;
using Llama4Kernels.Engine.Checkpoints.Weights;
using Llama4Kernels.Engine.Config;
using Llama4Kernels.Engine.Diagnostics;
using Llama4Kernels.Engine.Model;
using Llama4Kernels.Engine.Scheduling;
using Llama4Kernels.Kernels.Backends.Cuda;
using Llama4Kernels.Kernels.Contracts;
using Llama4Kernels.Kernels.Numerics;
using Llama4Kernels.PtxEmulator.Driver;
using Llama4Kernels.Tests.Engine.Model;
using Llama4Kernels.Tests.Kernels.Backends.Cuda;
using DeviceLimits = Llama4Kernels.Kernels.Contracts.Cuda.DeviceLimits;

namespace Llama4Kernels.Tests.Engine.Scheduling;

/// <summary>What a model is said to take of a device, against what it takes, and where <c>auto</c> puts the published models.</summary>
public sealed class ModelMemoryTests
{
    private const string Scout = """{"model_type":"llama4_text","hidden_size":5120,"bos_token_id":200000,"eos_token_id":200001}""";
    private const string Maverick = """{"model_type":"llama4_text","hidden_size":5120,"num_local_experts":128,"interleave_moe_layer_step":2,"bos_token_id":200000,"eos_token_id":200001}""";

    public static TheoryData<string, WeightScheme, ActivationPrecision> Models()
    {
        var data = new TheoryData<string, WeightScheme, ActivationPrecision>();
        string[] names = ["tiny-scout", "tiny-maverick", "tiny-flat", "tiny-fp8", "nano", .. Directory.GetDirectories(GoldenFiles.Path("quantised")).Select(folder => Path.Join("quantised", Path.GetFileName(folder)))];
        foreach (string name in names)
        {
            bool hasGroups = ModelConfig.Load(ModelFixture.Folder(name)).Text is { } c && c.HiddenSize % 128 == 0 && c.IntermediateSize % 128 == 0;
            foreach (WeightScheme scheme in hasGroups ? Enum.GetValues<WeightScheme>() : [WeightScheme.Stored, WeightScheme.Fp8])
            {
                data.Add(name, scheme, data.Count % 2 == 0 ? ActivationPrecision.BFloat16 : ActivationPrecision.Float32);
            }
        }
        return data;
    }

    [Theory]
    [MemberData(nameof(Models))]
    public void WeightsTakeWhatWasSaid(string name, WeightScheme scheme, ActivationPrecision activations)
    {
        using var driver = new EmulatedCudaDriver();
        CudaBackendOptions backend = Small(activations);
        var options = new ModelOptions { Weights = scheme, Activations = activations, CreateBackend = () => EmulatedBackend.Create(driver, backend) };
        using Llama4Model model = Llama4Model.Load(ModelFixture.Folder(name), options);
        MemoryNeed need = ModelMemory.Measure(model.Folder, options, new CudaSizes(DeviceLimits.Get("h100"), backend));
        // The model does not count the table of embeddings, which no product reads.
        Assert.Equal(model.WeightBytes + model.Text.Weights.Embedding.Bytes, need.Weights);
    }

    [Theory]
    [InlineData("tiny-scout", WeightScheme.Int4)]
    [InlineData("tiny-maverick", WeightScheme.Fp8)]
    public void PartsThatAreQuantisedAreCountedSo(string name, WeightScheme scheme)
    {
        CudaBackendOptions backend = Small(ActivationPrecision.BFloat16);
        var sizes = new CudaSizes(DeviceLimits.Get("h100"), backend);
        long before = 0;
        foreach (LinearParts include in (LinearParts[])[LinearParts.All, LinearParts.Head, LinearParts.Dense | LinearParts.Attention, LinearParts.None])
        {
            using var driver = new EmulatedCudaDriver();
            var options = new ModelOptions { Weights = scheme, Include = include, Activations = ActivationPrecision.BFloat16, CreateBackend = () => EmulatedBackend.Create(driver, backend) };
            using Llama4Model model = Llama4Model.Load(ModelFixture.Folder(name), options);
            long need = ModelMemory.Measure(model.Folder, options, sizes).Weights;
            Assert.Equal(model.WeightBytes + model.Text.Weights.Embedding.Bytes, need);
            Assert.NotEqual(before, need);
            before = need;
        }
    }

    [Theory]
    [InlineData("tiny-scout", ActivationPrecision.Float32, 90)]
    [InlineData("tiny-maverick", ActivationPrecision.BFloat16, 100)]
    [InlineData("nano", ActivationPrecision.BFloat16, 64)]
    public void AModelRunsToItsContextInThatMuchMemory(string name, ActivationPrecision activations, int context)
    {
        CudaBackendOptions backend = Small(activations);
        var options = new ModelOptions { Activations = activations, LoadVision = false };
        MemoryNeed need = ModelMemory.Measure(ModelFixture.Folder(name), options, new CudaSizes(DeviceLimits.Get("h100"), backend), context);
        using var driver = new EmulatedCudaDriver(new EmulatedDriverOptions { MemoryBytes = need.Total });
        using Llama4Model model = Llama4Model.Load(ModelFixture.Folder(name), options with { CreateBackend = () => EmulatedBackend.Create(driver, backend) });
        var sizes = new EngineOptions { MaxContext = context };
        using var runner = new ModelRunner(model, sizes with { CacheBytes = StepRunner.CacheBytes(model, sizes, context, 1) });
        using Sequence sequence = runner.CreateSequence();
        runner.Prefill(sequence, Prompt.FromIds([.. Enumerable.Range(0, context - 3).Select(i => 1 + (i % 50))]));
        for (int i = 0; i < 3; i++)
        {
            runner.Decode([sequence], [i]);
        }
        Assert.Equal(context, sequence.Length);
        // What was said is no wild guess either: all but what waits in half-full pieces and spare steps is used.
        _ = driver.DevicePrimaryCtxRetain(out nint handle, 1);
        _ = driver.CtxSetCurrent(handle);
        _ = driver.MemGetInfo(out long free, out _);
        Assert.InRange((double)free, 0, 0.5 * need.Total);
        _ = driver.DevicePrimaryCtxRelease(1);
    }

    [Theory]
    // int4 experts, all else bfloat16: 65 GB. The files have 215 GB.
    [InlineData("scout", WeightScheme.Int4, ActivationPrecision.BFloat16, 80, true)]
    [InlineData("scout", WeightScheme.Int4, ActivationPrecision.Float32, 80, true)]
    [InlineData("scout", WeightScheme.Int4, ActivationPrecision.BFloat16, 64, false)]
    [InlineData("scout", WeightScheme.Int4, ActivationPrecision.BFloat16, 24, false)]
    [InlineData("scout", WeightScheme.Fp8, ActivationPrecision.BFloat16, 80, false)]
    [InlineData("scout", WeightScheme.Fp8, ActivationPrecision.BFloat16, 141, true)]
    [InlineData("scout", WeightScheme.Stored, ActivationPrecision.BFloat16, 192, false)]
    [InlineData("maverick", WeightScheme.Int4, ActivationPrecision.BFloat16, 192, false)]
    [InlineData("maverick", WeightScheme.Int4, ActivationPrecision.BFloat16, 288, true)]
    public void PublishedModelsGoWhereTheyFit(string shape, WeightScheme scheme, ActivationPrecision activations, long gigabytes, bool fits)
    {
        ModelConfig config = ModelConfig.Parse(shape == "scout" ? Scout : Maverick, "config.json");
        using var source = new Shapes(config);
        var catalogue = new WeightCatalogue(config, source.Naming, source);
        var options = new ModelOptions { Weights = scheme, Activations = activations };
        CudaBackendOptions backend = new() { Precision = activations };
        using var driver = new EmulatedCudaDriver(new EmulatedDriverOptions { MemoryBytes = gigabytes * 1_000_000_000 });
        MemoryNeed? need = null;
        bool chosen = CudaBackendChoice.Auto(
            sizes => need = ModelMemory.Measure(config, catalogue, options, sizes, ModelMemory.UsualContext), () => EmulatedBackend.Modules, () => (driver, ""), out string reason, backend) is not null;
        Assert.Equal(fits, chosen);
        Assert.Equal($"backend {(fits ? "cuda" : "cpu")}: Emulated sm_90 has {ByteSize.Text(gigabytes * 1_000_000_000)} free; the model needs {need}.", reason);
    }

    [Fact]
    public void ScoutInInt4TakesTheBytesOfItsShape()
    {
        ModelConfig config = ModelConfig.Parse(Scout, "config.json");
        using var source = new Shapes(config);
        var catalogue = new WeightCatalogue(config, source.Naming, source);
        var options = new ModelOptions { Weights = WeightScheme.Int4, Activations = ActivationPrecision.BFloat16 };
        MemoryNeed need = ModelMemory.Measure(config, catalogue, options, new CudaSizes(DeviceLimits.Get("h100"), new CudaBackendOptions { Precision = ActivationPrecision.BFloat16 }), 8192);
        // 48 layers: 17 blocks of 3 · 8192 · 5120 weights at 4 bits and 32 for each 128; attention and router in bfloat16. Table and head.
        const long Block = 3L * 8192 * 5120, Attention = (7168L + 5120 + 16) * 5120, Vocabulary = 202048L * 5120;
        Assert.Equal(48 * ((17 * Block * 17 / 32) + (2 * Attention) + (2 * 5120 * 4)) + (2 * 2 * Vocabulary) + (5120 * 4), need.Weights);
        // Every layer keeps 8192 positions: 8 heads of 128 for keys and for values.
        Assert.Equal(48L * 8192 * 2 * 8 * 128 * 2, need.Cache);
        Assert.InRange(need.Steps, 1L << 30, 3L << 30);
    }

    private static CudaBackendOptions Small(ActivationPrecision activations) => new()
    {
        ArenaBytes = 1 << 20,
        StagingBytes = 1 << 20,
        Precision = activations,
    };

    /// <summary>The tensors of a published model without their data.</summary>
    private sealed class Shapes : ITensorSource
    {
        private readonly Dictionary<string, StoredTensor> _tensors = new(StringComparer.Ordinal);

        public Shapes(ModelConfig config)
        {
            Naming = new HuggingFaceNaming("", config.Text.Experts, []);
            var bf16 = new StoredType("BF16", 1, 2, ElementType.BF16);
            foreach (WeightPart part in ModelWeights.Of(config, head: true).SelectMany(weight => Naming.Locate(weight).Parts))
            {
                _tensors[part.Tensor] = new StoredTensor(part.Tensor, bf16, part.Shape, "shapes", 0, 2 * part.Shape.Aggregate(1L, (product, extent) => product * extent));
            }
        }

        public HuggingFaceNaming Naming { get; }

        public string Location => "shapes";

        public IReadOnlyList<StoredTensor> Tensors => [.. _tensors.Values];

        public IReadOnlyList<string> Warnings => [];

        public bool TryGet(string name, [NotNullWhen(true)] out StoredTensor? tensor) => _tensors.TryGetValue(name, out tensor);

        // Nobody may read there.
        public nint Address(StoredTensor tensor) => 4096;

        public SafeHandle Memory(StoredTensor tensor) => throw new InvalidOperationException("There is none.");

        public void GiveBack(nint address, long bytes)
        {
        }

        public void Dispose()
        {
        }
    }
}
