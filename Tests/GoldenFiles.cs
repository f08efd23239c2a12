namespace Llama4Kernels.Tests;

/// <summary>Finds reference data from wherever the test runs.</summary>
internal static class GoldenFiles
{
    /// <summary>The repository's root: the folder that holds the solution.</summary>
    public static string Repository { get; } = FindRepository();

    /// <summary>A path below Tests/Golden.</summary>
    public static string Path(params string[] parts) =>
        System.IO.Path.Combine([Repository, "Tests", "Golden", .. parts]);

    /// <summary>The sample model's folder.</summary>
    public static string SampleModel => System.IO.Path.Combine(Repository, "tools", "sample-model");

    private static string FindRepository()
    {
        string? folder = AppContext.BaseDirectory;
        while (folder is not null && !File.Exists(System.IO.Path.Combine(folder, "Llama4Kernels.sln")))
        {
            folder = System.IO.Path.GetDirectoryName(folder);
        }
        return folder ?? throw new DirectoryNotFoundException("No Llama4Kernels.sln above the test folder.");
    }
}
