using System.Text;
using System.Text.Json.Nodes;
using Llama4Kernels.Engine;
using Llama4Kernels.Engine.Checkpoints;
using Llama4Kernels.Engine.Checkpoints.SafeTensors;
using Llama4Kernels.Engine.Checkpoints.Weights;
using Llama4Kernels.Engine.Config;
using Llama4Kernels.Kernels.Contracts;
using Llama4Kernels.Kernels.Numerics;

namespace Llama4Kernels.Tests.Engine.Checkpoints;

public sealed unsafe class CheckpointTests : IDisposable
{
    private const string Layer1 = "language_model.model.layers.1.feed_forward.";
    private readonly TemporaryFolder _folder = new();

    public void Dispose() => _folder.Dispose();

    [Theory]
    [InlineData("tiny-scout", 105)]
    [InlineData("tiny-maverick", 71)]
    [InlineData("tiny-fp8", 163)]
    [InlineData("tiny-flat", 45)]
    [InlineData("tiny-long", 77)]
    public void ReferenceCheckpointsOpenAndFit(string name, int tensors)
    {
        using Checkpoint checkpoint = Checkpoint.Open(GoldenFiles.Path(name));
        Assert.Equal(GoldenFiles.Path(name), checkpoint.Folder);
        Assert.Equal(tensors, checkpoint.Tensors.Count);
        Assert.Equal(checkpoint.Tensors.Sum(t => t.Bytes), checkpoint.TotalBytes);
        Assert.Empty(checkpoint.Config.Warnings);
        Assert.Contains(checkpoint.Tensors, tensor => tensor.Name == (name == "tiny-flat" ? "" : "language_model.") + "model.norm.weight");
    }

    [Fact]
    public void SampleModelOpensAndFits()
    {
        using Checkpoint checkpoint = Checkpoint.Open(GoldenFiles.SampleModel);
        Assert.Equal((256, 4, 4), (checkpoint.Config.Text.HiddenSize, checkpoint.Config.Text.Layers, checkpoint.Config.Text.Experts));
        Assert.Equal(112, checkpoint.Config.Vision!.ImageSize);
    }

    [Theory]
    [InlineData(1, 16, 1133, 217_283_587_072)]
    [InlineData(2, 128, 1061, 803_167_562_752)]
    public void ExpectedTensorsOfTheReleasedModels(int step, int experts, int count, long bytes)
    {
        ModelConfig config = ModelConfig.Parse($$$"""
            {"model_type":"llama4","text_config":{"hidden_size":5120,"interleave_moe_layer_step":{{{step}}},"num_local_experts":{{{experts}}} },
             "vision_config":{"hidden_size":1408,"num_hidden_layers":34,"num_attention_heads":16,"intermediate_size":5632,"image_size":336,"patch_size":14,
             "num_channels":3,"pixel_shuffle_ratio":0.5,"projector_input_dim":4096,"projector_output_dim":4096,"vision_output_dim":4096}}
            """, "config.json");
        IReadOnlyList<ExpectedTensor> tensors = ExpectedTensors.For(config, "language_model.");
        Assert.Equal(count, tensors.Count);
        Assert.Equal(bytes, 2 * tensors.Sum(t => t.Shape.Aggregate(1L, (a, b) => checked(a * b))));
        Assert.Equal(count, tensors.Select(t => t.Name).Distinct().Count());
    }

    [Fact]
    public void AWeightLiesRowMajor()
    {
        using Checkpoint checkpoint = Checkpoint.Open(GoldenFiles.Path("tiny-scout"));
        var matrix = (StridedMatrix)checkpoint.Weights.Open(checkpoint.Weights[WeightRole.Query, 0]);
        Assert.Equal((640, 128, 128L, 1L, ElementType.BF16), (matrix.Rows, matrix.Columns, matrix.RowStride, matrix.ColumnStride, matrix.Type));
        Assert.Equal(0, matrix.RowScales);
        using SafeTensorsFile file = SafeTensorsFile.Open(GoldenFiles.Path("tiny-scout", "model.safetensors"));
        float[] all = file.ReadFloats("language_model.model.layers.0.self_attn.q_proj.weight");
        Assert.Equal(all[(639 * 128) + 5], Element(matrix, 639, 5));
        Assert.Equal(all, checkpoint.Weights.Values(checkpoint.Weights[WeightRole.Query, 0]));
    }

