using System.Diagnostics;
using System.Text;
using Llama4Kernels.Engine;
using Llama4Kernels.Engine.Checkpoints.SafeTensors;

namespace Llama4Kernels.Tests.Engine.Checkpoints;

/// <summary>Every rule of the container format, broken on its own.</summary>
public sealed class SafeTensorsFileTests : IDisposable
{
    private const string Entry = """{"dtype":"F32","shape":[2],"data_offsets":[0,8]}""";
    private readonly TemporaryFolder _folder = new();

    public void Dispose() => _folder.Dispose();

    private static void Refused(string path, string reason)
    {
        Stopwatch watch = Stopwatch.StartNew();
        ModelFormatException e = Assert.Throws<ModelFormatException>(() => SafeTensorsFile.Open(path));
        Assert.Equal(path, e.File);
        Assert.Contains(reason, e.Message, StringComparison.Ordinal);
        Assert.InRange(e.Message.Length, 1, path.Length + 1500);
        Assert.True(watch.Elapsed < TimeSpan.FromSeconds(20), $"took {watch.Elapsed}");
    }

    private void HeaderRefused(string header, string reason, int dataBytes = 8) => Refused(_folder.WriteTensors(header, dataBytes), reason);

    [Fact]
    public void EmptyFile() => Refused(_folder.Write("t", []), "too small for a safetensors file: 0 bytes");

    [Fact]
    public void SevenBytes() => Refused(_folder.Write("t", new byte[7]), "too small for a safetensors file: 7 bytes");

    [Fact]
    public void MissingFile() => Refused(_folder.File("none"), "does not exist");

    [Fact]
    public void FolderInsteadOfFile() => Refused(_folder.Path, "is a directory");

    [Fact]
    public void HeaderLengthOf2ToThe63() => Refused(_folder.Write("t", [0, 0, 0, 0, 0, 0, 0, 0x80, 1, 2]), "header: is too large: 9223372036854775808 bytes");

    [Fact]
    public void HeaderOneByteLongerThanTheFile()
    {
        byte[] file = TemporaryFolder.SafeTensors("{}"u8.ToArray(), 0);
        file[0]++;
        Refused(_folder.Write("t", file), "header: of 3 bytes passes the end of the file of 10 bytes");
    }

    [Fact]
    public void HeaderAbove100Megabytes()
    {
        string path = _folder.Write("t", BitConverter.GetBytes(100_000_001L));
        using (FileStream stream = File.OpenWrite(path))
        {
            stream.SetLength(100_000_100);
        }
        Refused(path, "header: is too large: 100000001 bytes, the limit is 100000000");
    }

    [Fact]
    public void HeaderThatIsNotUtf8() =>
        Refused(_folder.Write("t", TemporaryFolder.SafeTensors([(byte)'{', (byte)'"', 0xff, (byte)'"', (byte)'}'], 0)), "header: is not valid UTF-8");

    [Theory]
    [InlineData("""{"a":ENTRY,}""")]
    [InlineData("""{"a":ENTRY/*c*/}""")]
    [InlineData("""{"a":{"dtype":"F32","shape":[NaN],"data_offsets":[0,8]}}""")]
    [InlineData("""{"a":ENTRY} x""")]
    [InlineData("""{"a":ENTRY""")]
    [InlineData("")]
    [InlineData("\u0000")]
    public void HeaderThatIsNotJson(string header) => HeaderRefused(header.Replace("ENTRY", Entry, StringComparison.Ordinal), "header: is not valid JSON");

    [Fact]
    public void HeaderThatIsNotAnObject() => HeaderRefused("[]", "header: must be a JSON object");

    [Fact]
    public void NestingOfAHundredThousand() =>
        HeaderRefused("""{"__metadata__":{"a":""" + new string('[', 100_000), "__metadata__: 'a' must be a string");

    [Fact]
    public void NestingIsLimitedBeforeAValueIsLookedAt() =>
        HeaderRefused(string.Concat(Enumerable.Repeat("""{"a":""", 100_000)), "a: has the unknown field 'a'");

    [Fact]
    public void TensorListedTwice() => HeaderRefused($$"""{"a":{{Entry}},"a":{{Entry}}}""", "a: appears twice");

