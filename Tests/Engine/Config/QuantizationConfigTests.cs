using Llama4Kernels.Engine;
using Llama4Kernels.Engine.Config;

namespace Llama4Kernels.Tests.Engine.Config;

public sealed class QuantizationConfigTests
{
    private static ModelConfig Parse(string quantization) =>
        ModelConfig.Parse($$"""{"model_type":"llama4_text","hidden_size":64,"quantization_config":{{quantization}} }""", "config.json");

    private static string Compressed(string weights) =>
        $$$$"""{"quant_method":"compressed-tensors","config_groups":{"group_0":{"weights":{{{{weights}}}}}},"ignore":["a.b","re:.*c"]}""";

    [Fact]
    public void NamesAndPatternsOfTheIgnoreList()
    {
        QuantizationConfig config = Parse(Compressed("""{"num_bits":8,"type":"float","strategy":"channel"}""")).Quantization!;
        Assert.Equal(["a.b", "re:.*c"], config.Ignore);
        Assert.True(config.Ignores("a.b"));
        Assert.False(config.Ignores("a.b.d"));
        Assert.False(config.Ignores("axb"));
        Assert.True(config.Ignores("xcx"));
    }

    [Fact]
    public void FbgemmHasAnActivationBound()
    {
        QuantizationConfig config = Parse("""{"quant_method":"fbgemm_fp8","modules_to_not_convert":["lm_head"]}""").Quantization!;
        Assert.Equal(1200f, config.ActivationBound);
        Assert.True(config.Ignores("lm_head"));
        Assert.Equal(900f, Parse("""{"quant_method":"fbgemm_fp8","activation_scale_ub":900}""").Quantization!.ActivationBound);
    }

