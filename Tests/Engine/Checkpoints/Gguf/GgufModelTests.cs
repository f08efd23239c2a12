using Llama4Kernels.Engine;
using Llama4Kernels.Engine.Checkpoints;
using Llama4Kernels.Engine.Checkpoints.Gguf;
using Llama4Kernels.Engine.Diagnostics;
using Llama4Kernels.Engine.Model;
using Llama4Kernels.Engine.Tokenization;
using Llama4Kernels.Tests.Engine.Model;

namespace Llama4Kernels.Tests.Engine.Checkpoints.Gguf;

/// <summary>The sample model as GGUF is the sample model.</summary>
public sealed class GgufModelTests : IDisposable
{
    private readonly TemporaryFolder _folder = new();
    private readonly NanoGguf _nano = new();

    public void Dispose()
    {
        _nano.Dispose();
        _folder.Dispose();
    }

    [Fact]
    public void PicturesAndChatsEqualTheReferenceWithTheProjectorBesideTheModel()
    {
        _nano.Model().Write(_folder.File("nano.gguf"));
        _nano.Projector().Write(_folder.File("mmproj-nano-BF16.gguf"));
        // The folder, whose only model it is.
        using Llama4Model model = Llama4Model.Load(_folder.Path);
        Assert.True(model.HasVision);
        Assert.Equal(112, model.ImageOptions.Tile);
        foreach (string name in (string[])["image-one", "image-two", "image-wide", "image-photo", "chat-fact", "chat-hello-th"])
        {
            Check(model, name);
        }
    }

    [Theory]
    [InlineData(ExpertForm.Fused)]
    [InlineData(ExpertForm.Separate)]
    internal void ExpertsInEveryForm(ExpertForm form)
    {
        string path = _folder.File("nano.gguf");
        _nano.Model(form).Write(path);
        using Llama4Model model = Llama4Model.Load(path);
        Assert.False(model.HasVision);
        Check(model, "chat-fact");
    }

    [Fact]
    public void ASplitModelOpensFromAnyPart()
    {
        _nano.WriteSplit(_folder.Path, 3);
        using (Llama4Model model = Llama4Model.Load(_folder.Path))
        {
            Check(model, "chat-fact");
        }
        using Checkpoint checkpoint = Checkpoint.Open(_folder.File("nano-00002-of-00003.gguf"));
        Assert.Equal(3, checkpoint.Tensors.Select(tensor => tensor.File).Distinct().Count());
        File.Delete(_folder.File("nano-00003-of-00003.gguf"));
        AssertFault("nano-00003-of-00003.gguf: is missing", _folder.Path);
    }

    [Theory]
    [InlineData(0, 3, 0, "split.no: is 0 of split.count 3; by the file's name it is 0 of 2")]
    [InlineData(0, 2, 1, "split.no: is 1 of split.count 2; by the file's name it is 0 of 2")]
    [InlineData(7, 2, 0, "split.tensors.count: is 7; the 2 files have")]
    public void PartsThatContradictEachOtherAreRefused(int total, ushort count, ushort shift, string expected)
    {
        _nano.WriteSplit(_folder.Path, 2, (part, file) => file.UShort("split.no", (ushort)(part + shift)).UShort("split.count", count).Int("split.tensors.count", total));
        AssertFault(expected, _folder.Path);
    }

    [Fact]
    public void APartUnderAnotherNameIsRefused()
    {
        _nano.WriteSplit(_folder.Path, 2);
        File.Move(_folder.File("nano-00001-of-00002.gguf"), _folder.File("renamed.gguf"));
        AssertFault("must be named like 'model-00001-of-00002.gguf'", _folder.File("renamed.gguf"));
    }

