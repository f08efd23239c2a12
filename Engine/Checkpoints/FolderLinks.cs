namespace Llama4Kernels.Engine.Checkpoints;

/// <summary>
/// Which links a model's folder may hold. A file's link may stay in the folder. The one exception is the layout of the
/// Hugging Face cache, where models--x/snapshots/REVISION/file links to models--x/blobs/HASH: wherever the cache lies, and
/// however the folder or its files lead to the snapshot.
/// </summary>
internal static class FolderLinks
{
    // The kernel's own limit; a chain this long goes in circles.
    private const int MaxLinks = 40;

    /// <summary>Refuses a file that leads out of the folder.</summary>
    /// <exception cref="ModelFormatException">It does, or the link cannot be followed.</exception>
    public static void Check(string folder, string name)
    {
        string path = Path.Combine(folder, name);
        if (new FileInfo(path).LinkTarget is null)
        {
            return;
        }
        string root, file;
        List<string> passed = [];
        try
        {
            root = RealPath(Path.GetFullPath(folder));
            file = Follow(Path.Combine(root, name), passed);
        }
        catch (IOException e)
        {
            throw new ModelFormatException(path, null, $"the link cannot be followed: {e.Message}", e);
        }
        string? home = Path.GetDirectoryName(file);
        if (home != root && !passed.Exists(snapshot => IsBlobsOf(snapshot, home)))
        {
            throw new ModelFormatException(path, null, $"is a link out of the model's folder, to '{file}'.");
        }
    }

    private static bool IsBlobsOf(string? folder, string? blobs)
    {
        string? snapshots = Path.GetDirectoryName(folder);
        return Path.GetFileName(snapshots) == "snapshots" && RealPath(Path.Combine(Path.GetDirectoryName(snapshots)!, "blobs")) == blobs;
    }

    /// <summary>The file behind a chain of links; <paramref name="passed"/> receives the real folders that the links lie in.</summary>
    private static string Follow(string path, List<string> passed)
    {
        for (int links = 0; links < MaxLinks; links++)
        {
            string home = RealPath(Path.GetDirectoryName(path)!);
            path = Path.Combine(home, Path.GetFileName(path));
            if (new FileInfo(path).LinkTarget is not { } target)
            {
                return path;
            }
            passed.Add(home);
            path = Path.GetFullPath(target, home);
        }
        throw new IOException($"'{path}' goes in circles.");
    }

    /// <summary>The path with the links among its folders followed.</summary>
    private static string RealPath(string path)
    {
        string root = Path.GetPathRoot(path)!;
        string real = root;
        Stack<string> rest = new(path[root.Length..].Split(Path.DirectorySeparatorChar, StringSplitOptions.RemoveEmptyEntries).Reverse());
        for (int links = 0; rest.TryPop(out string? part);)
        {
            string next = part == ".." ? Path.GetDirectoryName(real) ?? root : Path.Combine(real, part);
            if (part == ".." || new DirectoryInfo(next).LinkTarget is not { } target)
            {
                real = next;
                continue;
            }
            if (++links > MaxLinks)
            {
                throw new IOException($"'{path}' goes in circles.");
            }
            string start = Path.IsPathRooted(target) ? Path.GetPathRoot(target)! : real;
            foreach (string step in target[(Path.IsPathRooted(target) ? start.Length : 0)..].Split(Path.DirectorySeparatorChar, StringSplitOptions.RemoveEmptyEntries).Reverse())
            {
                if (step != ".")
                {
                    rest.Push(step);
                }
            }
            real = start;
        }
        return real;
    }
}
