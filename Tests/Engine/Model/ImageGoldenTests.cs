using Llama4Kernels.Engine.Diagnostics;
using Llama4Kernels.Engine.Model;

namespace Llama4Kernels.Tests.Engine.Model;

/// <summary>The vision tower and the fused logits against the reference, from the reference's pixel values.</summary>
[Collection(nameof(ModelCollection))]
public sealed class ImageGoldenTests(ModelFixture models)
{
    public static TheoryData<string, string> Files()
    {
        var data = new TheoryData<string, string>();
        foreach (string model in (string[])["tiny-scout", "tiny-maverick", "tiny-fp8", "nano"])
        {
            foreach (string path in Directory.GetFiles(GoldenFiles.Path(model, "golden"), "image-*").Order(StringComparer.Ordinal))
            {
                data.Add(model, Path.GetFileNameWithoutExtension(path));
            }
        }
        return data;
    }

    [Theory]
    [MemberData(nameof(Files))]
    public void Features_and_logits_equal_the_reference(string name, string file)
    {
        Llama4Model model = models.Get(name);
        using var golden = new GoldenFile(name, file);
        LogitsResult result = ModelRunner.Run(model, golden.Ids, golden.Options(model.Config.Text.VocabSize));
        // Files with many tiles keep the projected features only.
        Assert.True(golden.Has("vision.projected"));
        foreach (string stage in ((string[])["embedded", "features", "projected"]).Where(s => golden.Has("vision." + s)))
        {
            double error = Compare.RangeError(result.Vision[stage], golden.Floats("vision." + stage));
            Assert.True(error <= 1e-5, $"vision {stage}: error {error:E2} of the range");
        }
        golden.Check(result, model);
    }
}
