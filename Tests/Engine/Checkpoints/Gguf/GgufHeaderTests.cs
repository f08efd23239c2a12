using System.Text;
using Llama4Kernels.Engine;
using Llama4Kernels.Engine.Checkpoints;
using Llama4Kernels.Engine.Checkpoints.Gguf;
using Llama4Kernels.Interop.Memory;

namespace Llama4Kernels.Tests.Engine.Checkpoints.Gguf;

/// <summary>Bad inputs 39 to 48: each gets an error that names the file, the field and the reason.</summary>
public sealed class GgufHeaderTests : IDisposable
{
    private readonly TemporaryFolder _folder = new();

    public void Dispose() => _folder.Dispose();

    [Theory]
    [InlineData("GGML\x03\0\0\0", "does not begin with 'GGUF'")]
    [InlineData("", "does not begin with 'GGUF'")]
    [InlineData("GGUF", "version: passes the end of the file")]
    [InlineData("GGUF\0\0\0\0", "version: is 0; 2 and 3 are supported")]
    [InlineData("GGUF\x01\0\0\0", "version: is 1; 2 and 3 are supported. Convert the model anew.")]
    [InlineData("GGUF\x04\0\0\0", "version: is 4; 2 and 3 are supported")]
    [InlineData("GGUF\0\0\0\x03", "version: has its bytes in big-endian order")]
    [InlineData("GGUF\x03\0\0\0\x01\0", "tensor count: passes the end of the file")]
    public void Case39MagicAndVersion(string content, string expected) => AssertRefused(expected, Encoding.Latin1.GetBytes(content));

    [Fact]
    public void Case40CountsBeyondTheFile()
    {
        AssertRefused("tensor count: is 18446744073709551615; the limit is 1000000", new GgufWriter { TensorCount = ulong.MaxValue });
        AssertRefused("metadata count: is 18446744073709551615; the limit is 1000000", new GgufWriter { Keys = ulong.MaxValue });
        AssertRefused("tensor count: is 900000; the file of 32 bytes cannot hold so many", new GgufWriter { TensorCount = 900_000 });
        AssertRefused("metadata count: is 5; the file of 32 bytes cannot hold so many", new GgufWriter { Keys = 5 });
        AssertRefused("metadata key 2: must be a name", new GgufWriter { Keys = 1 }.Text("a", "b").Raw("c", 4, new byte[64]));
    }

    [Fact]
    public void Case41Strings()
    {
        AssertRefused("a: a string of 72057594037927935 bytes passes the end of the file", new GgufWriter().Raw("a", 8, 255, 255, 255, 255, 255, 255, 255, 0));
        AssertRefused("b: a string of 1000 bytes passes the end of the file", new GgufWriter().Text("a", "x").Raw("b", 8, BitConverter.GetBytes(1000UL)));
        AssertRefused("is given twice", new GgufWriter().Text("a", "x").Text("a", "y"));
        AssertRefused("must be a name of 1 to 512 bytes", new GgufWriter().Text("", "x"));
        AssertRefused("must be a name of 1 to 512 bytes", new GgufWriter().Text(new string('k', 513), "x"));
        byte[] broken = new GgufWriter().Text("abcd", "x").ToArray();
        broken[32] = 0xff;
        AssertRefused("metadata key 0: is not valid UTF-8", broken);
    }

    [Fact]
    public void Case42ArraysAndTypes()
    {
        AssertRefused("a: is an array of arrays", new GgufWriter().Raw("a", 9, [9, 0, 0, 0, .. new byte[16]]));
        AssertRefused("a: has the unknown value type 13", new GgufWriter().Raw("a", 13, new byte[8]));
        AssertRefused("a: has the unknown value type 4294967295", new GgufWriter().Raw("a", 9, [255, 255, 255, 255, .. new byte[16]]));
        AssertRefused("a: an array of 1152921504606846976 elements passes the end of the file", new GgufWriter().Raw("a", 9, [4, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 16]));
        AssertRefused("a: an array of 4294967296 elements passes the end of the file", new GgufWriter().Raw("a", 9, [8, 0, 0, 0, 0, 0, 0, 0, 1, 0, 0, 0]));
        AssertRefused("a: is a Bool of value 2", new GgufWriter().Raw("a", 7, 2));
    }

    [Theory]
    [InlineData(0u, "must be within 1 and 1048576, is 0")]
    [InlineData(13u, "must be a power of two, is 13")]
    [InlineData(1u << 31, "must be within 1 and 1048576, is 2147483648")]
    public void Case43Alignment(uint alignment, string expected) =>
        AssertRefused("general.alignment: " + expected, new GgufWriter().UInt("general.alignment", alignment));

