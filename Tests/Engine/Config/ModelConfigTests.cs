using System.Text.Json.Nodes;
using Llama4Kernels.Engine;
using Llama4Kernels.Engine.Config;
using Llama4Kernels.Kernels.Rope;

namespace Llama4Kernels.Tests.Engine.Config;

public sealed class ModelConfigTests
{
    private static JsonObject Nested() => JsonNode.Parse(File.ReadAllText(GoldenFiles.Path("tiny-scout", "config.json")))!.AsObject();

    private static ModelConfig Parse(JsonNode node) => ModelConfig.Parse(node.ToJsonString(), "config.json");

    /// <summary>tiny-scout's configuration with fields of an object replaced; the value "absent" removes the field.</summary>
    private static JsonObject With(string section, params (string Field, string Json)[] changes)
    {
        JsonObject root = Nested();
        JsonObject target = section.Length == 0 ? root : root[section]!.AsObject();
        foreach ((string field, string json) in changes)
        {
            if (json == "absent")
            {
                target.Remove(field);
            }
            else
            {
                target[field] = JsonNode.Parse(json);
            }
        }
        return root;
    }

    private static ModelConfig Text(params (string Field, string Json)[] changes) => Parse(With("text_config", changes));

    private static ModelConfig Vision(params (string Field, string Json)[] changes) => Parse(With("vision_config", changes));

    private static void Refused(string section, string field, string reason, params (string Field, string Json)[] changes)
    {
        ModelFormatException e = Assert.Throws<ModelFormatException>(() => Parse(With(section, changes)));
        Assert.Equal("config.json", e.File);
        Assert.Equal(section.Length == 0 ? field : $"{section}.{field}", e.Field);
        Assert.Contains(reason, e.Reason, StringComparison.Ordinal);
    }

    private static string Marks(ModelConfig config, Func<LayerConfig, bool> mark) => string.Concat(config.Text.LayerKinds.Select(l => mark(l) ? '1' : '0'));

    [Fact]
    public void ScoutLike()
    {
        ModelConfig config = ModelConfig.Load(GoldenFiles.Path("tiny-scout"));
        Assert.True(config.Nested);
        Assert.False(config.TieWordEmbeddings);
        Assert.Equal((1523, 1524, 1535), (config.BoiToken, config.EoiToken, config.ImageToken));
        Assert.Null(config.Quantization);
        Assert.Empty(config.Warnings);
        TextConfig text = config.Text;
        Assert.Equal((128, 5, 5, 1, 128), (text.HiddenSize, text.Layers, text.Heads, text.KvHeads, text.HeadDim));
        Assert.Equal((128, 256, 1536, 16, 1), (text.IntermediateSize, text.IntermediateSizeMlp, text.VocabSize, text.Experts, text.ExpertsPerToken));
        Assert.Equal(new RopeScaling(16, 1, 1, 64), text.RopeScaling);
        Assert.Equal((1e-5f, 500000.0, 32, 16f, 0.1f), (text.RmsNormEps, text.RopeTheta, text.AttentionChunkSize, text.FloorScale, text.AttnScale));
        Assert.True(text.UseQkNorm && text.TemperatureTuning && !text.AttentionBias);
        Assert.Equal((4096, 1443, 1461), (text.MaxPositions, text.BosToken, text.PadToken));
        Assert.Equal([1444, 1450, 1451], text.EosTokens);
        Assert.Equal("11101", Marks(config, l => l.UsesRope));
        Assert.Equal("11101", Marks(config, l => l.IsChunked));
        Assert.Equal("11111", Marks(config, l => l.IsMoe));
        VisionConfig vision = config.Vision!;
        Assert.Equal((176, 2, 2, 704, 56, 14, 3), (vision.HiddenSize, vision.Layers, vision.Heads, vision.IntermediateSize, vision.ImageSize, vision.PatchSize, vision.Channels));
        Assert.Equal((1e-5f, 0.5, 96, 96, 96, 10000.0), (vision.NormEps, vision.PixelShuffleRatio, vision.ProjectorInputDim, vision.ProjectorOutputDim, vision.OutputDim, vision.RopeTheta));
        Assert.Equal((4, 16, 4), (vision.Grid, vision.Patches, vision.TokensPerTile));
    }

