namespace Llama4Kernels.Interop.Files;

/// <summary>
/// A file being written. A regular file appears under its name, or replaces the one that is there, only once it is complete;
/// of a link, the file it leads to is replaced and the link stays. Devices, pipes and sockets are written through.
/// </summary>
public sealed class OutputFile : IDisposable
{
    private readonly string _target;
    private readonly string? _partial;
    private StreamWriter? _writer;
    private bool _committed;

    private OutputFile(FileStream stream, string target, string? partial)
    {
        Stream = stream;
        _target = target;
        _partial = partial;
    }

    /// <summary>Where to write bytes.</summary>
    public Stream Stream { get; }

    /// <summary>Where to write text, as UTF-8.</summary>
    public TextWriter Writer => _writer ??= new StreamWriter(Stream, leaveOpen: true);

    /// <summary>Begins a file.</summary>
    /// <param name="path">Its path; the folder must exist.</param>
    /// <exception cref="IOException">It is a folder, or cannot be written.</exception>
    /// <exception cref="UnauthorizedAccessException">Access is denied.</exception>
    public static OutputFile Create(string path)
    {
        ArgumentException.ThrowIfNullOrEmpty(path);
        const int Buffer = 1 << 20;
        FileKind kind = FileKinds.Of(path);
        if (kind == FileKind.Folder)
        {
            throw new IOException($"'{path}' is a folder; name a file to write.");
        }
        if (kind == FileKind.Stream || IsOwnDescriptor(path))
        {
            return new OutputFile(new FileStream(path, FileMode.Open, FileAccess.Write, FileShare.ReadWrite, Buffer), path, null);
        }
        // Also a link to nothing yet says where the file shall be.
        string target = Followed(path);
        if (Path.GetDirectoryName(Path.GetFullPath(target)) is string folder && !Directory.Exists(folder))
        {
            throw new DirectoryNotFoundException($"'{path}' cannot be written: there is no folder '{folder}'.");
        }
        string partial = $"{target}.{Path.GetRandomFileName()}.partial";
        FileStream stream = new(partial, FileMode.CreateNew, FileAccess.Write, FileShare.None, Buffer);
        OutputFile file = new(stream, target, partial);
        try
        {
            if (!OperatingSystem.IsWindows() && File.Exists(target))
            {
                File.SetUnixFileMode(stream.SafeFileHandle, File.GetUnixFileMode(target));
            }
            return file;
        }
        catch
        {
            file.Dispose();
            throw;
        }
    }

    /// <summary>Writes a text file; see <see cref="Create"/>.</summary>
    /// <param name="path">Its path.</param>
    /// <param name="write">Writes the text; if it fails, a regular file is left as it was.</param>
    public static void Write(string path, Action<TextWriter> write)
    {
        ArgumentNullException.ThrowIfNull(write);
        using OutputFile file = Create(path);
        write(file.Writer);
        file.Commit();
    }

    /// <summary>Ends the file and puts it in its place.</summary>
    /// <exception cref="IOException">The last bytes cannot be written, or the file cannot be replaced.</exception>
    public void Commit()
    {
        _writer?.Flush();
        Stream.Dispose();
        if (_partial is not null)
        {
            File.Move(_partial, _target, overwrite: true);
        }
        _committed = true;
    }

    /// <summary>Without <see cref="Commit"/> before, what was written is thrown away.</summary>
    public void Dispose()
    {
        if (_committed)
        {
            return;
        }
        try
        {
            Stream.Dispose();
        }
        finally
        {
            if (_partial is not null)
            {
                File.Delete(_partial);
            }
        }
    }

    private static string Followed(string path)
    {
        const int MaxLinks = 40;
        for (int links = 0; links < MaxLinks; links++)
        {
            if (new FileInfo(path).LinkTarget is not { } next)
            {
                return path;
            }
            path = Path.GetFullPath(next, Path.GetDirectoryName(Path.GetFullPath(path))!);
        }
        throw new IOException($"'{path}' is a link that goes in circles.");
    }

    // "/dev/stdout" may be a regular file that a shell holds open: it must get the bytes itself.
    private static bool IsOwnDescriptor(string path) =>
        File.Exists(path) && (path.StartsWith("/dev/", StringComparison.Ordinal) || path.StartsWith("/proc/self/fd/", StringComparison.Ordinal));
}
