using System.Text.Json.Nodes;
using Llama4Kernels.Engine;
using Llama4Kernels.Engine.Config;

namespace Llama4Kernels.Tests.Engine.Config;

/// <summary>Whose class a configuration names.</summary>
public sealed class ArchitecturesTests
{
    [Theory]
    [InlineData("[\"Llama4ForConditionalGeneration\"]")]
    [InlineData("[\"Llama4ForCausalLM\"]")]
    [InlineData("\"Llama4ForCausalLM\"")]
    [InlineData("[\"Llama4TextModel\"]")]
    [InlineData("[\"EagleLlama4ForCausalLM\"]")]
    [InlineData("[\"Acme_Llama_4ForCausalLM\"]")]
    [InlineData("[\"MixtralForCausalLM\", \"Llama4ForCausalLM\"]")]
    [InlineData("[\"PhilologistForCausalLM\"]")]
    [InlineData("[]")]
    [InlineData("null")]
    [InlineData("absent")]
    public void ClassesOfLlama4OfDerivativesAndNone(string json) => Assert.Equal(5, Parse(json).Text.Layers);

    [Theory]
    [InlineData("[\"MixtralForCausalLM\"]", "names 'MixtralForCausalLM', which is another model; this engine runs Llama 4")]
    [InlineData("\"MixtralForCausalLM\"", "names 'MixtralForCausalLM'")]
    [InlineData("[\"LlamaForCausalLM\"]", "names 'LlamaForCausalLM'")]
    [InlineData("[\"MllamaForConditionalGeneration\"]", "names 'Mllama")]
    [InlineData("[\"Qwen2_5_VLForConditionalGeneration\"]", "names 'Qwen2_5_VL")]
    [InlineData("[\"DeepseekV3ForCausalLM\"]", "names 'Deepseek")]
    [InlineData("[\"GPT2LMHeadModel\"]", "names 'GPT2")]
    [InlineData("[\"Gemma3ForCausalLM\"]", "names 'Gemma3")]
    [InlineData("[\"PhiForCausalLM\"]", "names 'Phi")]
    [InlineData("7", "must be an array of strings")]
    [InlineData("[7]", "must be an array of strings")]
    public void ClassesOfAnotherFamilyAreRefused(string json, string reason)
    {
        ModelFormatException e = Assert.Throws<ModelFormatException>(() => Parse(json));
        Assert.Equal(("config.json", "architectures"), (e.File, e.Field));
        Assert.Contains(reason, e.Reason, StringComparison.Ordinal);
    }

    private static ModelConfig Parse(string architectures)
    {
        JsonObject config = JsonNode.Parse(File.ReadAllText(GoldenFiles.Path("tiny-scout", "config.json")))!.AsObject();
        config.Remove("architectures");
        if (architectures != "absent")
        {
            config["architectures"] = JsonNode.Parse(architectures);
        }
        return ModelConfig.Parse(config.ToJsonString(), "config.json");
    }
}