    [Fact]
    public void MaverickLike()
    {
        ModelConfig config = ModelConfig.Load(GoldenFiles.Path("tiny-maverick"));
        Assert.Equal("1110", Marks(config, l => l.UsesRope));
        Assert.Equal("1110", Marks(config, l => l.IsChunked));
        Assert.Equal("0101", Marks(config, l => l.IsMoe));
        Assert.Equal((128, 10, 2), (config.Text.Experts, config.Text.Heads, config.Text.KvHeads));
        Assert.Null(config.Text.RopeScaling);
        Assert.False(config.Text.UseQkNorm);
    }

    [Fact]
    public void Fp8()
    {
        ModelConfig config = ModelConfig.Load(GoldenFiles.Path("tiny-fp8"));
        QuantizationConfig quantization = config.Quantization!;
        Assert.Equal("compressed-tensors", quantization.Method);
        Assert.Null(quantization.ActivationBound);
        Assert.True(quantization.Ignores("language_model.model.layers.0.self_attn.q_proj"));
        Assert.True(quantization.Ignores("language_model.model.layers.0.feed_forward.gate_proj"));
        Assert.False(quantization.Ignores("language_model.model.layers.1.feed_forward.experts.3.gate_proj"));
        Assert.Equal("1110", Marks(config, l => l.UsesRope));
        Assert.Equal("0101", Marks(config, l => l.IsMoe));
    }

    [Fact]
    public void Flat()
    {
        ModelConfig config = ModelConfig.Load(GoldenFiles.Path("tiny-flat"));
        Assert.False(config.Nested);
        Assert.Null(config.Vision);
        Assert.Equal((-1, -1, -1), (config.BoiToken, config.EoiToken, config.ImageToken));
        Assert.Equal((50000.0, 1e-6f, 48), (config.Text.RopeTheta, config.Text.RmsNormEps, config.Text.HeadDim));
        Assert.Null(config.Text.RopeScaling);
        Assert.Null(config.Text.AttentionChunkSize);
        Assert.Equal("1011", Marks(config, l => l.UsesRope));
        Assert.Equal("0000", Marks(config, l => l.IsChunked));
        Assert.Equal("0110", Marks(config, l => l.IsMoe));
        Assert.Equal([1451], config.Text.EosTokens);
    }

    [Fact]
    public void PublishedConstants()
    {
        TextConfig text = ModelConfig.Load(GoldenFiles.Path("tiny-long")).Text;
        Assert.Equal((8192, 8192f, 0.1f, 10485760), (text.AttentionChunkSize, text.FloorScale, text.AttnScale, text.MaxPositions));
        Assert.Equal(new RopeScaling(16, 1, 1, 8192), text.RopeScaling);
    }

    [Fact]
    public void AbsentFieldsTakeTheDocumentedDefaults()
    {
        TextConfig text = ModelConfig.Parse("""{"model_type":"llama4_text","hidden_size":5120,"bos_token_id":200000,"eos_token_id":200001}""", "config.json").Text;
        Assert.Equal((48, 40, 8, 128), (text.Layers, text.Heads, text.KvHeads, text.HeadDim));
        Assert.Equal((8192, 16384, 202048, 16, 1), (text.IntermediateSize, text.IntermediateSizeMlp, text.VocabSize, text.Experts, text.ExpertsPerToken));
        Assert.Equal((8192, 8192f, 0.1f, 131072, 500000.0), (text.AttentionChunkSize, text.FloorScale, text.AttnScale, text.MaxPositions, text.RopeTheta));
        Assert.True(text.UseQkNorm && text.TemperatureTuning && !text.AttentionBias);
        Assert.Equal([3, 7, 11], Enumerable.Range(0, 48).Where(i => !text.LayerKinds[i].UsesRope).Take(3));
        Assert.All(text.LayerKinds, layer => Assert.True(layer.IsMoe));
    }

    [Theory]
    [InlineData("null", "null", "11101")]
    [InlineData("[]", "absent", "11101")]
    [InlineData("absent", "2", "10101")]
    [InlineData("[0,1,1,0,1]", "2", "01101")]
    [InlineData("[]", "9", "11111")]
    public void NoRopeLayersForms(string list, string interval, string expected)
    {
        ModelConfig config = Text(("no_rope_layers", list), ("no_rope_layer_interval", interval));
        Assert.Equal(expected, Marks(config, l => l.UsesRope));
        Assert.Equal(expected, Marks(config, l => l.IsChunked));
    }

