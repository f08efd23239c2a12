using System.Text.Json.Nodes;
using Llama4Kernels.Kernels.Backends;
using Llama4Kernels.Kernels.Contracts;

namespace Llama4Kernels.Tests.Tools;

/// <summary><c>llama4 kernels</c>: what both backends take for a product, and why.</summary>
public class KernelsCommandTests
{
    [Fact]
    public async Task TheProcessorsProductsAreListedWithWhatItLacks()
    {
        CliRun run = await CliRun.Of("kernels", "--device", "cpu", "--json");
        Assert.Equal(0, run.ExitCode);
        JsonArray kernels = JsonNode.Parse(run.Out)!.AsArray();
        Assert.Equal(CpuKernelChoices.List().Select(kernel => kernel.Name), kernels.Select(kernel => kernel!["name"]!.GetValue<string>()));
        Assert.Contains(kernels, kernel => kernel!["name"]!.GetValue<string>() == "matmul_int4_scalar" && kernel["lacks"] is null);
        Assert.Equal(5, kernels.Count(kernel => kernel!["weights"]!.GetValue<string>().EndsWith(" cache", StringComparison.Ordinal)));
        Assert.Contains("this processor: vectors of", (await CliRun.Of("kernels", "--device", "cpu")).Out, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("bf16", "float32", "matmul_bf16_scalar")]
    [InlineData("int4", "bf16", "matmul_int4_scalar")]
    public async Task AShapeIsAskedOfTheProcessorAsOfADevice(string weights, string activations, string forced)
    {
        string[] call = ["kernels", "--shape", "scout", "--device", "cpu", "--rows", "1,64", "--weights", weights, "--activations", activations, "--json"];
        JsonArray products = Products(await CliRun.Of(call)), scalar = Products(await CliRun.Of([.. call, "--kernel", forced]));
        var gemm = new GemmDesc(1, 16384, 5120, WeightFormat.Get(weights), activations == "bf16" ? ActivationPrecision.BFloat16 : ActivationPrecision.Float32);
        string[] named = [CpuKernelChoices.Choose(gemm).Kernel, forced];
        Assert.Equal(named, new[] { products, scalar }.Select(all => all.First(product => product!["product"]!.GetValue<string>() == "experts gate_up")!["kernel"]!.GetValue<string>()));
        Assert.Equal(2 * 8, products.Count);
        Assert.All(products, product => Assert.Equal("panels32", product!["layout"]!.GetValue<string>()));
        Assert.Contains("scout on this processor", (await CliRun.Of(call[..^1])).Out, StringComparison.Ordinal);
    }

    /// <summary>The attention that runs, by the record that the backend itself names, and why not one before it.</summary>
    [Theory]
    [InlineData("bf16", "BF16")]
    [InlineData("float32", "F32")]
    public async Task AttentionIsNamedAsTheBackendTakesIt(string activations, string cache)
    {
        CliRun run = await CliRun.Of("kernels", "--shape", "scout", "--device", "cpu", "--rows", "1", "--activations", activations, "--json");
        JsonNode attention = Assert.Single(JsonNode.Parse(run.Out)!["operations"]!.AsArray())!;
        using var backend = new CpuBackend(new CpuBackendOptions { Threads = 1, Precision = activations == "bf16" ? ActivationPrecision.BFloat16 : ActivationPrecision.Float32 });
        Assert.Contains(attention["kernel"]!.GetValue<string>(), backend.Description, StringComparison.Ordinal);
        Assert.Equal($"{cache} cache", attention["case"]!.GetValue<string>());
        OperationChoice forced = CpuKernelChoices.ChooseAttention(new AttentionShape(40, 8, 128), KvFormat.BF16, ActivationPrecision.BFloat16, "attention_bf16_vector128");
        Assert.Equal("attention_bf16_vector128", forced.Kernel);
        Assert.Equal("attention_bf16_dot is not the forced one", forced.Passed[0]);
        OperationChoice exact = CpuKernelChoices.ChooseAttention(new AttentionShape(40, 8, 128), KvFormat.BF16, ActivationPrecision.Float32);
        Assert.Contains("attention_bf16_dot rounds operands", exact.Passed);
    }

    /// <summary>What x is multiplied as is said as it is: values, rounded ones, or codes where the format has rows quantised.</summary>
    [Theory]
    [InlineData("h100", "fp8a", "bf16", "E4M3 codes")]
    [InlineData("h100", "fp8a", "float32", "E4M3 codes")]
    [InlineData("h100", "fp8", "bf16", "BFloat16")]
    [InlineData("h100", "int4", "bf16", "BFloat16")]
    [InlineData("h100", "int4", "float32", "Float32")]
    [InlineData("cpu", "fp8a", "float32", "E4M3 codes")]
    [InlineData("cpu", "int4", "bf16", "Float32")]
    public async Task OperandsAreNamed(string device, string weights, string activations, string operands)
    {
        JsonArray products = Products(await CliRun.Of("kernels", "--shape", "scout", "--device", device, "--rows", "1,64", "--weights", weights, "--activations", activations, "--json"));
        JsonNode[] experts = [.. products.Where(product => product!["weights"]!.GetValue<string>() == weights).Select(product => product!)];
        Assert.Equal(2 * 4, experts.Length);
        Assert.All(experts, product => Assert.Equal(operands, product["operands"]!.GetValue<string>()));
    }

    [Fact]
    public async Task WrongNamesAreRefusedWithTheValidOnes()
    {
        (await CliRun.Of("kernels", "--shape", "scout", "--device", "cpu", "--kernel", "fastest")).AssertFails("matmul_bf16_scalar");
        (await CliRun.Of("kernels", "--shape", "scout", "--device", "h100", "--kernel", "fastest")).AssertFails("matvec1_int4");
        (await CliRun.Of("kernels", "--device", "abacus")).AssertFails("abacus");
    }

    private static JsonArray Products(CliRun run)
    {
        Assert.Equal(0, run.ExitCode);
        return JsonNode.Parse(run.Out)!["products"]!.AsArray();
    }
}