    [Fact]
    public void TheEmbeddedTokenizerIsTheSampleModels()
    {
        string path = _folder.File("nano.gguf");
        _nano.Model().Write(path);
        using Checkpoint checkpoint = Checkpoint.Open(path);
        Assert.True(checkpoint.HasTokenizer);
        Llama4Tokenizer embedded = checkpoint.LoadTokenizer()!, own = Llama4Tokenizer.Load(GoldenFiles.SampleModel);
        Assert.Equal(own.VocabularySize, embedded.VocabularySize);
        Assert.Equal(own.SpecialTokens, embedded.SpecialTokens);
        foreach (string text in (string[])["How many experts does Scout have?", "Was ist auf dem Bild? 'tis 1234567", "ในภาพมีอะไร\n\n  x", ""])
        {
            Assert.Equal(own.Encode(text), embedded.Encode(text));
        }
        // End of turn as the file says, end of text and of message because the format has them.
        Assert.Equal([1451, 1444, 1450], checkpoint.Config.Text.EosTokens);
        Assert.Equal((1443, 1461), (checkpoint.Config.Text.BosToken, checkpoint.Config.Text.PadToken));
    }

    /// <summary>The small file fills its vocabulary up with unused ids before the special tokens.</summary>
    [Fact]
    public void UnusedIdsDecodeToNothingAndNoTextBecomesThem()
    {
        string path = _folder.File("tiny.gguf");
        TinyGguf.Write(path, 0, TinyGguf.Bytes, 0);
        using Checkpoint checkpoint = Checkpoint.Open(path);
        Llama4Tokenizer tokenizer = checkpoint.LoadTokenizer()!;
        int[] word = tokenizer.Encode("ab");
        int unused = TinyGguf.Vocabulary - 9;
        Assert.Equal("abab", tokenizer.Decode([.. word, unused, .. word]));
        Assert.DoesNotContain(tokenizer.Encode("<|filler_3|>", allowed: AllowedSpecials.All), id => id is > 1000 and < TinyGguf.Vocabulary - 8);
        Assert.Equal("<|eot|>", tokenizer.Decode([TinyGguf.Vocabulary - 3]));
    }

    [Fact]
    public void TheRotaryDivisorsBecomeAScalingRuleWhereOneGivesThem()
    {
        string path = _folder.File("nano.gguf");
        _nano.Model().Write(path);
        using (Checkpoint checkpoint = Checkpoint.Open(path))
        {
            Assert.Null(checkpoint.Config.Text.RopeDivisors);
            Assert.Equal((16.0, 1.0, 1.0), (checkpoint.Config.Text.RopeScaling!.Factor, checkpoint.Config.Text.RopeScaling.LowFreqFactor, checkpoint.Config.Text.RopeScaling.HighFreqFactor));
        }
        TinyGguf.Write(path, 0, TinyGguf.Bytes, 0);
        using Checkpoint tiny = Checkpoint.Open(path);
        Assert.Equal(8192, tiny.Config.Text.RopeScaling!.OriginalMaxPositions);
    }

    [Fact]
    public void AModelWithoutOutputHeadIsTied()
    {
        string path = _folder.File("nano.gguf");
        _nano.Model(tied: true).Write(path);
        using Checkpoint checkpoint = Checkpoint.Open(path);
        Assert.True(checkpoint.Config.TieWordEmbeddings);
    }