    [Theory]
    [InlineData("""{}""", "quant_method", "is missing")]
    [InlineData("""{"quant_method":"awq"}""", "quant_method", "'awq' is not supported")]
    [InlineData("""{"quant_method":"compressed-tensors","format":"nvfp4-pack-quantized"}""", "format", "(4-bit floats) is not supported")]
    [InlineData("""{"quant_method":"bitsandbytes"}""", "quant_method", "needs tables and nested scales")]
    [InlineData("""{"quant_method":"gptq"}""", "quant_method", "--weights int4")]
    [InlineData("""{"quant_method":"modelopt"}""", "quant_algo", "is missing")]
    [InlineData("""{"quant_method":"modelopt","quant_algo":"NVFP4_AWQ"}""", "quant_algo", "'NVFP4_AWQ' is not supported; FP8 is")]
    [InlineData("""{"quant_method":"compressed-tensors","format":"marlin-24"}""", "format", "sparse")]
    [InlineData("""{"quant_method":"compressed-tensors","sparsity_config":{"format":"sparse-bitmask"}}""", "sparsity_config", "sparse")]
    [InlineData("""{"quant_method":"compressed-tensors","transform_config":{"config_groups":{}}}""", "transform_config", "rotations")]
    [InlineData("""{"quant_method":"compressed-tensors","config_groups":{"W3A16":["Linear"]}}""", "config_groups.W3A16", "no scheme")]
    [InlineData("""{"quant_method":"compressed-tensors"}""", "config_groups", "is missing")]
    [InlineData("""{"quant_method":"compressed-tensors","config_groups":{"g":7}}""", "config_groups.g", "must be an object")]
    [InlineData("""{"quant_method":"compressed-tensors","config_groups":{"g":{}}}""", "config_groups.g.weights", "is missing")]
    [InlineData("""{"quant_method":"fbgemm_fp8","modules_to_not_convert":[1]}""", "modules_to_not_convert", "must be an array of strings")]
    [InlineData("""{"quant_method":"fbgemm_fp8","activation_scale_ub":0}""", "activation_scale_ub", "must be above 0")]
    [InlineData("""{"quant_method":"fbgemm_fp8","modules_to_not_convert":["re:("]}""", "modules_to_not_convert", "pattern 're:(' is not supported")]
    [InlineData("""{"quant_method":"fbgemm_fp8","modules_to_not_convert":["re:(?=a"]}""", "modules_to_not_convert", "is not supported")]
    public void UnknownOrIncomplete(string quantization, string field, string reason)
    {
        ModelFormatException e = Assert.Throws<ModelFormatException>(() => Parse(quantization));
        Assert.Equal("quantization_config." + field, e.Field);
        Assert.Contains(reason, e.Reason, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("""{"num_bits":3,"type":"int","strategy":"group","group_size":32}""", "num_bits", "3-bit integers are not supported; 4 and 8 are")]
    [InlineData("""{"num_bits":4,"type":"int","strategy":"group"}""", "group_size", "is missing")]
    [InlineData("""{"num_bits":4,"type":"int","strategy":"tensor_group","group_size":16}""", "strategy", "'tensor_group' are not supported")]
    [InlineData("""{"num_bits":4,"type":"int","strategy":"group","group_size":32,"actorder":"group"}""", "actorder", "regrouped")]
    [InlineData("""{"num_bits":4,"type":"int","strategy":"group","group_size":32,"actorder":true}""", "actorder", "regrouped")]
    [InlineData("""{"num_bits":8,"type":"complex","strategy":"channel"}""", "type", "'complex' is not supported")]
    [InlineData("""{"num_bits":4,"type":"float","strategy":"channel"}""", "type", "4-bit float are not supported")]
    [InlineData("""{"num_bits":8,"type":"float","strategy":"group","group_size":128}""", "strategy", "'group' are not supported")]
    [InlineData("""{"num_bits":8,"type":"float","strategy":"block"}""", "block_structure", "two sizes")]
    [InlineData("""{"num_bits":8,"type":"float","strategy":"block","block_structure":"128by128"}""", "block_structure", "two sizes")]
    [InlineData("""{"num_bits":8,"type":"float","strategy":"channel","symmetric":false}""", "symmetric", "asymmetric")]
    public void WrongWeights(string weights, string field, string reason)
    {
        ModelFormatException e = Assert.Throws<ModelFormatException>(() => Parse(Compressed(weights)));
        Assert.Equal("quantization_config.config_groups.group_0.weights." + field, e.Field);
        Assert.Contains(reason, e.Reason, StringComparison.Ordinal);
    }

    [Fact]
    public void PatternThatWouldBacktrackForEverIsLinear()
    {
        QuantizationConfig config = Parse("""{"quant_method":"fbgemm_fp8","modules_to_not_convert":["re:(a+)+$"]}""").Quantization!;
        Assert.False(config.Ignores(new string('a', 5000) + "b"));
    }

    [Theory]
    [InlineData("re:^(?!.*(experts|shared_expert)).*$", "model.layers.0.self_attn.q_proj", true)]
    [InlineData("re:^(?!.*(experts|shared_expert)).*$", "model.layers.0.feed_forward.experts.3.up_proj", false)]
    [InlineData("re:(?P<where>.*)lm_head$", "language_model.lm_head", true)]
    [InlineData("re:.*(?<!self_attn.)[qk]_proj", "model.layers.1.self_attn.q_proj", false)]
    public void LookaroundsAndNamedGroupsOfPython(string pattern, string module, bool ignored) =>
        Assert.Equal(ignored, Parse($$"""{"quant_method":"fbgemm_fp8","modules_to_not_convert":["{{pattern}}"]}""").Quantization!.Ignores(module));

    [Fact]
    public void LookaroundThatTakesTooLongIsAnError()
    {
        QuantizationConfig config = Parse("""{"quant_method":"fbgemm_fp8","modules_to_not_convert":["re:(?!b)(a+)+$"]}""").Quantization!;
        ModelFormatException e = Assert.Throws<ModelFormatException>(() => config.Ignores(new string('a', 40) + "b"));
        Assert.Contains("takes too long", e.Message, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("""{"num_bits":4,"strategy":"group","group_size":128,"actorder":"weight"}""", "4-bit symmetric integers in groups of 128")]
    [InlineData("""{"num_bits":4,"group_size":32,"symmetric":false}""", "4-bit integers with zero points in groups of 32")]
    [InlineData("""{"num_bits":8,"group_size":-1}""", "8-bit symmetric integers with a scale per row")]
    [InlineData("""{"num_bits":8,"type":"float"}""", "8-bit floats with one scale")]
    [InlineData("""{"num_bits":8,"type":"float","strategy":"block","block_structure":[128,64]}""", "8-bit floats in blocks of 128×64")]
    [InlineData("""{"num_bits":8,"type":"float","strategy":"block","block_structure":"64x128"}""", "8-bit floats in blocks of 64×128")]
    public void WhatAGroupSays(string weights, string text) => Assert.Equal(text, Parse(Compressed(weights)).Quantization!.GroupOf("any.module")!.Text);

    [Fact]
    public void TheMostSpecificGroupWins()
    {
        const string Four = """{"num_bits":4,"group_size":32}""", Eight = """{"num_bits":8,"group_size":-1}""", Float = """{"num_bits":8,"type":"float","strategy":"channel"}""";
        QuantizationConfig config = Parse($$"""
            {"quant_method":"compressed-tensors","config_groups":{
              "a":{"targets":["Linear"],"weights":{{Four}} },
              "b":{"targets":["re:.*down_proj"],"weights":{{Eight}} },
              "c":{"targets":["model.layers.1.mlp.down_proj"],"weights":{{Float}} } } }
            """).Quantization!;
        Assert.Equal(["a", "b", "c", "c"], ((string[])["model.x", "model.layers.0.mlp.down_proj", "model.layers.1.mlp.down_proj", "language_model.model.layers.1.mlp.down_proj"]).Select(name => config.GroupOf(name)!.Name));
        Assert.Equal("W4A16_ASYM", Parse("""{"quant_method":"compressed-tensors","config_groups":{"W4A16_ASYM":["re:model.*"]}}""").Quantization!.GroupOf("language_model.model.x")!.Name);
    }

    [Fact]
    public void ModeloptListsNamesAndBeginnings()
    {
        QuantizationConfig config = Parse("""{"quant_method":"modelopt","quant_algo":"FP8","ignore":["lm_head","vision_model*"]}""").Quantization!;
        Assert.Equal((true, true, false, true), (config.Ignores("language_model.lm_head"), config.Ignores("vision_model.x.y"), config.Ignores("model.x"), config.Covers("model.x")));
    }

    [Theory]
    [InlineData("""{"group_size":64,"bits":3}""", "bits", "3-bit is not supported; 4 and 8 are")]
    [InlineData("""{"group_size":16,"bits":4}""", "group_size", "groups of 16")]
    [InlineData("""{"group_size":32,"bits":4,"mode":"mxfp4"}""", "mode", "'mxfp4' is not supported")]
    [InlineData("""{"group_size":64,"bits":4,"lm_head":{"group_size":64,"bits":6}}""", "lm_head.bits", "6-bit")]
    public void MlxHasAnObjectOfItsOwn(string quantization, string field, string reason)
    {
        ModelFormatException e = Assert.Throws<ModelFormatException>(() => ModelConfig.Parse($$"""{"model_type":"llama4_text","hidden_size":64,"quantization":{{quantization}},"quantization_config":{{quantization}} }""", "config.json"));
        Assert.Equal(("quantization." + field, true), (e.Field, e.Reason.Contains(reason, StringComparison.Ordinal)));
    }

    [Fact]
    public void MlxMaySayMoreOfSingleModules()
    {
        QuantizationConfig config = ModelConfig.Parse("""{"model_type":"llama4_text","hidden_size":64,"quantization":{"group_size":64,"bits":4,"lm_head":{"group_size":32,"bits":8},"model.norm":false} }""", "config.json").Quantization!;
        Assert.Equal((4, 8, false), (config.GroupOf("model.x")!.Bits, config.GroupOf("lm_head")!.Bits, config.Covers("model.x")));
    }
}