    [Fact]
    public void Case43AlignmentOfAnotherTypeAndOneThatIsRight()
    {
        AssertRefused("general.alignment: is String; UInt32 is needed", new GgufWriter().Text("general.alignment", "32"));
        AssertRefused("general.alignment: is UInt16; UInt32 is needed", new GgufWriter().UShort("general.alignment", 32));
        foreach (int alignment in (int[])[1, 8, 64, 4096])
        {
            IReadOnlyList<StoredTensor> tensors = Read(new GgufWriter { Alignment = alignment }.UInt("general.alignment", (uint)alignment)
                .Tensor("a", 0, [3], new byte[12]).Tensor("b", 0, [5], new byte[20]).ToArray());
            Assert.All(tensors, tensor => Assert.Equal(0, tensor.Offset % alignment));
        }
    }

    [Fact]
    public void Case44Dimensions()
    {
        AssertRefused("t: has 5 dimensions; 1 to 4 are possible", new GgufWriter().Tensor("t", 0, [1, 1, 1, 1, 1], new byte[4]));
        AssertRefused("t: has 0 dimensions", new GgufWriter().Tensor("t", 0, [], new byte[4]));
        AssertRefused("t: has a dimension of 0 elements", new GgufWriter().Tensor("t", 0, [4, 0], new byte[4]));
        AssertRefused("t: has a dimension of 9223372036854775808 elements", new GgufWriter().Tensor("t", 0, [1UL << 63], new byte[4]));
        AssertRefused("more elements than 63 bits count", new GgufWriter().Tensor("t", 0, [(1UL << 42) + 1, 1UL << 42], new byte[4]));
        AssertRefused("t: needs 17592186044420 bytes for [4398046511105] of F32, more than the file has", new GgufWriter().Tensor("t", 0, [(1UL << 42) + 1], new byte[4]));
    }

    [Fact]
    public void Case45PartialBlocksAndUnknownTypes()
    {
        AssertRefused("t: has rows of 33 elements, which are no whole blocks of Q8_0: 32 elements", new GgufWriter().Tensor("t", 8, [33, 2], new byte[68]));
        AssertRefused("t: has rows of 128 elements, which are no whole blocks of Q4_K: 256 elements", new GgufWriter().Tensor("t", 12, [128, 2], new byte[144]));
        AssertRefused("t: has the element type 99, which this engine does not know", new GgufWriter().Tensor("t", 99, [32], new byte[32]));
        AssertRefused("t: has the element type 4, which", new GgufWriter().Tensor("t", 4, [32], new byte[32]));
    }

    [Fact]
    public void Case46Offsets()
    {
        AssertRefused("b: begins at 0 of the data; the tensors before it end at 32", new GgufWriter().Tensor("a", 0, [4], new byte[16]).Tensor("b", 0, [4], new byte[16], offset: 0));
        AssertRefused("a: begins at 32 of the data; the tensors before it end at 0", new GgufWriter().Tensor("a", 0, [4], new byte[16], offset: 32).Tensor("b", 0, [4], new byte[16], offset: 0));
        AssertRefused("b: begins at 64 of the data", new GgufWriter().Tensor("a", 0, [4], new byte[16]).Tensor("b", 0, [4], new byte[16], offset: 64));
        AssertRefused("b: begins at 18446744073709551584 of the data", new GgufWriter().Tensor("a", 0, [4], new byte[16]).Tensor("b", 0, [4], new byte[16], offset: unchecked((ulong)-32L)));
        byte[] whole = new GgufWriter().Tensor("a", 0, [4], new byte[16]).Tensor("b", 0, [400], new byte[1600]).ToArray();
        AssertRefused("the file: it is truncated", whole[..^40]);
        AssertRefused("is in", new GgufWriter().Tensor("a", 0, [4], new byte[16]).Tensor("a", 0, [4], new byte[16]));
    }

