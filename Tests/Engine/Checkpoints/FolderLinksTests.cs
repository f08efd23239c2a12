using Llama4Kernels.Engine;
using Llama4Kernels.Engine.Checkpoints;
using Llama4Kernels.Engine.Checkpoints.SafeTensors;

namespace Llama4Kernels.Tests.Engine.Checkpoints;

/// <summary>A snapshot of the hub's cache loads however one gets to it; every other link out of the folder stays refused.</summary>
public sealed class FolderLinksTests : IDisposable
{
    private readonly TemporaryFolder _folder = new();

    public FolderLinksTests()
    {
        Directory.CreateDirectory(_folder.File("cache/models--lab--small/blobs"));
        Directory.CreateDirectory(_folder.File("cache/models--lab--small/snapshots/0f3a"));
        SafeTensorsWriter.Write(_folder.File("cache/models--lab--small/blobs/b000"), [TemporaryFolder.Zeros("a", SafeTensorsType.F32, 2)]);
        Link("cache/models--lab--small/snapshots/0f3a/model.safetensors", "../../blobs/b000");
    }

    public void Dispose() => _folder.Dispose();

    private void Link(string at, string to) => File.CreateSymbolicLink(_folder.File(at), to);

    private void Opens(string folder)
    {
        using ShardedCheckpoint checkpoint = ShardedCheckpoint.Open(_folder.File(folder));
        Assert.Single(checkpoint.Tensors);
    }

    private void Refused(string folder)
    {
        Directory.CreateDirectory(_folder.File(folder));
        Assert.Contains("is a link out of the model's folder", Assert.Throws<ModelFormatException>(() => ShardedCheckpoint.Open(_folder.File(folder))).Message, StringComparison.Ordinal);
    }

    [Fact]
    public void LinkToTheSnapshot()
    {
        Link("scout", "cache/models--lab--small/snapshots/0f3a");
        Opens("scout");
        Opens("scout/");
    }

    [Fact]
    public void LinkedCacheAndLinkedModelFolder()
    {
        Link("home", "cache");
        Opens("home/models--lab--small/snapshots/0f3a");
        Directory.CreateDirectory(_folder.File("hub"));
        Link("hub/models--lab--small", "../home/models--lab--small");
        Opens("hub/models--lab--small/snapshots/0f3a");
    }

    [Fact]
    public void BlobsOnAnotherDisk()
    {
        Directory.Move(_folder.File("cache/models--lab--small/blobs"), _folder.File("disk"));
        Link("cache/models--lab--small/blobs", _folder.File("disk"));
        Opens("cache/models--lab--small/snapshots/0f3a");
    }

    [Fact]
    public void FilesLinkedToTheSnapshotsFiles()
    {
        Directory.CreateDirectory(_folder.File("mine"));
        Link("mine/model.safetensors", "../cache/models--lab--small/snapshots/0f3a/model.safetensors");
        Opens("mine");
    }

    [Fact]
    public void LinksStraightToBlobsOrToOtherModelsStayRefused()
    {
        Directory.CreateDirectory(_folder.File("mine"));
        Link("mine/model.safetensors", "../cache/models--lab--small/blobs/b000");
        Refused("mine");
        Directory.CreateDirectory(_folder.File("cache/models--lab--other/snapshots/1"));
        Link("cache/models--lab--other/snapshots/1/model.safetensors", "../../../models--lab--small/blobs/b000");
        Refused("cache/models--lab--other/snapshots/1");
    }

    [Fact]
    public void FolderWhosePathGoesInCircles()
    {
        Directory.CreateDirectory(_folder.File("mine"));
        Link("x", "y");
        Link("y", "x");
        Link("mine/model.safetensors", "../x/model.safetensors");
        Assert.Throws<ModelFormatException>(() => ShardedCheckpoint.Open(_folder.File("mine")));
    }
}
