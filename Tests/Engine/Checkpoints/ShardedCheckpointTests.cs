using System.Runtime.InteropServices;
using System.Text.Json;
using Llama4Kernels.Engine;
using Llama4Kernels.Engine.Checkpoints;
using Llama4Kernels.Engine.Checkpoints.SafeTensors;

namespace Llama4Kernels.Tests.Engine.Checkpoints;

public sealed partial class ShardedCheckpointTests : IDisposable
{
    private readonly TemporaryFolder _folder = new();

    public void Dispose() => _folder.Dispose();

    private void WriteShard(string file, params string[] tensors) =>
        SafeTensorsWriter.Write(_folder.File(file), tensors.Select(name => TemporaryFolder.Zeros(name, SafeTensorsType.F32, 2)));

    private void WriteIndex(params (string Tensor, string File)[] map) =>
        _folder.Write("model.safetensors.index.json", JsonSerializer.Serialize(new { weight_map = map.ToDictionary(e => e.Tensor, e => e.File) }));

    private ModelFormatException Refused(string reason)
    {
        ModelFormatException e = Assert.Throws<ModelFormatException>(() => ShardedCheckpoint.Open(_folder.Path));
        Assert.Contains(reason, e.Message, StringComparison.Ordinal);
        Assert.StartsWith(_folder.Path, e.File, StringComparison.Ordinal);
        return e;
    }

    [Fact]
    public void ShardsFormOneCheckpoint()
    {
        WriteShard("one.safetensors", "a", "b");
        WriteShard("two.safetensors", "c");
        WriteIndex(("a", "one.safetensors"), ("b", "one.safetensors"), ("c", "two.safetensors"));
        using ShardedCheckpoint checkpoint = ShardedCheckpoint.Open(_folder.Path);
        Assert.Equal(["a", "b", "c"], checkpoint.Tensors.Select(t => t.Name));
        Assert.Equal(24, checkpoint.TotalBytes);
        Assert.True(checkpoint.TryGet("c", out SafeTensorsFile? file, out _));
        Assert.Equal(_folder.File("two.safetensors"), file.Path);
        Assert.False(checkpoint.TryGet("d", out _, out _));
    }

    [Theory]
    [InlineData("../../x")]
    [InlineData("..")]
    [InlineData("/etc/passwd")]
    [InlineData("C:\\x")]
    [InlineData("C:x")]
    [InlineData("sub/x.safetensors")]
    [InlineData("https://example.com/x.safetensors")]
    [InlineData("")]
    [InlineData("a\0b")]
    public void ShardNameThatLeavesTheFolder(string name)
    {
        WriteIndex(("a", name));
        Assert.Equal("weight_map.a", Refused("is not a plain file name").Field);
    }

    [Fact]
    public void LinkOutOfTheFolder()
    {
        using TemporaryFolder other = new();
        SafeTensorsWriter.Write(other.File("x"), [TemporaryFolder.Zeros("a", SafeTensorsType.F32, 2)]);
        File.CreateSymbolicLink(_folder.File("s.safetensors"), other.File("x"));
        WriteIndex(("a", "s.safetensors"));
        Refused("is a link out of the model's folder");
    }

    [Fact]
    public void LinkChainOutOfTheFolderForTheSingleFile()
    {
        using TemporaryFolder other = new();
        SafeTensorsWriter.Write(other.File("x"), [TemporaryFolder.Zeros("a", SafeTensorsType.F32, 2)]);
        File.CreateSymbolicLink(_folder.File("hop"), other.File("x"));
        File.CreateSymbolicLink(_folder.File("model.safetensors"), "hop");
        Refused("is a link out of the model's folder");
    }

    [Fact]
    public void LinkThatGoesInCircles()
    {
        File.CreateSymbolicLink(_folder.File("model.safetensors"), "x");
        File.CreateSymbolicLink(_folder.File("x"), "model.safetensors");
        Refused("model.safetensors");
    }

