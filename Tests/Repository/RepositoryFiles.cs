namespace Llama4Kernels.Tests.Repository;

/// <summary>The repository's own files: everything below its root but what builds and tools leave there.</summary>
internal static class RepositoryFiles
{
    private static readonly HashSet<string> s_notOurs =
        ["bin", "obj", "node_modules", ".git", ".vs", ".idea", "TestResults", "BenchmarkDotNet.Artifacts"];

    /// <summary>Paths relative to <paramref name="root"/> with forward slashes, in ordinal order.</summary>
    public static IReadOnlyList<string> List(string root)
    {
        List<string> files = [];
        Collect(new DirectoryInfo(root), "");
        files.Sort(StringComparer.Ordinal);
        return files;

        void Collect(DirectoryInfo folder, string prefix)
        {
            // A worktree's .git is a file.
            files.AddRange(folder.EnumerateFiles().Where(file => !s_notOurs.Contains(file.Name)).Select(file => prefix + file.Name));
            foreach (DirectoryInfo child in folder.EnumerateDirectories().Where(child => !s_notOurs.Contains(child.Name)))
            {
                Collect(child, $"{prefix}{child.Name}/");
            }
        }
    }

    /// <summary>The files of this repository.</summary>
    public static IReadOnlyList<string> All { get; } = List(GoldenFiles.Repository);

    /// <summary>The text of a file of this repository.</summary>
    public static string Read(string path) => File.ReadAllText(Path.Combine(GoldenFiles.Repository, path));

    /// <summary>Written by people for this project, unlike reference data and the sample model.</summary>
    public static bool IsHandwritten(string path) =>
        !path.StartsWith("Tests/Golden/", StringComparison.Ordinal)
        && !path.StartsWith("tools/sample-model/", StringComparison.Ordinal);
}