    [Fact]
    public void ProjectorsAreFoundNamedAndLeftOut()
    {
        string model = _folder.File("nano.gguf");
        _nano.Model().Write(model);
        Assert.Null(VisionOf(model));
        Directory.CreateDirectory(_folder.File("other"));
        string elsewhere = System.IO.Path.Combine(_folder.File("other"), "projector.gguf");
        _nano.Projector(convolution: true).Write(elsewhere);
        Assert.NotNull(VisionOf(model, elsewhere));
        Assert.Null(VisionOf(model, elsewhere, vision: false));
        _nano.Projector().Write(_folder.File("nano.mmproj-f16.gguf"));
        Assert.Equal(3, VisionOf(_folder.Path)!.Layers);
        AssertFault("general.architecture: is 'llama4'; a vision projector's is 'clip'", model, model + "x", () => File.Copy(model, model + "x"));
        AssertFault("general.architecture: is 'clip': this is a vision projector. Give the model's file", elsewhere);
        AssertFault("is a vision projector for a GGUF model, but", GoldenFiles.SampleModel, elsewhere);
        File.Copy(model, _folder.File("second.gguf"));
        AssertFault("holds 2 GGUF models: nano.gguf, second.gguf. Give the path of one of them.", _folder.Path);

        static Llama4Kernels.Engine.Config.VisionConfig? VisionOf(string path, string? projector = null, bool vision = true)
        {
            using Checkpoint checkpoint = Checkpoint.Open(path, vision, projector);
            return checkpoint.Config.Vision;
        }
    }

    [Fact]
    public void EndingsInCapitalsAreTheSame()
    {
        _nano.WriteSplit(_folder.Path, 3);
        foreach (string file in Directory.GetFiles(_folder.Path, "*.gguf"))
        {
            File.Move(file, Path.ChangeExtension(file, ".GGUF"));
        }
        foreach (string path in (string[])[_folder.Path, _folder.File("nano-00002-of-00003.GGUF")])
        {
            using Checkpoint checkpoint = Checkpoint.Open(path);
            Assert.Equal(4, checkpoint.Config.Text.Layers);
        }
    }

    [Theory]
    [InlineData("llama4.rope.scaling.factor", 4f, "linear", false)]
    [InlineData("llama4.rope.scaling.factor", 4f, "yarn", false)]
    [InlineData("llama4.rope.scale_linear", 2f, null, false)]
    [InlineData("llama4.rope.scaling.factor", 1f, "linear", true)]
    [InlineData("llama4.rope.scaling.factor", 0f, null, true)]
    [InlineData("llama4.rope.scaling.factor", 4f, "none", true)]
    public void ScaledPositionsAreRefusedAndNotIgnored(string key, float factor, string? type, bool opens)
    {
        string path = _folder.File("nano.gguf");
        GgufWriter file = _nano.Model().Float(key, factor);
        (type is null ? file : file.Text("llama4.rope.scaling.type", type)).Write(path);
        if (opens)
        {
            Checkpoint.Open(path).Dispose();
        }
        else
        {
            AssertFault($"{key}: is {factor}: positions divided by a factor are not supported", path);
        }
    }

    [Fact]
    public void NumbersGivenForEachLayerMustBeAlike()
    {
        string path = _folder.File("keys.gguf");
        new GgufWriter().Ints("alike", [8, 8, 8]).Ints("unlike", [8, 8, 4]).Ints("none", []).Texts("words", ["8"]).Write(path);
        GgufModel model = GgufModel.Open(path, null);
        using (model.Source)
        {
            Assert.Equal(8, model.Metadata.Int("alike", 1, 8));
            Assert.Equal(("unlike", "is 8 for the first layer and 4 for layer 2; layers of a Llama 4 are alike."), Fault("unlike"));
            Assert.Equal(("none", "is an empty array; a whole number is needed."), Fault("none"));
            Assert.Equal(("words", "is String; a whole number is needed."), Fault("words"));
        }

        (string?, string) Fault(string key)
        {
            ModelFormatException e = Assert.Throws<ModelFormatException>(() => model.Metadata.Int(key, 1, 8));
            return (e.Field, e.Reason);
        }
    }

    private static void AssertFault(string expected, string path, string? projector = null, Action? before = null)
    {
        before?.Invoke();
        Assert.Contains(expected, Assert.Throws<ModelFormatException>(() => Checkpoint.Open(path, projector: projector)).Message, StringComparison.Ordinal);
    }

    private static void Check(Llama4Model model, string name)
    {
        using ReferenceFile golden = References.Open("nano", name);
        References.Check(model, golden, capture: false, options => options with { Greedy = 0 });
    }
}
