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
    public void Names_and_patterns_of_the_ignore_list()
    {
        QuantizationConfig config = Parse(Compressed("""{"num_bits":8,"type":"float","strategy":"channel"}""")).Quantization!;
        Assert.Equal(["a.b", "re:.*c"], config.Ignore);
        Assert.True(config.Ignores("a.b"));
        Assert.False(config.Ignores("a.b.d"));
        Assert.False(config.Ignores("axb"));
        Assert.True(config.Ignores("xcx"));
    }

    [Fact]
    public void Fbgemm_has_an_activation_bound()
    {
        QuantizationConfig config = Parse("""{"quant_method":"fbgemm_fp8","modules_to_not_convert":["lm_head"]}""").Quantization!;
        Assert.Equal(1200f, config.ActivationBound);
        Assert.True(config.Ignores("lm_head"));
        Assert.Equal(900f, Parse("""{"quant_method":"fbgemm_fp8","activation_scale_ub":900}""").Quantization!.ActivationBound);
    }

    [Theory]
    [InlineData("""{}""", "quant_method", "is missing")]
    [InlineData("""{"quant_method":"awq"}""", "quant_method", "'awq' is not supported")]
    [InlineData("""{"quant_method":"compressed-tensors","format":"pack-quantized"}""", "format", "'pack-quantized' is not supported")]
    [InlineData("""{"quant_method":"compressed-tensors"}""", "config_groups", "is missing")]
    [InlineData("""{"quant_method":"compressed-tensors","config_groups":{"g":7}}""", "config_groups.g", "must be an object")]
    [InlineData("""{"quant_method":"compressed-tensors","config_groups":{"g":{}}}""", "config_groups.g.weights", "is missing")]
    [InlineData("""{"quant_method":"fbgemm_fp8","modules_to_not_convert":[1]}""", "modules_to_not_convert", "must be an array of strings")]
    [InlineData("""{"quant_method":"fbgemm_fp8","activation_scale_ub":0}""", "activation_scale_ub", "must be above 0")]
    [InlineData("""{"quant_method":"fbgemm_fp8","modules_to_not_convert":["re:("]}""", "modules_to_not_convert", "pattern 're:(' is not supported")]
    [InlineData("""{"quant_method":"fbgemm_fp8","modules_to_not_convert":["re:(?=a"]}""", "modules_to_not_convert", "is not supported")]
    public void Unknown_or_incomplete(string quantization, string field, string reason)
    {
        ModelFormatException e = Assert.Throws<ModelFormatException>(() => Parse(quantization));
        Assert.Equal("quantization_config." + field, e.Field);
        Assert.Contains(reason, e.Reason, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("""{"num_bits":4,"type":"int","strategy":"group"}""", "type", "4-bit int are not supported")]
    [InlineData("""{"num_bits":4,"type":"float","strategy":"channel"}""", "type", "4-bit float are not supported")]
    [InlineData("""{"num_bits":8,"type":"float","strategy":"tensor"}""", "strategy", "per 'tensor' are not supported")]
    [InlineData("""{"num_bits":8,"type":"float","strategy":"block"}""", "strategy", "per 'block' are not supported")]
    [InlineData("""{"num_bits":8,"type":"float"}""", "strategy", "per 'tensor' are not supported")]
    [InlineData("""{"num_bits":8,"type":"float","strategy":"channel","symmetric":false}""", "symmetric", "asymmetric")]
    public void Wrong_weights(string weights, string field, string reason)
    {
        ModelFormatException e = Assert.Throws<ModelFormatException>(() => Parse(Compressed(weights)));
        Assert.Equal("quantization_config.config_groups.group_0.weights." + field, e.Field);
        Assert.Contains(reason, e.Reason, StringComparison.Ordinal);
    }

    [Fact]
    public void Pattern_that_would_backtrack_for_ever_is_linear()
    {
        QuantizationConfig config = Parse("""{"quant_method":"fbgemm_fp8","modules_to_not_convert":["re:(a+)+$"]}""").Quantization!;
        Assert.False(config.Ignores(new string('a', 5000) + "b"));
    }

    [Theory]
    [InlineData("re:^(?!.*(experts|shared_expert)).*$", "model.layers.0.self_attn.q_proj", true)]
    [InlineData("re:^(?!.*(experts|shared_expert)).*$", "model.layers.0.feed_forward.experts.3.up_proj", false)]
    [InlineData("re:(?P<where>.*)lm_head$", "language_model.lm_head", true)]
    [InlineData("re:.*(?<!self_attn.)[qk]_proj", "model.layers.1.self_attn.q_proj", false)]
    public void Lookarounds_and_named_groups_of_python(string pattern, string module, bool ignored) =>
        Assert.Equal(ignored, Parse($$"""{"quant_method":"fbgemm_fp8","modules_to_not_convert":["{{pattern}}"]}""").Quantization!.Ignores(module));

    [Fact]
    public void Lookaround_that_takes_too_long_is_an_error()
    {
        QuantizationConfig config = Parse("""{"quant_method":"fbgemm_fp8","modules_to_not_convert":["re:(?!b)(a+)+$"]}""").Quantization!;
        ModelFormatException e = Assert.Throws<ModelFormatException>(() => config.Ignores(new string('a', 40) + "b"));
        Assert.Contains("takes too long", e.Message, StringComparison.Ordinal);
    }
}
