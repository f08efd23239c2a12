using System.Text.Json;
using System.Text.Json.Nodes;
using Llama4Kernels.Engine;
using Llama4Kernels.Engine.Checkpoints;
using Llama4Kernels.Engine.Checkpoints.Meta;
using Llama4Kernels.Engine.Checkpoints.Weights;
using Llama4Kernels.Engine.Diagnostics;
using Llama4Kernels.Engine.Model;
using Llama4Kernels.Tests.Engine.Model;

namespace Llama4Kernels.Tests.Engine.Checkpoints.Meta;

/// <summary>Meta's own files give the weights and the logits of their Hugging Face twins.</summary>
public sealed class MetaModelTests : IDisposable
{
    private readonly TemporaryFolder _folder = new();

    public void Dispose() => _folder.Dispose();

    [Fact]
    public void TwoRanksJoinToThePublishedWeightsBitForBit()
    {
        using Checkpoint meta = Checkpoint.Open(GoldenFiles.Path("meta", "tiny-maverick")), published = Checkpoint.Open(GoldenFiles.Path("tiny-maverick"));
        Assert.Equal(published.Weights.Weights, meta.Weights.Weights);
        foreach (Weight weight in published.Weights.Weights)
        {
            // Values of bf16 are exact in float32, so equal numbers are equal bits; the sign of zero is compared too.
            Assert.True(Bits(published, weight).AsSpan().SequenceEqual(Bits(meta, weight)), weight.ToString());
        }
        Assert.Equal(Comparable(published), Comparable(meta));
    }

    [Theory]
    [InlineData("meta/tiny-maverick", "tiny-maverick", "text-5", "text-40", "image-one-tile")]
    [InlineData("meta/tiny-scout-1", "meta/tiny-scout-1/hf", "text-5", "text-40", "text-260", "image-one-tile")]
    public void LogitsEqualTheReference(string folder, string goldens, params string[] names)
    {
        using Llama4Model model = Llama4Model.Load(GoldenFiles.Path(folder.Split('/')));
        Assert.True(model.HasVision);
        foreach (string name in names)
        {
            using ReferenceFile golden = References.Open(goldens, name);
            References.Check(model, golden);
        }
    }

    [Theory]
    [InlineData("os-system.pth", "system', which no dictionary of tensors needs; nothing was executed")]
    [InlineData("truncated.pth", "has no zip directory at its end: it is truncated")]
    [InlineData("short-storage.pth", "lies in a storage of 1024 elements of BF16, but the record 'data/0' has 1000 bytes")]
    [InlineData("strides.pth", "is not inside its storage of 1024 elements")]
    [InlineData("negative-offset.pth", "offset -8 is not inside its storage")]
    [InlineData("legacy.pth", "is in the format of torch.save before PyTorch 1.6")]
    public void BadFilesAreRefused(string name, string expected)
    {
        Assert.Contains(name, File.ReadAllText(GoldenFiles.Path("meta", "bad.jsonl")), StringComparison.Ordinal);
        File.Copy(GoldenFiles.Path("meta", "tiny-scout-1", "params.json"), _folder.File("params.json"));
        File.Copy(GoldenFiles.Path("meta", "bad", name), _folder.File("consolidated.00.pth"));
        AssertFault(expected);
    }

    [Fact]
    public void EveryBadFileOfTheListIsTried()
    {
        string[] listed = [.. File.ReadAllLines(GoldenFiles.Path("meta", "bad.jsonl")).Select(line => Path.GetFileName(JsonDocument.Parse(line).RootElement.GetProperty("file").GetString()!))];
        Assert.Equal(6, listed.Length);
        Assert.Equal(listed.Order(StringComparer.Ordinal), Directory.GetFiles(GoldenFiles.Path("meta", "bad")).Select(Path.GetFileName).Order(StringComparer.Ordinal));
    }

