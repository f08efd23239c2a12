using System.Buffers;
using System.Buffers.Text;
using Llama4Kernels.Engine.Checkpoints;

namespace Llama4Kernels.Engine.Tokenization;

/// <summary>Reads <c>tokenizer.model</c>: a line is the token's bytes in base64, a blank, and the rank.</summary>
internal static class TiktokenModelFile
{
    /// <summary>The released file has 3.6 MB; nothing sensible is near this.</summary>
    public const long MaxFileBytes = 256L << 20;

    /// <summary>The released file's longest token has 113 bytes.</summary>
    public const int MaxTokenBytes = 4096;

    /// <summary>Loads the file; see <see cref="Llama4Tokenizer.FromTiktokenModel"/>.</summary>
    public static Llama4Tokenizer Load(string path)
    {
        ReadOnlyMemory<byte> content = ReadAll(path);
        List<(byte[] Token, int Rank, int Line)> entries = Parse(path, content.Span);
        byte[]?[] byRank = new byte[entries.Count][];
        int[] lineOfRank = new int[entries.Count];
        foreach ((byte[] token, int rank, int line) in entries)
        {
            if (rank >= entries.Count)
            {
                throw Fault(path, line, $"rank {rank} leaves a gap: the file has {entries.Count} tokens.");
            }
            if (byRank[rank] is not null)
            {
                throw Fault(path, line, $"rank {rank} was already given on line {lineOfRank[rank]}.");
            }
            byRank[rank] = token;
            lineOfRank[rank] = line;
        }
        TokenTable table = new(byRank!);
        if (table.DuplicateId is int duplicate)
        {
            int first = table.Find(table[duplicate]);
            throw Fault(
                path, lineOfRank[duplicate], $"the same token was already given on line {lineOfRank[first]}.");
        }
        IReadOnlyList<string> names = Llama4SpecialTokens.Names;
        int specials = table.Count < Llama4SpecialTokens.ReleasedRanks
            ? Llama4SpecialTokens.SmallVocabularyCount
            : names.Count;
        return new Llama4Tokenizer(
            path, table, MergeTable.FromRanks(table), wholePieces: true,
            [.. names.Take(specials).Select((name, index) => new AddedToken(table.Count + index, name, IsSpecial: true))]);
    }

    /// <summary>All bytes of a file of sane size, without a byte order mark.</summary>
    /// <exception cref="ModelFormatException">It is too large, a Git LFS pointer, a web page, or UTF-16.</exception>
    public static ReadOnlyMemory<byte> ReadAll(string path)
    {
        FileInfo info = new(path);
        if (info.Exists && info.Length > MaxFileBytes)
        {
            throw new ModelFormatException(
                path, null, $"{info.Length} bytes are too many for a tokenizer; the limit is {MaxFileBytes}.");
        }
        byte[] content = File.ReadAllBytes(path);
        GitLfs.ThrowIfPointer(path, content);
        OtherContent.ThrowIfPage(path, content);
        return ModelFiles.WithoutByteOrderMark(content, path);
    }

    private static List<(byte[] Token, int Rank, int Line)> Parse(string path, ReadOnlySpan<byte> content)
    {
        List<(byte[] Token, int Rank, int Line)> entries = [];
        for (int line = 1; !content.IsEmpty; line++)
        {
            int length = content.IndexOf((byte)'\n');
            ReadOnlySpan<byte> text = length < 0 ? content : content[..length];
            content = length < 0 ? [] : content[(length + 1)..];
            if (text.EndsWith("\r"u8))
            {
                text = text[..^1];
            }
            if (text.IsEmpty)
            {
                continue;
            }
            int blank = text.IndexOf((byte)' ');
            if (blank <= 0)
            {
                throw Fault(path, line, "expected the token in base64, a blank and its rank.");
            }
            entries.Add((ParseToken(path, line, text[..blank]), ParseRank(path, line, text[(blank + 1)..]), line));
        }
        return entries.Count > 0 ? entries : throw new ModelFormatException(path, null, "the file has no tokens.");
    }

    private static byte[] ParseToken(string path, int line, ReadOnlySpan<byte> base64)
    {
        int most = Base64.GetMaxDecodedFromUtf8Length(base64.Length);
        if (most > MaxTokenBytes)
        {
            throw Fault(path, line, $"a token of about {most} bytes; the limit is {MaxTokenBytes}.");
        }
        Span<byte> bytes = stackalloc byte[most];
        OperationStatus status = Base64.DecodeFromUtf8(base64, bytes, out _, out int written);
        return status == OperationStatus.Done && written > 0
            ? bytes[..written].ToArray()
            : throw Fault(path, line, "the token is not valid base64.");
    }

    private static int ParseRank(string path, int line, ReadOnlySpan<byte> digits) =>
        Utf8Parser.TryParse(digits, out int rank, out int consumed) && consumed == digits.Length && rank >= 0
            ? rank
            : throw Fault(path, line, "the rank is not a whole number from 0 to 2147483647.");

    private static ModelFormatException Fault(string path, int line, string reason) =>
        new(path, $"line {line}", reason);
}
