using System.IO.Compression;
using Llama4Kernels.Engine;
using Llama4Kernels.Engine.Checkpoints;
using Llama4Kernels.Engine.Checkpoints.Meta;

namespace Llama4Kernels.Tests.Engine.Checkpoints.Meta;

/// <summary>What the pickle and the archive may say, and what is refused.</summary>
public sealed class PickleTests : IDisposable
{
    private readonly TemporaryFolder _folder = new();

    public void Dispose() => _folder.Dispose();

    [Fact]
    public void ViewsShareStoragesWithOffsetsAndStrides()
    {
        var file = new PthWriter { Prefix = "any folder/" };
        int storage = file.Storage([.. Enumerable.Range(0, 48).Select(i => (byte)i)]);
        file.Tensor("whole", storage, [4, 6], [6, 1]).Tensor("transposed", storage, [6, 4], [1, 6]).Tensor("row", storage, [6], [1], offset: 12).Tensor("none", storage, [0, 6], [6, 1], offset: 24);
        using MappedTensors source = Open(file);
        Assert.Equal(["whole", "transposed", "row", "none"], source.Tensors.Select(tensor => tensor.Name));
        StoredTensor whole = source.Tensors[0], transposed = source.Tensors[1], row = source.Tensors[2];
        Assert.Equal((24L, 12L), (row.Offset - whole.Offset, row.Bytes));
        Assert.Null(whole.Strides);
        Assert.Equal([1, 6], transposed.Strides!);
        Assert.Equal(48, transposed.Bytes);
    }

    [Theory]
    [InlineData("cbuiltins\neval\n", "mentions 'builtins.eval', which no dictionary of tensors needs; nothing was executed")]
    [InlineData("ctorch\nByteStorage\n", "holds 'torch.ByteStorage': this is a quantised variant (FP8 or int4). Download the bfloat16 files")]
    [InlineData("ctorch\nDoubleStorage\n", "holds 'torch.DoubleStorage'; weights are BF16, F16, F32.")]
    [InlineData("ctorch\nLongStorage\n", "holds 'torch.LongStorage'; weights are BF16")]
    [InlineData("ctorch\nQInt8Storage\n", "this is a quantised variant")]
    [InlineData("ctorch._utils\n_rebuild_tensor_v3\n", "this is a quantised variant")]
    [InlineData("ccollections\nOrderedDict\n(K\u0001tR", "calls something else than what tensors need; nothing was executed")]
    [InlineData("]", "has the instruction 0x5D at byte 3, which no dictionary of tensors needs")]
    [InlineData("\u0093", "has the instruction 0x93")]
    [InlineData("h\u0005", "recalls 5, which it has not remembered")]
    [InlineData("0", "has the instruction 0x30")]
    [InlineData("tt", "takes more from its stack than there is")]
    [InlineData("(u", "is not one dictionary")]
    [InlineData("\u0087", "takes more from its stack than there is")]
    [InlineData("NNQ", "names something else than a storage")]
    [InlineData("NNs", "has a key that is no text")]
    [InlineData("NN", "is not one dictionary of tensors")]
    [InlineData("X\u0002\0\0\0", "has a text that is not valid UTF-8")]
    [InlineData("K\u0001Nb", "gives a state to something that is no byte stream")]
    [InlineData("X\u0001\0\0\0aK\u0007s", "a: is no tensor: the file must be one flat dictionary of tensors")]
    public void StreamsThatDoAnythingElseAreRefused(string instructions, string expected)
    {
        // The text is cut in one case: two bytes are declared, and what follows is no text.
        PthWriter file = new PthWriter().Raw(instructions);
        if (instructions.StartsWith('X') && instructions.Length == 5)
        {
            file.Raw(0xff, 0xfe);
        }
        if (instructions == "(u")
        {
            file.Raw("N");
        }
        AssertFault(expected, file.ToArray());
    }

    [Fact]
    public void TensorsOutsideTheirStorageAreRefused()
    {
        foreach ((long[] size, long[] strides, long offset) in ((long[], long[], long)[])[([25], [1], 0), ([4, 6], [6, 1], 1), ([2], [-1], 1), ([2, 2], [long.MaxValue, 1], 0), ([-1], [1], 0), ([long.MaxValue, long.MaxValue], [0, 0], 0), ([1], [1], 24)])
        {
            var file = new PthWriter();
            AssertFault("is not inside its storage of 24 elements", file.Tensor("a", file.Storage(new byte[48]), size, strides, offset).ToArray());
        }
        var repeated = new PthWriter();
        int storage = repeated.Storage(new byte[48]);
        AssertFault("is in 'consolidated.00.pth' already", repeated.Tensor("a", storage, [2], [1]).Tensor("a", storage, [2], [1]).ToArray());
        var declared = new PthWriter();
        AssertFault("lies in a storage of 1000000000000 elements of BF16, but the record 'data/0' has 48 bytes", declared.Tensor("a", declared.Storage(new byte[48], elements: 1_000_000_000_000), [2], [1]).ToArray());
    }

    [Fact]
    public void ArchivesThatCannotBeUsedInPlaceAreRefused()
    {
        var packed = new PthWriter { Compression = CompressionLevel.Optimal };
        AssertFault("is compressed; torch.save stores entries as they are", packed.Tensor("a", packed.Storage(new byte[48]), [2], [1]).ToArray());
        AssertFault("is no zip archive, as files of torch.save are", new byte[100]);
        AssertFault("is no zip archive", []);
        byte[] whole = new PthWriter().ToArray();
        int end = whole.AsSpan().LastIndexOf((ReadOnlySpan<byte>)[0x50, 0x4b, 5, 6]);
        whole[end + 16] ^= 0x40; // the directory's offset
        AssertFault("", whole);
        using var stream = new MemoryStream();
        using (var archive = new ZipArchive(stream, ZipArchiveMode.Create, leaveOpen: true))
        {
            archive.CreateEntry("other", CompressionLevel.NoCompression).Open().Dispose();
        }
        AssertFault("has 0 records 'data.pkl'", stream.ToArray());
    }

    private MappedTensors Open(PthWriter file)
    {
        _folder.Write("consolidated.00.pth", file.ToArray());
        return MetaModel.Open(_folder.Path);
    }

    private void AssertFault(string expected, byte[] file)
    {
        string path = _folder.Write("consolidated.00.pth", file);
        ModelFormatException e = Assert.Throws<ModelFormatException>(() => MetaModel.Open(_folder.Path).Dispose());
        Assert.Equal(path, e.File);
        Assert.Contains(expected, e.Message, StringComparison.Ordinal);
    }
}