    [Fact]
    public void RanksThatAreMissingOrDoNotDivideAreNamed()
    {
        Copy("tiny-maverick");
        File.Move(_folder.File("consolidated.00.pth"), _folder.File("consolidated.02.pth"));
        AssertFault("consolidated.00.pth: is missing: the files of all ranks are needed");
        File.Move(_folder.File("consolidated.02.pth"), _folder.File("consolidated.00.pth"));
        File.Copy(_folder.File("consolidated.01.pth"), _folder.File("consolidated.02.pth"));
        AssertFault("consolidated.02.pth: is a copy of 'consolidated.01.pth'");
        File.Delete(_folder.File("consolidated.02.pth"));
        File.Delete(_folder.File("consolidated.01.pth"));
        // Half of a model.
        AssertFault("params.json: vocab_size: is 1536, and 'consolidated.00.pth' has 768 rows of it: it is one of 2 files, and there is 1.");
    }

    [Fact]
    public void RanksAreInTheOrderOfTheirNumbersHoweverMany()
    {
        string[] names = [.. Enumerable.Range(0, 128).Select(rank => $"consolidated.{rank:D2}.pth")];
        foreach (string name in names)
        {
            _folder.Write(name, "");
        }
        Assert.Equal(names, MetaModel.FilesOf(_folder.Path).Select(Path.GetFileName));
    }

    [Theory]
    [InlineData("fp8_scales_0.pt")]
    [InlineData("int4_scales_0.pt")]
    public void QuantisedVariantsAreRefusedWithAdvice(string scales)
    {
        Copy("tiny-scout-1");
        _folder.Write(scales, "x");
        AssertFault("belongs to a quantised variant (FP8 or int4), whose files are not supported. Download the bfloat16 files of the same model");
        File.Delete(_folder.File(scales));
        Change(json => json["quantization_args"] = new JsonObject { ["scheme"] = "int4_mixed" });
        AssertFault("quantization_args: says that this is a quantised variant");
    }

    [Fact]
    public void AMissingFieldAndAWrongOneAreNamed()
    {
        Copy("tiny-scout-1");
        Change(json => json.Remove("dim"));
        AssertFault("params.json: dim: is missing.");
        Change(json => json["dim"] = 160, json => json["vision_args"]!["image_size"]!["width"] = 70);
        AssertFault("vision_args.image_size: is 56 by 70; only squares are supported.");
        File.Delete(_folder.File("params.json"));
        AssertFault("params.json: the file does not exist.");
    }

    [Fact]
    public void TheVocabularyMayBeLeftToTheTable()
    {
        Copy("tiny-maverick");
        Change(json => json["vocab_size"] = -1);
        using Checkpoint checkpoint = Checkpoint.Open(_folder.Path);
        Assert.Equal(1536, checkpoint.Config.Text.VocabSize);
    }

    private static int[] Bits(Checkpoint checkpoint, Weight weight) => Array.ConvertAll(checkpoint.Weights.Values(weight), BitConverter.SingleToInt32Bits);

    private static object Comparable(Checkpoint checkpoint)
    {
        var t = checkpoint.Config.Text;
        return (t.Layers, t.HiddenSize, t.Heads, t.KvHeads, t.HeadDim, (t.IntermediateSize, t.IntermediateSizeMlp, t.VocabSize, t.Experts, t.ExpertsPerToken),
            (t.RopeTheta, t.RopeScaling, t.AttentionChunkSize, t.UseQkNorm, t.TemperatureTuning, t.FloorScale, t.AttnScale, t.RmsNormEps),
            (t.BosToken, string.Join(",", t.EosTokens), t.PadToken), string.Join(",", t.LayerKinds),
            (checkpoint.Config.Vision, checkpoint.Config.BoiToken, checkpoint.Config.EoiToken, checkpoint.Config.ImageToken));
    }

    private void Copy(string name)
    {
        foreach (string file in Directory.GetFiles(GoldenFiles.Path("meta", name)))
        {
            File.Copy(file, _folder.File(Path.GetFileName(file)));
        }
    }

    private void Change(params Action<JsonObject>[] changes)
    {
        JsonObject json = JsonNode.Parse(File.ReadAllText(_folder.File("params.json")))!.AsObject();
        Array.ForEach(changes, change => change(json));
        _folder.Write("params.json", json.ToJsonString());
    }

    private void AssertFault(string expected) =>
        Assert.Contains(expected, Assert.Throws<ModelFormatException>(() => Checkpoint.Open(_folder.Path)).Message, StringComparison.Ordinal);
}
