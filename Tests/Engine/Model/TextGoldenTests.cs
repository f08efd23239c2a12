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
    public void LogitsRoutersAndContinuationEqualTheReference(string name, string file)
    {
        Llama4Model model = models.Get(name);
        using ReferenceFile golden = References.Open(name, file);
        LogitsResult result = References.Check(model, golden);
        Assert.Equal(Enumerable.Range(0, model.Config.Text.Layers + 1), result.HiddenAfterLayer.Keys.Order());
    }

    [Theory]
    [InlineData(0)]
    [InlineData(1000)]
    public void SixteenThousandTokensCrossTwoChunkEdges(int prefillChunk)
    {
        Llama4Model model = models.Get("tiny-long");
        using ReferenceFile golden = References.Open("tiny-long", "text-16500");
        LogitsResult result = References.Check(model, golden, capture: false, options => options with { PrefillChunk = prefillChunk });
        Assert.InRange(result.MaxChunkedBlocks, 1, 8192 / 64);
    }

    [Fact]
    public void Bf16ActivationsStayCloseToTheReference()
    {
        Llama4Model model = models.Get("nano", new ModelOptions { Activations = ActivationPrecision.BFloat16 });
        foreach (string file in (string[])["chat-fact", "chat-hello-th", "chat-tool", "text-700"])
        {
            using ReferenceFile golden = References.Open("nano", file);
            References.Check(model, golden, capture: false, options => options with { Greedy = 0 });
        }
    }
}
