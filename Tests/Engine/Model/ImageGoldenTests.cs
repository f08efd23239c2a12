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
    public void FeaturesAndLogitsEqualTheReference(string name, string file)
    {
        Llama4Model model = models.Get(name);
        using ReferenceFile golden = References.Open(name, file);
        // Files with many tiles keep the projected features only.
        Assert.True(golden.Has("vision.projected"));
        LogitsResult result = References.Check(model, golden);
        Assert.Equal(["embedded", "features", "projected"], result.Vision.Keys);
    }
}
