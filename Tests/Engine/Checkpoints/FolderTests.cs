using System.Text.Json.Nodes;
using Llama4Kernels.Engine;
using Llama4Kernels.Engine.Checkpoints;
using Llama4Kernels.Engine.Checkpoints.SafeTensors;

namespace Llama4Kernels.Tests.Engine.Checkpoints;

/// <summary>What lies in the folders that people have: left-over files, pointers, derivatives without vision, tied heads.</summary>
public sealed class FolderTests : IDisposable
{
    private const string Index = "model.safetensors.index.json";
    private const string Pointer = "version https://git-lfs.github.com/spec/v1\noid sha256:5555\nsize 21000000000\n";
    private readonly TemporaryFolder _folder = new();

    public void Dispose() => _folder.Dispose();

    [Theory]
    [InlineData("""{"weight_map":{"a":"model-00001-of-00002.safetensors"}}""")]
    [InlineData("""{"weight_map":{"a":"model.safetensors"}}""")]
    [InlineData("""{"weight_map":{"a":"model.safetensors","b":"gone.safetensors"}}""")]
    [InlineData("{")]
    [InlineData(Pointer)]
    public void TheSingleFileGoesBeforeALeftOverIndex(string index)
    {
        _folder.CopyModel(GoldenFiles.Path("tiny-long"));
        _folder.Write(Index, index);
        using Checkpoint checkpoint = Checkpoint.Open(_folder.Path);
        Assert.Contains(Index, Assert.Single(checkpoint.Config.Warnings), StringComparison.Ordinal);
    }

    [Fact]
    public void AnIndexThatNeedsTheSingleFileAndOthersIsUsed()
    {
        SafeTensorsWriter.Write(_folder.File("model.safetensors"), [TemporaryFolder.Zeros("a", SafeTensorsType.F32, 2)]);
        SafeTensorsWriter.Write(_folder.File("more.safetensors"), [TemporaryFolder.Zeros("b", SafeTensorsType.F32, 2)]);
        _folder.Write(Index, """{"weight_map":{"a":"model.safetensors","b":"more.safetensors"}}""");
        using ShardedCheckpoint checkpoint = ShardedCheckpoint.Open(_folder.Path);
        Assert.Equal(2, checkpoint.Tensors.Count());
    }

    [Theory]
    [InlineData("model.safetensors")]
    [InlineData("config.json")]
    [InlineData("generation_config.json")]
    public void GitLfsPointersAreNamed(string file)
    {
        _folder.CopyModel(GoldenFiles.Path("tiny-long"));
        _folder.Write(file, Pointer);
        ModelFormatException e = Assert.Throws<ModelFormatException>(() => Checkpoint.Open(_folder.Path));
        Assert.Equal(_folder.File(file), e.File);
        Assert.Contains("Git LFS pointer in place of a file of 21000000000 bytes", e.Reason, StringComparison.Ordinal);
    }

    [Fact]
    public void FoldersOfFilesThatAreNotReadSayWhatTheyAre()
    {
        _folder.CopyModel(GoldenFiles.Path("tiny-long"));
        File.Move(_folder.File("model.safetensors"), _folder.File("pytorch_model-00001-of-00002.bin"));
        ModelFormatException e = Assert.Throws<ModelFormatException>(() => Checkpoint.Open(_folder.Path));
        Assert.Equal(_folder.File("pytorch_model-00001-of-00002.bin"), e.File);
        Assert.Contains("pickles, which can run code and are not read", e.Reason, StringComparison.Ordinal);
        using TemporaryFolder meta = new();
        meta.Write("params.json", "{}");
        meta.Write("consolidated.pth", "");
        Assert.Contains("has Meta's params.json, but no consolidated.00.pth", Assert.Throws<ModelFormatException>(() => Checkpoint.Open(meta.Path)).Reason, StringComparison.Ordinal);
    }

    [Fact]
    public void WithoutVisionTensorsTheModelTakesTextOnly()
    {
        Rewrite(tensors => tensors.RemoveAll(tensor => ExpectedTensors.IsVision(tensor.Name)));
        using Checkpoint checkpoint = Checkpoint.Open(_folder.Path);
        Assert.Null(checkpoint.Config.Vision);
        Assert.Contains("text only", Assert.Single(checkpoint.Config.Warnings), StringComparison.Ordinal);
        using Checkpoint asked = Checkpoint.Open(_folder.Path, vision: false);
        Assert.Empty(asked.Config.Warnings);
    }