    [Fact]
    public void TensorListedTwiceWithAnEscape() => HeaderRefused($$"""{"a":{{Entry}},"\u0061":{{Entry}}}""", "a: appears twice");

    [Theory]
    [InlineData("dtype", "\"F32\"")]
    [InlineData("shape", "[2]")]
    [InlineData("data_offsets", "[0,8]")]
    public void FieldGivenTwice(string field, string value) =>
        HeaderRefused("{\"a\":" + Entry[..^1] + $",\"{field}\":{value}" + "}}", $"a: has '{field}' twice");

    [Theory]
    [InlineData("""{"shape":[2],"data_offsets":[0,8]}""", "lacks 'dtype'")]
    [InlineData("""{"dtype":"F32","data_offsets":[0,8]}""", "lacks 'shape'")]
    [InlineData("""{"dtype":"F32","shape":[2]}""", "lacks 'data_offsets'")]
    [InlineData("""{"dtype":"F32","shape":[2],"data_offsets":[0]}""", "data_offsets must hold two numbers")]
    [InlineData("""{"dtype":"F32","shape":[2],"data_offsets":[0,8,9]}""", "data_offsets holds more than 2 numbers")]
    [InlineData("""{"dtype":"F32","shape":[2],"data_offsets":8}""", "data_offsets must be an array")]
    [InlineData("""{"dtype":4,"shape":[2],"data_offsets":[0,8]}""", "dtype must be a string")]
    [InlineData("7", "must be an object")]
    [InlineData("null", "must be an object")]
    public void EntryThatIsIncomplete(string entry, string reason) => HeaderRefused($$"""{"a":{{entry}}}""", "a: " + reason);

    [Fact]
    public void BeginBeyondEnd() => HeaderRefused("""{"a":{"dtype":"F32","shape":[0],"data_offsets":[8,0]}}""", "a: data_offsets run backwards: [8, 0]");

    [Fact]
    public void Overlap() =>
        HeaderRefused($$$"""{"a":{{{Entry}}},"b":{"dtype":"F32","shape":[2],"data_offsets":[4,12]}}""", "b: overlaps another tensor: it begins at 4, the data before it ends at 8", 12);

    [Fact]
    public void TwoTensorsOnTheSameBytes() => HeaderRefused($$"""{"a":{{Entry}},"b":{{Entry}}}""", "overlaps another tensor");

    [Fact]
    public void Hole() =>
        HeaderRefused($$$"""{"a":{{{Entry}}},"b":{"dtype":"U8","shape":[1],"data_offsets":[9,10]}}""", "b: leaves a hole: it begins at 9, the data before it ends at 8", 10);

    [Fact]
    public void HoleAtTheStart() => HeaderRefused("""{"a":{"dtype":"U8","shape":[4],"data_offsets":[4,8]}}""", "a: leaves a hole: it begins at 4, the data before it ends at 0");

    [Fact]
    public void TrailingBytes() => HeaderRefused($$"""{"a":{{Entry}}}""", "1 trailing bytes belong to no tensor", 9);

    [Fact]
    public void TruncatedData() => HeaderRefused($$"""{"a":{{Entry}}}""", "a: ends at 8, beyond the 7 bytes of data", 7);

    [Theory]
    [InlineData("[4294967296,4294967296]")]
    [InlineData("[9223372036854775807,9223372036854775807,9223372036854775807]")]
    [InlineData("[3037000500,3037000500]")]
    public void ShapeWhoseProductOverflows(string shape) =>
        HeaderRefused($$$"""{"a":{"dtype":"F32","shape":{{{shape}}},"data_offsets":[0,8]}}""", "has more elements than 64 bits count");

    [Fact]
    public void ShapeWhoseBytesOverflow() =>
        HeaderRefused("""{"a":{"dtype":"F64","shape":[4611686018427387904],"data_offsets":[0,0]}}""", "needs 36893488147419103232 bytes", 0);

    [Theory]
    [InlineData("-1")]
    [InlineData("1.5")]
    [InlineData("1e0")]
    [InlineData("9223372036854775808")]
    [InlineData("\"2\"")]
    [InlineData("null")]
    [InlineData("[2]")]
    public void DimensionThatIsNoCount(string dimension) =>
        HeaderRefused($$$"""{"a":{"dtype":"F32","shape":[{{{dimension}}}],"data_offsets":[0,8]}}""", "a: shape must hold non-negative integers");

