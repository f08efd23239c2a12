using Llama4Kernels.Engine.Checkpoints.SafeTensors;

namespace Llama4Kernels.Tests.Engine.Checkpoints;

public sealed class SafeTensorsWriterTests : IDisposable
{
    private readonly TemporaryFolder _folder = new();

    public void Dispose() => _folder.Dispose();

    [Fact]
    public void RoundTripOfEveryType()
    {
        Random random = new(5);
        List<(SafeTensorsEntry Entry, byte[] Bytes)> tensors = [];
        foreach (SafeTensorsType type in Enum.GetValues<SafeTensorsType>())
        {
            byte[] bytes = new byte[8 * 3 * type.Bits() / 8];
            random.NextBytes(bytes);
            tensors.Add((SafeTensorsEntry.FromBytes($"t.{type} \"é\n", type, [8, 3], bytes), bytes));
        }
        tensors.Add((SafeTensorsEntry.FromBytes("scalar", SafeTensorsType.F32, [], new byte[4]), new byte[4]));
        tensors.Add((SafeTensorsEntry.FromBytes("none", SafeTensorsType.F32, [2, 0], default), []));
        string path = _folder.File("t.safetensors");
        SafeTensorsWriter.Write(path, tensors.Select(t => t.Entry), new Dictionary<string, string> { ["format"] = "pt", ["ключ"] = "\"\\" });

        using SafeTensorsFile file = SafeTensorsFile.Open(path);
        Assert.Equal(tensors.Count, file.Tensors.Count);
        Assert.Equal("pt", file.Metadata["format"]);
        Assert.Equal("\"\\", file.Metadata["ключ"]);
        foreach ((SafeTensorsEntry entry, byte[] bytes) in tensors)
        {
            TensorInfo info = file.Get(entry.Name);
            Assert.Equal(entry.DType, info.DType);
            Assert.Equal(entry.Shape, info.Shape);
            Assert.Equal(bytes, file.ReadBytes(entry.Name));
            Assert.Equal(0, file.Address(info) % Math.Max(1, entry.DType.Bits() / 8));
        }
        Assert.Equal(0, BitConverter.ToInt64(File.ReadAllBytes(path)) % 8);
        Assert.Equal([path], Directory.GetFiles(_folder.Path));
    }

    [Fact]
    public void EntryOfTheWrongSizeLeavesNoFile()
    {
        SafeTensorsEntry entry = SafeTensorsEntry.FromBytes("a", SafeTensorsType.F32, [2], new byte[7]);
        Assert.Contains("wrote 7 bytes, its shape needs 8", Assert.Throws<ArgumentException>(() => SafeTensorsWriter.Write(_folder.File("t"), [entry])).Message, StringComparison.Ordinal);
        Assert.Empty(Directory.GetFiles(_folder.Path));
    }

    [Fact]
    public void FailedWriteKeepsTheOldFile()
    {
        string path = _folder.Write("t", "old");
        SafeTensorsEntry entry = new("a", SafeTensorsType.U8, [1], _ => throw new InvalidOperationException("no data"));
        Assert.Throws<InvalidOperationException>(() => SafeTensorsWriter.Write(path, [entry]));
        Assert.Equal("old", File.ReadAllText(path));
    }

    [Fact]
    public void BadEntriesAreRefused()
    {
        string path = _folder.File("t");
        SafeTensorsEntry a = TemporaryFolder.Zeros("a", SafeTensorsType.U8, 1);
        Assert.Contains("occurs twice", Assert.Throws<ArgumentException>(() => SafeTensorsWriter.Write(path, [a, a])).Message, StringComparison.Ordinal);
        Assert.Contains("negative dimension", Assert.Throws<ArgumentException>(() => SafeTensorsWriter.Write(path, [a with { Shape = [-1] }])).Message, StringComparison.Ordinal);
        Assert.Contains("whole number of bytes", Assert.Throws<ArgumentException>(() => SafeTensorsWriter.Write(path, [a with { DType = SafeTensorsType.F4 }])).Message, StringComparison.Ordinal);
        Assert.Throws<OverflowException>(() => SafeTensorsWriter.Write(path, [a with { Shape = [long.MaxValue, 2] }]));
    }
}