    [Fact]
    public void WithoutSomeVisionTensorsItIsDamagedUnlessTheyAreNotWanted()
    {
        Rewrite(tensors => tensors.RemoveAll(tensor => tensor.Name == "vision_model.class_embedding"));
        Assert.Contains("vision_model.class_embedding: missing", Assert.Throws<ModelFormatException>(() => Checkpoint.Open(_folder.Path)).Message, StringComparison.Ordinal);
        Checkpoint.Open(_folder.Path, vision: false).Dispose();
    }

    [Fact]
    public void NamesDecideThePrefixWhateverTheConfig()
    {
        Rewrite(tensors =>
        {
            tensors.RemoveAll(tensor => ExpectedTensors.IsVision(tensor.Name));
            for (int i = 0; i < tensors.Count; i++)
            {
                tensors[i] = Renamed(tensors[i], tensors[i].Name["language_model.".Length..]);
            }
        });
        using (Checkpoint nested = Checkpoint.Open(_folder.Path))
        {
            Assert.True(nested.Config.Nested);
        }
        _folder.Dispose();
        Directory.CreateDirectory(_folder.Path);
        _folder.CopyModel(GoldenFiles.Path("tiny-flat"));
        Rewrite(tensors =>
        {
            for (int i = 0; i < tensors.Count; i++)
            {
                tensors[i] = Renamed(tensors[i], "language_model." + tensors[i].Name);
            }
        }, copy: false);
        using Checkpoint flat = Checkpoint.Open(_folder.Path);
        Assert.False(flat.Config.Nested);
    }

    [Fact]
    public void ATiedHeadMayBeStoredIfItIsTheEmbedding()
    {
        const string Head = "language_model.lm_head.weight", Embedding = "language_model.model.embed_tokens.weight";
        _folder.CopyModel(GoldenFiles.Path("tiny-long"));
        JsonObject config = JsonNode.Parse(File.ReadAllText(_folder.File("config.json")))!.AsObject();
        config["tie_word_embeddings"] = true;
        _folder.Write("config.json", config.ToJsonString());
        Assert.Contains("differs from the embedding", Assert.Throws<ModelFormatException>(() => Checkpoint.Open(_folder.Path)).Message, StringComparison.Ordinal);
        Rewrite(tensors =>
        {
            int head = tensors.FindIndex(tensor => tensor.Name == Head);
            tensors[head] = Renamed(tensors.Find(tensor => tensor.Name == Embedding)!, Head);
        }, copy: false);
        Checkpoint.Open(_folder.Path).Dispose();
        // The same values in another type are the same head.
        Rewrite(tensors =>
        {
            int head = tensors.FindIndex(tensor => tensor.Name == Head);
            using SafeTensorsFile file = SafeTensorsFile.Open(GoldenFiles.Path("tiny-long", "model.safetensors"));
            tensors[head] = SafeTensorsEntry.FromBytes(Head, SafeTensorsType.F32, tensors[head].Shape, System.Runtime.InteropServices.MemoryMarshal.AsBytes<float>(file.ReadFloats(Embedding)).ToArray());
        }, copy: false);
        Checkpoint.Open(_folder.Path).Dispose();
    }

    private static SafeTensorsEntry Renamed(SafeTensorsEntry tensor, string name) => tensor with { Name = name };

    private void Rewrite(Action<List<SafeTensorsEntry>> change, bool copy = true)
    {
        if (copy)
        {
            _folder.CopyModel(GoldenFiles.Path("tiny-long"));
        }
        string path = _folder.File("model.safetensors");
        List<SafeTensorsEntry> tensors;
        using (SafeTensorsFile file = SafeTensorsFile.Open(path))
        {
            tensors = [.. file.Tensors.Select(tensor => SafeTensorsEntry.FromBytes(tensor.Name, tensor.DType, tensor.Shape, file.ReadBytes(tensor.Name)))];
        }
        change(tensors);
        SafeTensorsWriter.Write(path, tensors);
    }
}