    [Fact]
    public void NineDimensions() =>
        HeaderRefused("""{"a":{"dtype":"F32","shape":[1,1,1,1,1,1,1,1,2],"data_offsets":[0,8]}}""", "a: shape holds more than 8 numbers");

    [Fact]
    public void EmptyTensorsAndScalarsAreLegal()
    {
        string path = _folder.WriteTensors("""  {"s":{"dtype":"F32","shape":[],"data_offsets":[0,4]},"z":{"dtype":"F32","shape":[3,0],"data_offsets":[4,4]},"y":{"dtype":"F32","shape":[0],"data_offsets":[0,0]}}  """, 4);
        using SafeTensorsFile file = SafeTensorsFile.Open(path);
        Assert.Equal([0f], file.ReadFloats("s"));
        Assert.Empty(file.ReadFloats("z"));
        Assert.Empty(file.ReadFloats("y"));
        Assert.Equal(1, file.Get("s").Elements);
    }

    [Fact]
    public void NoTensorsAtAllIsLegal()
    {
        using SafeTensorsFile file = SafeTensorsFile.Open(_folder.WriteTensors("{}", 0));
        Assert.Empty(file.Tensors);
    }

    [Theory]
    [InlineData("F31")]
    [InlineData("f32")]
    [InlineData("4")]
    [InlineData("")]
    public void UnknownDtype(string type) =>
        HeaderRefused($$$"""{"a":{"dtype":"{{{type}}}","shape":[2],"data_offsets":[0,8]}}""", $"a: unknown dtype '{type}'");

    [Fact]
    public void SizeThatDoesNotFitTheDtype() =>
        HeaderRefused("""{"a":{"dtype":"BF16","shape":[2],"data_offsets":[0,8]}}""", "a: shape [2] of BF16 needs 4 bytes, data_offsets give 8");

    [Theory]
    [InlineData("F4", 3)]
    [InlineData("F6_E2M3", 2)]
    [InlineData("F6_E3M2", 7)]
    public void OddNumberOfSmallElements(string type, int count) =>
        HeaderRefused($$$"""{"a":{"dtype":"{{{type}}}","shape":[{{{count}}}],"data_offsets":[0,2]}}""", $"a: {count} elements of {type} are not a whole number of bytes");

    [Fact]
    public void WholeNumberOfSmallElements()
    {
        using SafeTensorsFile file = SafeTensorsFile.Open(_folder.WriteTensors("""{"a":{"dtype":"F4","shape":[2,3],"data_offsets":[0,3]}}""", 3));
        Assert.Equal(6, file.Get("a").Elements);
    }

    [Theory]
    [InlineData("../a", "'../a' contains '../'")]
    [InlineData("x/../../a", "'x/../../a' contains '../'")]
    [InlineData("a\\u0000b", "contains a NUL")]
    [InlineData("", "is empty")]
    [InlineData("\\ud800", "contains an unpaired surrogate escape")]
    public void BadName(string name, string reason) => HeaderRefused($$"""{"{{name}}":{{Entry}}}""", "tensor name: " + reason);

    [Fact]
    public void NameOfAMegabyte() => HeaderRefused($$"""{"{{new string('a', 1 << 20)}}":{{Entry}}}""", "tensor name: is longer than 512 bytes");

    [Fact]
    public void NameAtTheLimitAndOneBeyond()
    {
        using SafeTensorsFile file = SafeTensorsFile.Open(_folder.WriteTensors($$"""{"{{new string('a', 512)}}":{{Entry}}}""", 8));
        Assert.Equal(512, file.Tensors[0].Name.Length);
        HeaderRefused($$"""{"{{new string('a', 513)}}":{{Entry}}}""", "tensor name: is longer than 512 bytes");
    }

