using System.Text;
using Llama4Kernels.Engine;
using Llama4Kernels.Engine.Checkpoints;
using Llama4Kernels.Engine.Checkpoints.Meta;
using Llama4Kernels.Engine.Checkpoints.SafeTensors;
using Llama4Kernels.Engine.Tokenization;
using Llama4Kernels.Interop.Memory;

namespace Llama4Kernels.Tests.Engine.Checkpoints;

/// <summary>A file of another kind than its name says is called what it is by every reader, not a malformed one of the wanted kind.</summary>
public sealed class OtherContentTests : IDisposable
{
    private readonly TemporaryFolder _folder = new();

    /// <summary>Beginnings of files, and what each is called.</summary>
    private static readonly Dictionary<string, (byte[] Content, string Name)> s_kinds = new()
    {
        ["gguf"] = ([.. "GGUF"u8, 3, 0, 0, 0, .. new byte[56]], "it is a GGUF file"),
        ["zip"] = ([.. "PK"u8, 3, 4, .. new byte[60]], "it is a zip archive"),
        ["gzip"] = ([0x1f, 0x8b, 8, 0, 0, 0, 0, 0, 2, .. new byte[55]], "it is a gzip archive"),
        ["tar"] = ([.. "model/"u8, .. new byte[251], .. "ustar"u8, .. new byte[250]], "it is a tar archive"),
        ["pickle"] = ([0x80, 2, (byte)'}', .. new byte[61]], "it is a bare pickle"),
        ["ggjt"] = ([.. "tjgg"u8, 3, 0, 0, 0, .. new byte[56]], "from before GGUF"),
        ["safetensors"] = (TemporaryFolder.SafeTensors("{}"u8.ToArray(), 0), "it is a safetensors file"),
    };

    public void Dispose() => _folder.Dispose();

    [Fact]
    public void ReadersSayWhatAFileOfAnotherKindIs()
    {
        foreach ((string kind, (byte[] content, string name)) in s_kinds)
        {
            if (kind != "safetensors")
            {
                Refused(name, content, path => SafeTensorsFile.Open(path).Dispose());
            }
            if (kind != "gguf")
            {
                Refused(name, content, path => Checkpoint.Open(path), "m.gguf");
            }
            if (kind != "zip")
            {
                Refused(kind == "pickle" ? "" : name, content, _ => MetaModel.Open(_folder.Path).Dispose(), "consolidated.00.pth");
            }
        }
    }

    /// <summary>A header of so many bytes that its length looks like the start of another kind of file is no such file.</summary>
    [Fact]
    public void AHeaderWhoseLengthLooksLikeAnotherKindIsRead()
    {
        string json = "{\"__metadata__\":{\"a\":\"" + new string('x', 0x088b1f - 25) + "\"}}";
        byte[] file = TemporaryFolder.SafeTensors(Encoding.ASCII.GetBytes(json), 0);
        Assert.Equal([0x1f, 0x8b, 8], file[..3]);
        using SafeTensorsFile read = SafeTensorsFile.Open(_folder.Write("t", file));
        Assert.Empty(read.Tensors);
    }

    [Theory]
    [InlineData("<!DOCTYPE html>\n<html><head>")]
    [InlineData("\n <HTML>")]
    [InlineData("Access to model meta-llama/Llama-4 is restricted. You must be authenticated.")]
    [InlineData("Invalid username or password.")]
    public void PagesInPlaceOfFilesAreNamedByEveryReader(string page)
    {
        byte[] content = Encoding.UTF8.GetBytes(page);
        const string Expected = "is a web page or a refusal in place of the file";
        Refused(Expected, content, path => SafeTensorsFile.Open(path).Dispose());
        Refused(Expected, content, path => Checkpoint.Open(path), "m.gguf");
        Refused(Expected, content, _ => MetaModel.Open(_folder.Path).Dispose(), "consolidated.00.pth");
        Refused(Expected, content, path => ModelFiles.ReadJson(path).Dispose());
        Refused(Expected, content, path => Llama4Tokenizer.Load(path), "tokenizer.json");
        Refused(Expected, content, path => Llama4Tokenizer.Load(path), "tokenizer.model");
    }

    private void Refused(string expected, byte[] content, Action<string> open, string name = "t")
    {
        string path = _folder.Write(name, content);
        ModelFormatException e = Assert.Throws<ModelFormatException>(() => open(path));
        Assert.Equal(path, e.File);
        Assert.Contains(expected, e.Message, StringComparison.Ordinal);
    }
}