    [Fact]
    public void Case47TokenizerArrays()
    {
        Refused("tokenizer.ggml.tokens: is an array of UInt8; an array of String is needed", file => file.Raw("tokenizer.ggml.tokens", 9, [0, 0, 0, 0, 2, 0, 0, 0, 0, 0, 0, 0, 65, 66]));
        Refused("tokenizer.ggml.token_type: has 1 entries for 2 tokens", file => file.Texts("tokenizer.ggml.tokens", ["a", "b"]).Ints("tokenizer.ggml.token_type", [1]));
        Refused("tokenizer.ggml.token_type: is an array of String; an array of Int32 is needed", file => file.Texts("tokenizer.ggml.tokens", ["a", "b"]).Texts("tokenizer.ggml.token_type", ["a", "b"]));
        Refused("tokenizer.ggml.tokens: token 1 is empty or given twice", file => file.Texts("tokenizer.ggml.tokens", ["a", "a"]).Ints("tokenizer.ggml.token_type", [1, 1]));
        Refused("tokenizer.ggml.tokens: is String; an array of String is needed", file => file.Text("tokenizer.ggml.tokens", "a"));
        Refused("tokenizer.ggml.token_type: token 1 is of the unknown type 99", file => file.Texts("tokenizer.ggml.tokens", ["a", "b"]).Ints("tokenizer.ggml.token_type", [1, 99]));
        Refused("tokenizer.ggml.token_type: token 0 is of the unknown type 0", file => file.Texts("tokenizer.ggml.tokens", ["a", "b"]).Ints("tokenizer.ggml.token_type", [0, 1]));
        foreach (string merge in (string[])["ab", "a b c", ""])
        {
            AssertTokenizer("tokenizer.ggml.merges: entry 1 is not two tokens with a blank between them", new GgufWriter().Text("tokenizer.ggml.model", "gpt2").Texts("tokenizer.ggml.tokens", ["a", "b"]).Texts("tokenizer.ggml.merges", ["a b", merge]));
        }
        AssertTokenizer("tokenizer.ggml.merges: is missing", new GgufWriter().Text("tokenizer.ggml.model", "gpt2").Texts("tokenizer.ggml.tokens", ["a"]));
        AssertTokenizer("tokenizer.ggml.model: is 'llama'; Llama 4's is 'gpt2'", new GgufWriter().Text("tokenizer.ggml.model", "llama"));
        AssertTokenizer("tokenizer.ggml.pre: is 'qwen2'", new GgufWriter().Text("tokenizer.ggml.model", "gpt2").Text("tokenizer.ggml.pre", "qwen2"));

        void Refused(string expected, Func<GgufWriter, GgufWriter> tokens) =>
            AssertTokenizer(expected, tokens(new GgufWriter().Text("tokenizer.ggml.model", "gpt2").Texts("tokenizer.ggml.merges", [])));
    }

    [Theory]
    [InlineData("llama3", "general.architecture: is 'llama3'; this engine runs 'llama4'")]
    [InlineData("llama4", "llama4.block_count: is missing")]
    public void OtherModelsAreNamed(string architecture, string expected) =>
        AssertRefused(expected, new GgufWriter().Text("general.architecture", architecture));

    [Fact]
    public void BothVersionsAndAllValueTypesAreRead()
    {
        byte[] file = new GgufWriter { Version = 2 }.Raw("u8", 0, 200).Raw("i8", 1, 200).UShort("u16", 65535).Raw("i16", 3, 255, 255).UInt("u32", 7).Int("i32", -7)
            .Float("f32", 0.5f).Bool("b", true).Text("s", "ü").Ints("a", [1, 2]).Raw("u64", 10, 1, 0, 0, 0, 0, 0, 0, 0).Raw("i64", 11, [.. Enumerable.Repeat((byte)255, 8)])
            .Raw("f64", 12, BitConverter.GetBytes(0.25)).Raw("big", 10, [.. Enumerable.Repeat((byte)255, 8)]).ToArray();
        using MappedFile map = MappedFile.Open(_folder.Write("t.gguf", file));
        GgufMetadata metadata = GgufHeader.Read(map).Metadata;
        Assert.Equal(
            [200, -56, 65535, -1, 7, -7, 1, -1],
            Array.ConvertAll((string[])["u8", "i8", "u16", "i16", "u32", "i32", "u64", "i64"], key => metadata.Int(key, -1000, 100_000)));
        Assert.Equal((0.5, 0.25, 7.0), (metadata.Number("f32", 0), metadata.Number("f64", 0), metadata.Number("u32", 0)));
        Assert.True(metadata.Flag("b", false));
        Assert.Equal("ü", metadata.Text("s"));
        Assert.Equal([1, 2], metadata.Ints("a")!);
        Assert.Contains("big: must be within 0 and 10, is 18446744073709551615", Assert.Throws<ModelFormatException>(() => metadata.Int("big", 0, 10)).Message, StringComparison.Ordinal);
        Assert.Contains("s: is String; a whole number is needed", Assert.Throws<ModelFormatException>(() => metadata.Int("s", 0, 10)).Message, StringComparison.Ordinal);
    }

    private IReadOnlyList<StoredTensor> Read(byte[] file)
    {
        using MappedFile map = MappedFile.Open(_folder.Write("t.gguf", file));
        return GgufHeader.Read(map).Tensors;
    }

    private void AssertRefused(string expected, GgufWriter file) => AssertRefused(expected, file.ToArray());

    private void AssertRefused(string expected, byte[] file)
    {
        string path = _folder.Write("t.gguf", file);
        ModelFormatException e = Assert.Throws<ModelFormatException>(() => Checkpoint.Open(path));
        Assert.Contains(expected, e.Message, StringComparison.Ordinal);
        Assert.Equal(path, e.File);
    }

    private void AssertTokenizer(string expected, GgufWriter file)
    {
        using MappedFile map = MappedFile.Open(_folder.Write("t.gguf", file.ToArray()));
        GgufMetadata metadata = GgufHeader.Read(map).Metadata;
        Assert.Contains(expected, Assert.Throws<ModelFormatException>(() => GgufTokenizer.Translate(metadata)).Message, StringComparison.Ordinal);
    }
}
