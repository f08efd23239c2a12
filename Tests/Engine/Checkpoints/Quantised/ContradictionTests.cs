using Llama4Kernels.Engine;
using Llama4Kernels.Engine.Checkpoints;

namespace Llama4Kernels.Tests.Engine.Checkpoints.Quantised;

/// <summary>Tensors decide what a layer is, and a configuration that says otherwise is named.</summary>
public sealed class ContradictionTests : IDisposable
{
    private readonly TemporaryFolder _folder = new();

    public void Dispose() => _folder.Dispose();

    [Theory]
    [InlineData("pack-int4-asym-group32", "\"num_bits\": 4", "\"num_bits\": 8", "has 4-bit codes with zero points in groups of 32, but quantization_config's group_0 says 8-bit")]
    [InlineData("pack-int4-asym-group32", "\"symmetric\": false", "\"symmetric\": true", "with zero points")]
    [InlineData("pack-int4-asym-group32", "\"group_size\": 32", "\"group_size\": 16", "says 4-bit integers with zero points in groups of 16")]
    [InlineData("int8-channel", "\"symmetric\": true", "\"symmetric\": false", "has 8-bit integers without zero points")]
    [InlineData("mlx-4bit", "\"bits\": 4", "\"bits\": 8", "has 4-bit codes in groups of 64")]
    [InlineData("mlx-4bit", "\"group_size\": 64", "\"group_size\": 32", "says 4-bit integers with zero points in groups of 32")]
    [InlineData("modelopt-fp8", "\"quant_algo\": \"FP8\"", "\"quant_algo\": \"NVFP4\"", "'NVFP4' is not supported; FP8 is")]
    public void OtherBitsGroupsAndZeroPointsAreRefused(string name, string said, string instead, string reason)
    {
        string folder = Copy(name, config => config.Replace(said, instead, StringComparison.Ordinal));
        ModelFormatException e = Assert.Throws<ModelFormatException>(() => Checkpoint.Open(folder));
        Assert.Contains(reason, e.Message, StringComparison.Ordinal);
    }

    [Fact]
    public void WithoutAConfigurationTheTensorsAreEnough()
    {
        string folder = Copy("pack-int4-asym-group32", config => config.Replace("\"quantization_config\"", "\"was_quantization_config\"", StringComparison.Ordinal));
        using Checkpoint checkpoint = Checkpoint.Open(folder);
        Assert.Contains(checkpoint.Weights.Weights, weight => checkpoint.Weights.Open(weight).Format?.Name == "uint4g32-bf16-zero");
    }

    private string Copy(string name, Func<string, string> edit)
    {
        string folder = _folder.File(Guid.NewGuid().ToString("N")), from = GoldenFiles.Path("quantised", name);
        Directory.CreateDirectory(folder);
        File.Copy(Path.Combine(from, "model.safetensors"), Path.Combine(folder, "model.safetensors"));
        string config = File.ReadAllText(Path.Combine(from, "config.json")), edited = edit(config);
        Assert.NotEqual(config, edited);
        File.WriteAllText(Path.Combine(folder, "config.json"), edited);
        return folder;
    }
}
