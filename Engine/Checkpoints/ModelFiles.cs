using System.Text.Json;
using Llama4Kernels.Interop.Files;
using Llama4Kernels.Interop.Memory;

namespace Llama4Kernels.Engine.Checkpoints;

/// <summary>Opens a model's files; every failure names the file.</summary>
internal static unsafe class ModelFiles
{
    private const int MaxJsonBytes = 100_000_000;

    private static readonly JsonDocumentOptions s_strict = new() { MaxDepth = 64, AllowDuplicateProperties = false };

    /// <summary>Maps a regular file.</summary>
    /// <exception cref="ModelFormatException">It is missing, not a regular file, a Git LFS pointer, a web page, or cannot be read.</exception>
    public static MappedFile Map(string path)
    {
        try
        {
            MappedFile map = MappedFile.Open(path);
            try
            {
                ReadOnlySpan<byte> content = Start(map);
                GitLfs.ThrowIfPointer(path, content);
                OtherContent.ThrowIfPage(path, content);
                return map;
            }
            catch
            {
                map.Dispose();
                throw;
            }
        }
        catch (FileNotFoundException e)
        {
            throw new ModelFormatException(path, null, "the file does not exist.", e);
        }
        catch (IOException e)
        {
            throw new ModelFormatException(path, null, e.Message, e);
        }
        catch (UnauthorizedAccessException e)
        {
            throw new ModelFormatException(path, null, e.Message, e);
        }
    }

    /// <summary>A mapped file's bytes, as many as a span has.</summary>
    public static ReadOnlySpan<byte> Start(MappedFile map) => new(map.Pointer, (int)Math.Min(map.Length, int.MaxValue));

    /// <summary>Reads a JSON file strictly; see <see cref="ParseJson"/>.</summary>
    /// <exception cref="ModelFormatException">The file cannot be read or is not such JSON.</exception>
    public static JsonDocument ReadJson(string path)
    {
        using MappedFile map = Map(path);
        if (map.Length > MaxJsonBytes)
        {
            throw new ModelFormatException(path, null, $"is too large for a JSON file of a model: {map.Length} bytes, the limit is {MaxJsonBytes}.");
        }
        return ParseJson(new ReadOnlySpan<byte>(map.Pointer, (int)map.Length).ToArray(), path);
    }

    /// <summary>The text without the byte order mark that some editors put before it.</summary>
    /// <exception cref="ModelFormatException">The mark says that the text is UTF-16.</exception>
    public static ReadOnlyMemory<byte> WithoutByteOrderMark(ReadOnlyMemory<byte> text, string file) => text.Span switch
    {
        [0xEF, 0xBB, 0xBF, ..] => text[3..],
        [0xFF, 0xFE, ..] or [0xFE, 0xFF, ..] => throw new ModelFormatException(file, null, "begins with a byte order mark of UTF-16; save it as UTF-8."),
        _ => text,
    };

    /// <summary>Parses JSON strictly: no comments, no trailing commas, no duplicate keys. A byte order mark of UTF-8 is skipped.</summary>
    /// <exception cref="ModelFormatException">It is not such JSON, or not an object.</exception>
    public static JsonDocument ParseJson(ReadOnlyMemory<byte> utf8, string file)
    {
        utf8 = WithoutByteOrderMark(utf8, file);
        JsonDocument document;
        try
        {
            JsonText.Check(utf8.Span, s_strict.MaxDepth);
            document = JsonDocument.Parse(utf8, s_strict);
        }
        catch (JsonException e)
        {
            string? line = e.LineNumber is long number ? $"line {number + 1}" : null;
            throw new ModelFormatException(file, line, $"is not valid JSON: {e.Message}", e);
        }
        if (document.RootElement.ValueKind != JsonValueKind.Object)
        {
            document.Dispose();
            throw new ModelFormatException(file, null, "must be a JSON object.");
        }
        return document;
    }
}
