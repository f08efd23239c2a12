using Llama4Kernels.Engine.Diagnostics;
using Llama4Kernels.Engine.Model;
using Llama4Kernels.Kernels.Contracts;

namespace Llama4Kernels.Tests.Engine.Model;

/// <summary>The official implementations' logits, router choices and greedy continuations, in float32.</summary>
[Collection(nameof(ModelCollection))]
public sealed class TextGoldenTests(ModelFixture models)
{
    public static TheoryData<string, string> Files()
    {
        var data = new TheoryData<string, string>();
        foreach (string model in (string[])["tiny-scout", "tiny-maverick", "tiny-flat", "tiny-fp8", "nano"])
        {
            foreach (string path in Directory.GetFiles(GoldenFiles.Path(model, "golden")).Order(StringComparer.Ordinal))
            {
                string name = Path.GetFileNameWithoutExtension(path);
                if (name.StartsWith("text", StringComparison.Ordinal) || name.StartsWith("chat", StringComparison.Ordinal))
                {
                    data.Add(model, name);
                }
            }
        }
        return data;
    }

    [Theory]
    [MemberData(nameof(Files))]
    public void Logits_routers_and_continuation_equal_the_reference(string name, string file)
    {
        Llama4Model model = models.Get(name);
        using var golden = new GoldenFile(name, file);
        LogitsResult result = ModelRunner.Run(model, golden.Ids, golden.Options(model.Config.Text.VocabSize));

        // Hidden states first: when something is wrong they say in which layer it begins.
        for (int layer = 0; layer <= model.Config.Text.Layers; layer++)
        {
            if (golden.Has($"hidden.{layer}"))
            {
                Assert.True(Compare.RangeError(result.HiddenAfterLayer[layer], golden.Floats($"hidden.{layer}")) <= 1e-5, $"hidden state after {layer} layers");
            }
            if (golden.Has($"attention.{layer}"))
            {
                Assert.True(Compare.RangeError(result.AttentionOutputs[layer], golden.Floats($"attention.{layer}")) <= 1e-5, $"attention of layer {layer}");
            }
        }
        if (golden.Has("hidden.final"))
        {
            // Long goldens keep the last rows only.
            float[] expected = golden.Floats("hidden.final");
            Assert.True(Compare.RangeError(result.HiddenFinal.AsSpan()[^expected.Length..], expected) <= 1e-5, "final hidden state");
        }
        golden.Check(result, model);
    }

    [Theory]
    [InlineData(0)]
    [InlineData(1000)]
    public void Sixteen_thousand_tokens_cross_two_chunk_edges(int prefillChunk)
    {
        Llama4Model model = models.Get("tiny-long");
        using var golden = new GoldenFile("tiny-long", "text-16500");
        RunOptions options = golden.Options(model.Config.Text.VocabSize, capture: false) with { PrefillChunk = prefillChunk };
        LogitsResult result = ModelRunner.Run(model, golden.Ids, options);
        golden.Check(result, model);
        Assert.InRange(result.MaxChunkedBlocks, 1, 8192 / 64);
    }

    [Fact]
    public void Bf16_activations_stay_close_to_the_reference()
    {
        Llama4Model model = models.Get("nano", new ModelOptions { Activations = ActivationPrecision.BFloat16 });
        foreach (string file in (string[])["chat-fact", "chat-hello-th", "chat-tool", "text-700"])
        {
            using var golden = new GoldenFile("nano", file);
            LogitsResult result = ModelRunner.Run(model, golden.Ids, golden.Options(model.Config.Text.VocabSize, capture: false) with { Greedy = 0 });
            double kl = Compare.MeanKl(result.Logits, golden.Logits, model.Config.Text.VocabSize);
            Assert.True(kl <= 1e-3, $"{file}: KL {kl:E2}");
        }
    }
}