    [Fact]
    public void LinkInsideTheFolderIsFollowed()
    {
        WriteShard("real", "a");
        File.CreateSymbolicLink(_folder.File("model.safetensors"), "real");
        using ShardedCheckpoint checkpoint = ShardedCheckpoint.Open(_folder.Path);
        Assert.Single(checkpoint.Tensors);
    }

    [Fact]
    public void LinkOfTheDownloadCacheIsFollowed()
    {
        Directory.CreateDirectory(_folder.File("blobs"));
        string snapshot = Directory.CreateDirectory(_folder.File("snapshots/abc")).FullName;
        WriteShard("blobs/hash", "a");
        File.CreateSymbolicLink(Path.Combine(snapshot, "model.safetensors"), "../../blobs/hash");
        using ShardedCheckpoint checkpoint = ShardedCheckpoint.Open(snapshot);
        Assert.Single(checkpoint.Tensors);
    }

    [Fact]
    public void MissingShard()
    {
        WriteIndex(("a", "none.safetensors"));
        Assert.Equal(_folder.File("none.safetensors"), Refused("does not exist").File);
    }

    [Fact]
    public void ShardThatIsAFolder()
    {
        Directory.CreateDirectory(_folder.File("s.safetensors"));
        WriteIndex(("a", "s.safetensors"));
        Refused("is a directory");
    }

    [Fact]
    public void ShardThatIsAPipe()
    {
        Assert.SkipWhen(OperatingSystem.IsWindows(), "Windows has no FIFO files.");
        Assert.Equal(0, MakeFifo(_folder.File("s.safetensors"), 0x180));
        WriteIndex(("a", "s.safetensors"));
        Refused("is a pipe or a socket");
    }

    [Fact]
    public void TensorThatItsShardLacks()
    {
        WriteShard("s.safetensors", "a");
        WriteIndex(("a", "s.safetensors"), ("b", "s.safetensors"));
        Assert.Equal("weight_map.b", Refused("'s.safetensors' has no such tensor").Field);
    }

    [Fact]
    public void TensorInTwoShards()
    {
        WriteShard("one.safetensors", "a");
        WriteShard("two.safetensors", "a", "b");
        WriteIndex(("a", "one.safetensors"), ("b", "two.safetensors"));
        Assert.Equal("a", Refused("weight_map places it in 'one.safetensors'").Field);
    }

    [Fact]
    public void TensorThatTheIndexDoesNotList()
    {
        WriteShard("s.safetensors", "a", "b");
        WriteIndex(("a", "s.safetensors"));
        Assert.Equal("b", Refused("weight_map does not list it").Field);
    }

    [Theory]
    [InlineData("{}", "weight_map: is missing or not an object")]
    [InlineData("""{"weight_map":[]}""", "weight_map: is missing or not an object")]
    [InlineData("""{"weight_map":{}}""", "weight_map: is empty")]
    [InlineData("""{"weight_map":{"a":1}}""", "weight_map.a: must be a file name")]
    [InlineData("""{"weight_map":{"a":"x","a":"y"}}""", "is not valid JSON")]
    [InlineData("""{"weight_map":{"a":"\ud800"}}""", "contains an unpaired surrogate escape")]
    [InlineData("""{"weight_map":{"a":"x",}}""", "is not valid JSON")]
    [InlineData("[]", "must be a JSON object")]
    [InlineData("", "is not valid JSON")]
    public void BadIndex(string json, string reason)
    {
        _folder.Write("model.safetensors.index.json", json);
        Refused(reason);
    }

    [Fact]
    public void FolderWithoutWeights() => Refused("holds neither model.safetensors nor model.safetensors.index.json");

    [Fact]
    public void NoFolder() =>
        Assert.Contains("there is no such folder", Assert.Throws<ModelFormatException>(() => ShardedCheckpoint.Open(_folder.File("none"))).Message, StringComparison.Ordinal);

    [LibraryImport("libc", EntryPoint = "mkfifo", StringMarshalling = StringMarshalling.Utf8)]
    private static partial int MakeFifo(string path, int mode);
}
