using System.Security.Cryptography;
using Llama4Kernels.Interop.Files;

namespace Llama4Kernels.Engine.Checkpoints.Conversion;

/// <summary>The SHA-256 of each file of a folder, in the form that <c>sha256sum -c</c> reads.</summary>
internal static class Manifest
{
    /// <summary>Its name.</summary>
    public const string FileName = "SHA256SUMS";

    private const int HashDigits = 64;

    /// <summary>Checks all files of a folder against its manifest.</summary>
    /// <param name="folder">The folder.</param>
    /// <param name="progress">Told after each file.</param>
    /// <param name="cancellation">Stops.</param>
    /// <returns>How many files there are; null if the folder has no manifest.</returns>
    /// <exception cref="ModelFormatException">A file is missing or has other bytes, or the manifest is malformed.</exception>
    public static int? Verify(string folder, IProgress<LoadProgress>? progress = null, CancellationToken cancellation = default)
    {
        string path = Path.Combine(folder, FileName);
        if (!File.Exists(path))
        {
            return null;
        }
        (string Hash, string Name)[] files = [.. File.ReadLines(path).Select((line, i) => Parse(path, line, i + 1))];
        foreach ((_, string name) in files)
        {
            if (!File.Exists(Path.Combine(folder, name)))
            {
                throw new ModelFormatException(Path.Combine(folder, name), null, $"is missing, but {FileName} lists it.");
            }
        }
        long total = files.Sum(file => new FileInfo(Path.Combine(folder, file.Name)).Length), done = 0;
        foreach ((string hash, string name) in files)
        {
            cancellation.ThrowIfCancellationRequested();
            string file = Path.Combine(folder, name);
            if (HashOf(file) is string actual && actual != hash)
            {
                throw new ModelFormatException(file, null, $"has the SHA-256 {actual}, but {FileName} says {hash}: it was changed or damaged.");
            }
            done += new FileInfo(file).Length;
            progress?.Report(new LoadProgress(done, total, name));
        }
        return files.Length;
    }

    /// <summary>Writes the manifest of all files of a folder.</summary>
    /// <param name="folder">The folder.</param>
    /// <param name="known">Checksums that are known already.</param>
    /// <param name="except">A file that does not belong to it.</param>
    internal static void Write(string folder, IReadOnlyDictionary<string, string> known, string except)
    {
        string[] names = [.. Directory.EnumerateFiles(folder).Select(file => Path.GetFileName(file))
            .Where(name => !name.StartsWith(FileName, StringComparison.Ordinal) && !name.StartsWith(except, StringComparison.Ordinal)).Order(StringComparer.Ordinal)];
        OutputFile.Write(Path.Combine(folder, FileName), writer =>
        {
            foreach (string name in names)
            {
                writer.Write($"{(known.TryGetValue(name, out string? hash) ? hash : HashOf(Path.Combine(folder, name)))}  {name}\n");
            }
        });
    }

    private static string HashOf(string path)
    {
        using FileStream file = File.OpenRead(path);
        return Convert.ToHexStringLower(SHA256.HashData(file));
    }

    private static (string Hash, string Name) Parse(string path, string line, int number)
    {
        string name = line.Length > HashDigits + 2 ? line[(HashDigits + 2)..] : "";
        bool isFine = name.Length > 0 && line[HashDigits] == ' ' && line[HashDigits + 1] is ' ' or '*' && line.AsSpan(0, HashDigits).IndexOfAnyExcept("0123456789abcdef") < 0
            && name is not ("." or "..") && name.AsSpan().IndexOfAny("/\\:\0") < 0;
        return isFine ? (line[..HashDigits], name) : throw new ModelFormatException(path, $"line {number}", "must be a SHA-256, two spaces and a plain file name.");
    }
}
