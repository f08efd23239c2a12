using System.Buffers.Binary;

namespace Llama4Kernels.Engine.Checkpoints;

/// <summary>
/// What a file is that is none of the kind that its name promises, told by its first bytes: readers of files that begin otherwise
/// ask here, so that their error says what the file is and not which of its bytes are wrong.
/// </summary>
internal static class OtherContent
{
    private const int TarMagicAt = 257, HeaderAt = 8;

    /// <summary>Text that a browser or a script saved in place of the file: a web page, or the server's refusal.</summary>
    /// <exception cref="ModelFormatException">It is such.</exception>
    public static void ThrowIfPage(string path, ReadOnlySpan<byte> content)
    {
        ReadOnlySpan<byte> text = content.TrimStart(" \t\r\n"u8);
        if (StartsWith(text, "<!doctype html"u8) || StartsWith(text, "<html"u8) || text.StartsWith("Access to model "u8) || text.StartsWith("Invalid username or password"u8))
        {
            throw new ModelFormatException(path, null, "is a web page or a refusal in place of the file: accept the licence on the model's page, log in and download it again, for example with 'hf download'.");
        }
    }

    /// <summary>What the file is, with what to do about it; null if that is not known.</summary>
    public static string? Name(ReadOnlySpan<byte> content) => content switch
    {
        [(byte)'G', (byte)'G', (byte)'U', (byte)'F', ..] => "it is a GGUF file; its name must end in .gguf",
        [(byte)'P', (byte)'K', 3 or 5, 4 or 6, ..] => "it is a zip archive, as torch.save writes; Meta's files are named consolidated.NN.pth, with params.json beside them",
        [0x1f, 0x8b, 8, ..] when !IsSafeTensors(content) => "it is a gzip archive; unpack it first",
        [0x80, 2 or 3 or 4 or 5, ..] when !IsSafeTensors(content) => "it is a bare pickle, which can run code and is not read",
        [(byte)'t' or (byte)'l', (byte)'j' or (byte)'m', (byte)'g', (byte)'g', ..] => "it is a file of llama.cpp from before GGUF; convert the model anew",
        { Length: > TarMagicAt + 5 } when content[TarMagicAt..].StartsWith("ustar"u8) => "it is a tar archive; unpack it first",
        _ when IsSafeTensors(content) => "it is a safetensors file; its name must end in .safetensors",
        _ => null,
    };

    private static bool IsSafeTensors(ReadOnlySpan<byte> content) =>
        content.Length > HeaderAt && content[HeaderAt] == '{' && BinaryPrimitives.ReadUInt64LittleEndian(content) <= SafeTensors.SafeTensorsHeader.MaxHeaderBytes;

    private static bool StartsWith(ReadOnlySpan<byte> text, ReadOnlySpan<byte> lowerCase)
    {
        for (int i = 0; i < lowerCase.Length; i++)
        {
            if (i >= text.Length || (text[i] is >= (byte)'A' and <= (byte)'Z' ? text[i] + 32 : text[i]) != lowerCase[i])
            {
                return false;
            }
        }
        return true;
    }
}
