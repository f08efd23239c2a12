using System.Buffers.Text;

namespace Llama4Kernels.Engine.Checkpoints;

/// <summary>
/// A clone without Git LFS has small text files in place of the large ones. Every reader of a model's files asks here first,
/// so that none of them complains about the text.
/// </summary>
internal static class GitLfs
{
    /// <summary>The Git LFS specification keeps pointers below this size.</summary>
    private const int MaxPointerBytes = 1024;

    private static ReadOnlySpan<byte> Start => "version https://git-lfs.github.com/spec/"u8;

    /// <summary>Refuses a pointer.</summary>
    /// <param name="path">The file, for the error.</param>
    /// <param name="content">Its bytes.</param>
    /// <exception cref="ModelFormatException">It is one.</exception>
    public static void ThrowIfPointer(string path, ReadOnlySpan<byte> content)
    {
        if (content.Length > MaxPointerBytes || !content.StartsWith(Start))
        {
            return;
        }
        int at = content.IndexOf("\nsize "u8);
        string size = at >= 0 && Utf8Parser.TryParse(content[(at + 6)..], out long bytes, out _) ? $" of {bytes} bytes" : "";
        throw new ModelFormatException(path, null, $"is a Git LFS pointer in place of a file{size}: the clone left the large files out. Run 'git lfs pull' in the model's folder, or download it with 'hf download'.");
    }
}