    [Fact]
    public void FusedExpertsHaveRowsAndColumnsSwapped()
    {
        using Checkpoint checkpoint = Checkpoint.Open(GoldenFiles.Path("tiny-maverick"));
        WeightCatalogue weights = checkpoint.Weights;
        const string Name = Layer1 + "experts.gate_up_proj"; // [128, 64, 64]
        var up = (StridedMatrix)weights.Open(weights[WeightRole.ExpertUp, 1, 77]);
        Assert.Equal((32, 64, 1L, 64L), (up.Rows, up.Columns, up.RowStride, up.ColumnStride));
        using SafeTensorsFile file = SafeTensorsFile.Open(GoldenFiles.Path("tiny-maverick", "model-00001-of-00002.safetensors"));
        float[] all = file.ReadFloats(Name);
        Assert.Equal(all[(77 * 64 * 64) + (5 * 64) + 32 + 9], Element(up, 9, 5));
        Assert.Equal(all[^1], Element((StridedMatrix)weights.Open(weights[WeightRole.ExpertUp, 1, 127]), 31, 63));
        Assert.Throws<KeyNotFoundException>(() => weights[WeightRole.ExpertUp, 1, 128]);
        Assert.Throws<KeyNotFoundException>(() => weights[WeightRole.ExpertUp, 0, 0]);
    }

    [Fact]
    public void Fp8MatrixBringsItsScales()
    {
        using Checkpoint checkpoint = Checkpoint.Open(GoldenFiles.Path("tiny-fp8"));
        var matrix = (StridedMatrix)checkpoint.Weights.Open(checkpoint.Weights[WeightRole.ExpertUp, 1, 3]);
        Assert.Equal((ElementType.F8E4M3, ElementType.BF16), (matrix.Type, matrix.RowScaleType));
        using SafeTensorsFile file = SafeTensorsFile.Open(GoldenFiles.Path("tiny-fp8", "model.safetensors"));
        Assert.Equal(file.ReadFloats(Layer1 + "experts.3.up_proj.weight_scale")[7], Bf16.ToSingle(((ushort*)matrix.RowScales)[7]));
    }

    [Fact]
    public void OnlyTensorsOfTheSourceHaveAddresses()
    {
        using Checkpoint checkpoint = Checkpoint.Open(GoldenFiles.Path("tiny-scout"));
        Assert.True(checkpoint.Source.TryGet("language_model.model.norm.weight", out StoredTensor? norm));
        Assert.Equal(("BF16", 128L, 256L), (norm.Type.Name, norm.Elements, norm.Bytes));
        byte[] stored = File.ReadAllBytes(norm.File);
        Assert.Equal(stored[(int)norm.Offset], *(byte*)checkpoint.Source.Address(norm));
        Assert.Throws<ArgumentException>(() => checkpoint.Source.Address(norm with { Offset = 0 }));
        Assert.False(checkpoint.Source.TryGet("x", out _));
    }

    [Fact]
    public void PagesThatWereGivenBackAreReadAgain()
    {
        using Checkpoint checkpoint = Checkpoint.Open(GoldenFiles.Path("tiny-scout"));
        Weight weight = checkpoint.Weights[WeightRole.Embedding];
        float[] before = checkpoint.Weights.Values(weight);
        checkpoint.Weights.GiveBack(checkpoint.Weights.Open(weight));
        Assert.Equal(before, checkpoint.Weights.Values(weight));
        // Memory that is none of the source's is left alone.
        byte[] own = [.. Enumerable.Repeat((byte)7, 100_000)];
        fixed (byte* p = own)
        {
            checkpoint.Source.GiveBack((nint)p, own.Length);
        }
        Assert.All(own, value => Assert.Equal(7, value));
    }

    [Fact]
    public void AllFaultsAreInOneReport()
    {
        string report = Rewritten("tiny-long", tensors =>
        {
            tensors.Remove("language_model.model.norm.weight");
            Replace(tensors, TemporaryFolder.Zeros("extra.weight", SafeTensorsType.F32, 2));
            Replace(tensors, TemporaryFolder.Zeros("vision_model.class_embedding", SafeTensorsType.BF16, 33));
            Replace(tensors, TemporaryFolder.Zeros("language_model.model.layers.0.input_layernorm.weight", SafeTensorsType.I16, 64));
        });
        Assert.Contains("4 tensor faults:", report, StringComparison.Ordinal);
        Assert.Contains("language_model.model.norm.weight: missing, expected [64]", report, StringComparison.Ordinal);
        Assert.Contains("extra.weight: the model of this configuration has no such tensor (F32 [2])", report, StringComparison.Ordinal);
        Assert.Contains("vision_model.class_embedding: has shape [33], expected [32]", report, StringComparison.Ordinal);
        Assert.Contains("layers.0.input_layernorm.weight: is I16, expected F32, BF16 or F16.", report, StringComparison.Ordinal);
    }