    [Theory]
    [InlineData("null", "1", "11111")]
    [InlineData("absent", "2", "01010")]
    [InlineData("[]", "1", "00000")]
    [InlineData("[4,0]", "1", "10001")]
    public void MoeLayersForms(string list, string step, string expected) =>
        Assert.Equal(expected, Marks(Text(("moe_layers", list), ("interleave_moe_layer_step", step)), l => l.IsMoe));

    [Fact]
    public void LayerTypesDecideTheMaskOnly()
    {
        ModelConfig config = Text(("layer_types", """["full_attention","chunked_attention","full_attention","chunked_attention","full_attention"]"""));
        Assert.Equal("01010", Marks(config, l => l.IsChunked));
        Assert.Equal("11101", Marks(config, l => l.UsesRope));
    }

    [Fact]
    public void DenseDerivativeWithoutExperts()
    {
        ModelConfig config = Text(("moe_layers", "[]"), ("num_local_experts", "0"), ("attention_chunk_size", "null"), ("no_rope_layers", "[]"), ("no_rope_layer_interval", "6"));
        Assert.Equal((0, 0), (config.Text.Experts, config.Text.ExpertsPerToken));
        Assert.All(config.Text.LayerKinds, layer => Assert.Equal(new LayerConfig(true, false, false), layer));
    }

    [Theory]
    [InlineData("true", true)]
    [InlineData("false", false)]
    [InlineData("4", true)]
    [InlineData("0", false)]
    [InlineData("absent", true)]
    public void TemperatureTuningForms(string json, bool expected) => Assert.Equal(expected, Text(("attn_temperature_tuning", json)).Text.TemperatureTuning);

    [Theory]
    [InlineData("", "true", true)]
    [InlineData("text_config", "true", true)]
    [InlineData("", "absent", false)]
    public void TiedEmbeddingsInEitherPlace(string section, string json, bool expected) =>
        Assert.Equal(expected, Parse(With(section, ("tie_word_embeddings", json))).TieWordEmbeddings);

    [Fact]
    public void RopeParametersReplaceTheSeparateFields()
    {
        TextConfig text = Text(("rope_theta", "absent"), ("rope_scaling", "absent"), ("rope_parameters",
            """{"rope_theta":1000.0,"rope_type":"llama3","factor":4,"low_freq_factor":1,"high_freq_factor":2,"original_max_position_embeddings":32}""")).Text;
        Assert.Equal(1000.0, text.RopeTheta);
        Assert.Equal(new RopeScaling(4, 1, 2, 32), text.RopeScaling);
    }

    [Fact]
    public void OldNameOfTheRopeType() =>
        Assert.Equal(16, Text(("rope_scaling", """{"type":"llama3","factor":16,"low_freq_factor":1,"high_freq_factor":1,"original_max_position_embeddings":64}""")).Text.RopeScaling!.Factor);

    [Fact]
    public void WrongScalingOfTheFirstUploadIsWarnedAboutAndUsed()
    {
        ModelConfig config = Text(("rope_scaling", """{"rope_type":"llama3","factor":8.0,"low_freq_factor":1.0,"high_freq_factor":4.0,"original_max_position_embeddings":8192}"""));
        Assert.Equal(new RopeScaling(8, 1, 4, 8192), config.Text.RopeScaling);
        Assert.Contains("factor 8", Assert.Single(config.Warnings), StringComparison.Ordinal);
    }

    [Fact]
    public void EndTokensAreOneOrSeveralAndJoinThoseOfTheGenerationConfig()
    {
        Assert.Equal([7], Text(("eos_token_id", "7")).Text.EosTokens);
        string folder = Directory.CreateTempSubdirectory("llama4-tests-").FullName;
        try
        {
            File.WriteAllText(Path.Combine(folder, "config.json"), With("text_config", ("eos_token_id", "[5,1450]"), ("bos_token_id", "absent")).ToJsonString());
            File.Copy(GoldenFiles.Path("tiny-scout", "generation_config.json"), Path.Combine(folder, "generation_config.json"));
            TextConfig text = ModelConfig.Load(folder).Text;
            Assert.Equal([5, 1450, 1444, 1451], text.EosTokens);
            Assert.Equal(1443, text.BosToken);
            File.WriteAllText(Path.Combine(folder, "generation_config.json"), """{"eos_token_id":1536}""");
            ModelFormatException e = Assert.Throws<ModelFormatException>(() => ModelConfig.Load(folder));
            Assert.EndsWith("generation_config.json", e.File, StringComparison.Ordinal);
            Assert.Equal("eos_token_id", e.Field);
        }
        finally
        {
            Directory.Delete(folder, recursive: true);
        }
    }