    [Fact]
    public void OneTensorMoreThanAMillion()
    {
        StringBuilder header = new("{", 64_000_000);
        for (int i = 0; i <= 1_000_000; i++)
        {
            header.Append('"').Append(i).Append("\":{\"dtype\":\"U8\",\"shape\":[0],\"data_offsets\":[0,0]},");
        }
        header.Length--;
        byte[] json = Encoding.UTF8.GetBytes(header.Append('}').ToString());
        ModelFormatException e = Assert.Throws<ModelFormatException>(() => SafeTensorsHeader.Parse("t", json, 0));
        Assert.Contains("header: lists more than 1000000 tensors", e.Message, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("""{"a":1}""", "'a' must be a string")]
    [InlineData("""{"a":null}""", "'a' must be a string")]
    [InlineData("""{"a":{}}""", "'a' must be a string")]
    [InlineData("[]", "must be an object of strings")]
    [InlineData("\"a\"", "must be an object of strings")]
    [InlineData("""{"a":"1","a":"2"}""", "'a' appears twice")]
    public void BadMetadata(string metadata, string reason) => HeaderRefused($$"""{"__metadata__":{{metadata}}}""", "__metadata__: " + reason, 0);

    [Fact]
    public void MetadataTwice() => HeaderRefused("""{"__metadata__":{},"__metadata__":{}}""", "__metadata__: appears twice", 0);

    [Fact]
    public void DataAtAnOddAddressIsRead()
    {
        // A header of odd length puts the data at an address aligned to nothing.
        string header = """{"a":{"dtype":"F32","shape":[1],"data_offsets":[0,4]},"b":{"dtype":"I64","shape":[1],"data_offsets":[4,12]}}""";
        byte[] bytes = TemporaryFolder.SafeTensors(Encoding.UTF8.GetBytes(header.Length % 2 == 0 ? header + " " : header), 12);
        BitConverter.GetBytes(1.5f).CopyTo(bytes, bytes.Length - 12);
        BitConverter.GetBytes(-7L).CopyTo(bytes, bytes.Length - 8);
        using SafeTensorsFile file = SafeTensorsFile.Open(_folder.Write("t", bytes));
        Assert.Equal(1, file.Address(file.Get("a")) % 2);
        Assert.Equal([1.5f], file.ReadFloats("a"));
        Assert.Equal([-7L], file.ReadInt64("b"));
    }

    [Fact]
    public void TruncationAfterOpeningIsNoticed()
    {
        string path = _folder.WriteTensors($$"""{"a":{{Entry}}}""", 8);
        using SafeTensorsFile file = SafeTensorsFile.Open(path);
        using (FileStream stream = new(path, FileMode.Open, FileAccess.Write, FileShare.ReadWrite))
        {
            stream.SetLength(20);
        }
        ModelFormatException e = Assert.Throws<ModelFormatException>(() => file.ReadFloats("a"));
        Assert.Contains("was truncated", e.Message, StringComparison.Ordinal);
        Assert.Equal("a", e.Field);
    }

    [Fact]
    public void ReadingAsTheWrongTypeIsAnError()
    {
        using SafeTensorsFile file = SafeTensorsFile.Open(_folder.WriteTensors($$"""{"a":{{Entry}}}""", 8));
        Assert.Contains("is F32; I64 is needed", Assert.Throws<ModelFormatException>(() => file.ReadInt64("a")).Message, StringComparison.Ordinal);
        Assert.Contains("is F32; I32 is needed", Assert.Throws<ModelFormatException>(() => file.ReadInt32("a")).Message, StringComparison.Ordinal);
        Assert.Contains("there is no such tensor", Assert.Throws<ModelFormatException>(() => file.ReadFloats("b")).Message, StringComparison.Ordinal);
        Assert.False(file.TryGet("b", out _));
    }

    [Fact]
    public void AddressOfAForeignTensorIsRefused()
    {
        using SafeTensorsFile one = SafeTensorsFile.Open(_folder.WriteTensors($$"""{"a":{{Entry}}}""", 8));
        using SafeTensorsFile two = SafeTensorsFile.Open(_folder.WriteTensors($$"""{"a":{{Entry}}}""", 8, "u"));
        Assert.Throws<ArgumentException>(() => one.Address(two.Get("a")));
    }

    [Fact]
    public void UseAfterDisposalIsAnError()
    {
        SafeTensorsFile file = SafeTensorsFile.Open(_folder.WriteTensors($$"""{"a":{{Entry}}}""", 8));
        file.Dispose();
        Assert.Throws<ObjectDisposedException>(() => file.ReadFloats("a"));
    }
}