    [Fact]
    public void VocabularyThatDiffersFromTheEmbedding()
    {
        string report = Rewritten("tiny-long", tensors => Replace(tensors, TemporaryFolder.Zeros("language_model.model.embed_tokens.weight", SafeTensorsType.BF16, 1535, 64)));
        Assert.Contains("embed_tokens.weight: has 1535 rows, but vocab_size is 1536", report, StringComparison.Ordinal);
    }

    [Fact]
    public void Fp8WithoutScale()
    {
        string report = Rewritten("tiny-fp8", tensors => tensors.Remove(Layer1 + "experts.2.gate_proj.weight_scale"));
        Assert.Contains("experts.2.gate_proj.weight_scale: missing, but", report, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData(float.NaN)]
    [InlineData(0f)]
    [InlineData(float.PositiveInfinity)]
    [InlineData(-1f)]
    public void ScaleThatIsNoMultiplier(float value)
    {
        float[] scales = [.. Enumerable.Repeat(1f, 128)];
        scales[100] = value;
        byte[] bytes = [.. scales.SelectMany(BitConverter.GetBytes)];
        string report = Rewritten("tiny-fp8", tensors => Replace(tensors, SafeTensorsEntry.FromBytes(Layer1 + "experts.2.gate_proj.weight_scale", SafeTensorsType.F32, [128], bytes)));
        Assert.Contains("1 tensor fault:", report, StringComparison.Ordinal);
        Assert.Contains($"the scale of row 100 is {value}, it must be positive and finite", report, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData(1)]
    [InlineData(127)]
    [InlineData(128, 2)]
    [InlineData(1, 128)]
    [InlineData]
    public void ScaleOfTheWrongGranularity(params int[] shape)
    {
        long[] wide = [.. shape.Select(d => (long)d)];
        string report = Rewritten("tiny-fp8", tensors => Replace(tensors, TemporaryFolder.Zeros(Layer1 + "experts.2.gate_proj.weight_scale", SafeTensorsType.F32, wide)));
        Assert.Contains("expected one scale per row, [128] or [128, 1]", report, StringComparison.Ordinal);
    }

    [Fact]
    public void ScaleOfTheWrongType()
    {
        string report = Rewritten("tiny-fp8", tensors => Replace(tensors, TemporaryFolder.Zeros(Layer1 + "experts.2.gate_proj.weight_scale", SafeTensorsType.F8_E8M0, 128)));
        Assert.Contains("weight_scale: is F8_E8M0, expected F32, BF16 or F16", report, StringComparison.Ordinal);
    }

    [Fact]
    public void Fp8WhereNoScaleCanBeIsRefused()
    {
        string report = Rewritten("tiny-fp8", tensors => Replace(tensors, TemporaryFolder.Zeros(Layer1 + "router.weight", SafeTensorsType.F8_E4M3, 8, 128)));
        Assert.Contains("router.weight: is F8_E4M3, expected F32, BF16 or F16.", report, StringComparison.Ordinal);
    }

    [Fact]
    public void UnquantisedWeightThatTheIgnoreListMissesIsNamedAndUsed()
    {
        Rewrite("tiny-fp8", tensors =>
        {
            tensors.Remove(Layer1 + "experts.2.gate_proj.weight_scale");
            Replace(tensors, TemporaryFolder.Zeros(Layer1 + "experts.2.gate_proj.weight", SafeTensorsType.BF16, 128, 128));
        });
        using Checkpoint checkpoint = Checkpoint.Open(_folder.Path);
        string warning = Assert.Single(checkpoint.Config.Warnings);
        Assert.Contains(Layer1 + "experts.2.gate_proj.weight", warning, StringComparison.Ordinal);
        Assert.Equal(ElementType.BF16, checkpoint.Weights.Open(checkpoint.Weights[WeightRole.ExpertGate, 1, 2]).PlainType);
    }

    [Fact]
    public void LeftoversOfOtherToolsAreIgnored()
    {
        Rewrite("tiny-fp8", tensors =>
        {
            Replace(tensors, TemporaryFolder.Zeros("language_model.model.layers.0.self_attn.rotary_emb.inv_freq", SafeTensorsType.F32, 32));
            Replace(tensors, TemporaryFolder.Zeros(Layer1 + "experts.2.gate_proj.input_scale", SafeTensorsType.F32, 1));
        });
        using Checkpoint checkpoint = Checkpoint.Open(_folder.Path);
        Assert.Empty(checkpoint.Config.Warnings);
    }

    [Fact]
    public void TiedHeadIsNotExpectedAndNoOtherIsAllowed()
    {
        _folder.CopyModel(GoldenFiles.Path("tiny-flat"));
        JsonObject config = JsonNode.Parse(File.ReadAllText(_folder.File("config.json")))!.AsObject();
        config["tie_word_embeddings"] = true;
        _folder.Write("config.json", config.ToJsonString());
        Assert.Contains("lm_head.weight: differs from the embedding", Assert.Throws<ModelFormatException>(() => Checkpoint.Open(_folder.Path)).Message, StringComparison.Ordinal);
        Change("model.safetensors", tensors => tensors.Remove("lm_head.weight"));
        using Checkpoint checkpoint = Checkpoint.Open(_folder.Path);
        Assert.True(checkpoint.Config.TieWordEmbeddings);
        Assert.DoesNotContain(checkpoint.Tensors, tensor => tensor.Name == "lm_head.weight");
    }

    [Fact]
    public void AttentionBiasesAreExpectedWhenConfigured()
    {
        _folder.CopyModel(GoldenFiles.Path("tiny-flat"));
        string config = File.ReadAllText(_folder.File("config.json")).Replace("\"attention_bias\": false", "\"attention_bias\": true", StringComparison.Ordinal);
        _folder.Write("config.json", Encoding.UTF8.GetBytes(config));
        string message = Assert.Throws<ModelFormatException>(() => Checkpoint.Open(_folder.Path)).Message;
        Assert.Contains("16 tensor faults", message, StringComparison.Ordinal);
        Assert.Contains("model.layers.3.self_attn.q_proj.bias: missing, expected [192]", message, StringComparison.Ordinal);
        Assert.Contains("model.layers.3.self_attn.v_proj.bias: missing, expected [96]", message, StringComparison.Ordinal);
        Assert.Contains("model.layers.0.self_attn.o_proj.bias: missing, expected [256]", message, StringComparison.Ordinal);
    }

    [Fact]
    public void LongReportsAreCutWithTheirNumber()
    {
        string report = Rewritten("tiny-long", tensors =>
        {
            for (int i = 0; i < 300; i++)
            {
                Replace(tensors, TemporaryFolder.Zeros($"x{i}", SafeTensorsType.U8, 1));
            }
        });
        Assert.Contains("300 tensor faults:", report, StringComparison.Ordinal);
        Assert.EndsWith("and 100 more.", report, StringComparison.Ordinal);
    }

    private static float Element(StridedMatrix matrix, int row, int column) =>
        Bf16.ToSingle(((ushort*)matrix.Data)[(row * matrix.RowStride) + (column * matrix.ColumnStride)]);

    private static void Replace(Dictionary<string, SafeTensorsEntry> tensors, SafeTensorsEntry entry) => tensors[entry.Name] = entry;

    private void Rewrite(string model, Action<Dictionary<string, SafeTensorsEntry>> change)
    {
        _folder.CopyModel(GoldenFiles.Path(model));
        Change("model.safetensors", change);
    }

    private string Rewritten(string model, Action<Dictionary<string, SafeTensorsEntry>> change)
    {
        Rewrite(model, change);
        ModelFormatException e = Assert.Throws<ModelFormatException>(() => Checkpoint.Open(_folder.Path));
        Assert.Equal(_folder.Path, e.File);
        return e.Message;
    }

    private void Change(string name, Action<Dictionary<string, SafeTensorsEntry>> change)
    {
        Dictionary<string, SafeTensorsEntry> tensors;
        using (SafeTensorsFile file = SafeTensorsFile.Open(_folder.File(name)))
        {
            tensors = file.Tensors.ToDictionary(t => t.Name, t => SafeTensorsEntry.FromBytes(t.Name, t.DType, t.Shape, file.ReadBytes(t.Name)));
        }
        change(tensors);
        SafeTensorsWriter.Write(_folder.File(name), tensors.Values);
    }
}