    [Fact]
    public void MissingSpecialTokensAreWarnedAbout() =>
        Assert.Equal(2, Text(("eos_token_id", "absent"), ("bos_token_id", "absent")).Warnings.Count);

    [Theory]
    [InlineData("num_key_value_heads", "2", "2 does not divide num_attention_heads 5")]
    [InlineData("head_dim", "0", "must be within 2 and 4096, is 0")]
    [InlineData("head_dim", "63", "63 is odd")]
    [InlineData("num_hidden_layers", "1000000000", "must be within 1 and 4096, is 1000000000")]
    [InlineData("num_hidden_layers", "0", "must be within 1 and 4096")]
    [InlineData("num_local_experts", "0", "must be within 1 and 65536, is 0")]
    [InlineData("num_experts_per_tok", "17", "17 is more than the 16 experts")]
    [InlineData("num_experts_per_tok", "0", "must be within 1")]
    [InlineData("num_attention_heads", "999999", "heads of 128 are wider than")]
    [InlineData("hidden_size", "absent", "is missing")]
    [InlineData("hidden_size", "-128", "must be within 1")]
    [InlineData("hidden_size", "128.5", "must be an integer, is 128.5")]
    [InlineData("hidden_size", "\"128\"", "must be an integer, is \"128\"")]
    [InlineData("hidden_act", "\"gelu\"", "'gelu' is not supported")]
    [InlineData("no_rope_layers", "[1,1,1,0]", "has 4 entries for 5 layers")]
    [InlineData("moe_layers", "[1,1]", "lists layer 1 twice")]
    [InlineData("moe_layers", "3", "must be an array of integers")]
    [InlineData("no_rope_layer_interval", "0", "must be within 1")]
    [InlineData("layer_types", """["full_attention"]""", "has 1 entries for 5 layers")]
    [InlineData("layer_types", """["sliding_attention","","","",""]""", "'sliding_attention' is neither")]
    [InlineData("layer_types", "[1]", "must be an array of strings")]
    [InlineData("attention_chunk_size", "0", "must be within 1")]
    [InlineData("attention_chunk_size", "-8192", "must be within 1")]
    [InlineData("rms_norm_eps", "0", "must be above 0")]
    [InlineData("rms_norm_eps", "1e999", "must be a finite number")]
    [InlineData("rms_norm_eps", "\"NaN\"", "must be a finite number")]
    [InlineData("floor_scale", "0", "must be above 0")]
    [InlineData("rope_theta", "-1", "must be above 0")]
    [InlineData("use_qk_norm", "1", "must be true or false, is 1")]
    [InlineData("attn_temperature_tuning", "\"yes\"", "must be true or false")]
    [InlineData("eos_token_id", "\"x\"", "must be an array of integers")]
    [InlineData("bos_token_id", "1536", "must be within 0 and 1535")]
    [InlineData("vocab_size", "0", "must be within 1")]
    [InlineData("rope_scaling", "[]", "must be an object")]
    public void BadTextValue(string field, string json, string reason)
    {
        if (field == "no_rope_layer_interval")
        {
            Refused("text_config", field, reason, (field, json), ("no_rope_layers", "[]"));
            return;
        }
        Refused("text_config", field, reason, (field, json));
    }

    [Fact]
    public void ListOfLayerIndicesInNoRopeLayersIsRefused() =>
        Refused("text_config", "no_rope_layers[0]", "must be within 0 and 1, is 3", ("no_rope_layers", "[3,7,11,15,19]"));

    [Fact]
    public void LayerBeyondTheLastInMoeLayersIsRefused() =>
        Refused("text_config", "moe_layers[1]", "must be within 0 and 4, is 5", ("moe_layers", "[0,5]"));

    [Theory]
    [InlineData("rope_type", "\"yarn\"", "'yarn' is not supported")]
    [InlineData("rope_type", "absent", "'(absent)' is not supported")]
    [InlineData("factor", "0", "must be above 0")]
    [InlineData("factor", "-16", "must be above 0")]
    [InlineData("factor", "\"NaN\"", "must be a finite number")]
    [InlineData("factor", "absent", "is missing")]
    [InlineData("high_freq_factor", "0.5", "is below low_freq_factor")]
    [InlineData("low_freq_factor", "0", "must be above 0")]
    [InlineData("original_max_position_embeddings", "0", "must be within 1")]
    public void BadRopeScaling(string field, string json, string reason)
    {
        JsonObject root = Nested();
        JsonObject scaling = root["text_config"]!["rope_scaling"]!.AsObject();
        scaling.Remove(field);
        if (json != "absent")
        {
            scaling[field] = JsonNode.Parse(json);
        }
        ModelFormatException e = Assert.Throws<ModelFormatException>(() => Parse(root));
        Assert.Equal($"text_config.rope_scaling.{field}", e.Field);
        Assert.Contains(reason, e.Reason, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("hidden_size")]
    [InlineData("num_hidden_layers")]
    [InlineData("num_attention_heads")]
    [InlineData("intermediate_size")]
    [InlineData("image_size")]
    [InlineData("patch_size")]
    [InlineData("num_channels")]
    [InlineData("pixel_shuffle_ratio")]
    [InlineData("projector_input_dim")]
    [InlineData("projector_output_dim")]
    [InlineData("vision_output_dim")]
    public void MissingVisionSize(string field) => Refused("vision_config", field, "is missing", (field, "absent"));

    [Theory]
    [InlineData("pixel_shuffle_ratio", "0.25", "0.25 is not supported")]
    [InlineData("hidden_act", "\"gelu_new\"", "'gelu_new' is not supported")]
    [InlineData("num_attention_heads", "8", "multiples of 4")]
    [InlineData("patch_size", "8", "an even number of times")]
    [InlineData("intermediate_size", "512", "must be 4")]
    [InlineData("projector_input_dim", "64", "differs from projector_output_dim")]
    [InlineData("vision_output_dim", "64", "differs from projector_output_dim")]
    [InlineData("num_channels", "0", "must be within 1")]
    public void BadVisionValue(string field, string json, string reason) => Refused("vision_config", field, reason, (field, json));

    [Fact]
    public void VisionDefaults()
    {
        VisionConfig vision = Vision(("norm_eps", "absent"), ("hidden_act", "absent"), ("rope_theta", "100")).Vision!;
        Assert.Equal((1e-5f, 100.0), (vision.NormEps, vision.RopeTheta));
    }

    [Theory]
    [InlineData("model_type", "\"llama\"", "is 'llama'")]
    [InlineData("model_type", "absent", "is '(absent)'")]
    [InlineData("text_config", "absent", "")]
    [InlineData("text_config", "7", "must be an object")]
    [InlineData("vision_config", "[]", "must be an object")]
    [InlineData("image_token_index", "1536", "must be within 0 and 1535")]
    [InlineData("quantization_config", "7", "must be an object")]
    public void BadTopLevelValue(string field, string json, string reason) =>
        Refused("", field == "text_config" && json == "absent" ? "model_type" : field, reason, (field, json));

    [Theory]
    [InlineData("")]
    [InlineData("[]")]
    [InlineData("{\"model_type\":\"llama4_text\",}")]
    [InlineData("{\"hidden_size\":NaN}")]
    [InlineData("{\"hidden_size\":1,\"hidden_size\":2}")]
    [InlineData("{\"hidden_size\":1} // comment")]
    [InlineData("{\"model_type\":\"\\ud800\"}")]
    public void TextThatIsNotStrictJson(string json) =>
        Assert.Equal("x.json", Assert.Throws<ModelFormatException>(() => ModelConfig.Parse(json, "x.json")).File);

    [Fact]
    public void DeepNestingIsRefused() =>
        Assert.Contains("is not valid JSON", Assert.Throws<ModelFormatException>(() => ModelConfig.Parse(string.Concat(Enumerable.Repeat("{\"a\":", 100_000)), "x")).Message, StringComparison.Ordinal);

    [Fact]
    public void FolderWithoutConfig() =>
        Assert.Contains("does not exist", Assert.Throws<ModelFormatException>(() => ModelConfig.Load(GoldenFiles.Path("images"))).Message, StringComparison.Ordinal);
}
