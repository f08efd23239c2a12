using System.Xml.Linq;

namespace Llama4Kernels.Tests.Repository;

/// <summary>What becomes a package. That the packages can be installed and used is what <c>.ci/packages</c> shows.</summary>
public sealed class PackageTests
{
    private static readonly string[] s_packages =
    [
        "Engine/Hosting/Llama4Kernels.Hosting.csproj", "Engine/Llama4Kernels.Engine.csproj", "Interop/Llama4Kernels.Interop.csproj",
        "Kernels/Ilgpu/Llama4Kernels.Kernels.Ilgpu.csproj", "Kernels/Llama4Kernels.Kernels.csproj", "tools/llama4/llama4.csproj",
    ];

    private static IEnumerable<string> Projects => RepositoryFiles.All.Where(path => path.EndsWith(".csproj", StringComparison.Ordinal));

    [Fact]
    public void ThePackagesAreTheLibrariesAndTheTool() => Assert.Equal(s_packages, Projects.Where(project => Value(project, "IsPackable") == "true"));

    [Fact]
    public void EachSaysWhatItIs() => Assert.All(s_packages, project => Assert.True(Value(project, "Description")?.Length > 40, project));

    /// <summary>A reference becomes a dependency on a package; a tool carries what it needs.</summary>
    [Fact]
    public void LibrariesStandOnPackagesOnly()
    {
        foreach (string project in s_packages.Where(project => Value(project, "PackAsTool") != "true"))
        {
            string folder = Path.GetDirectoryName(Path.Combine(GoldenFiles.Repository, project))!;
            Assert.All(
                Read(project).Descendants("ProjectReference").Select(reference => Path.GetRelativePath(GoldenFiles.Repository, Path.GetFullPath(Path.Combine(folder, reference.Attribute("Include")!.Value))).Replace('\\', '/')),
                reference => Assert.Contains(reference, s_packages));
        }
    }

    [Fact]
    public void EveryPackageStandsInTheirReadmeAndInTheCheck()
    {
        string readme = RepositoryFiles.Read("docs/packages.md"), check = RepositoryFiles.Read(".ci/packages");
        Assert.All(s_packages, project =>
        {
            Assert.Contains($"| `{Value(project, "PackageId") ?? Path.GetFileNameWithoutExtension(project)}` |", readme, StringComparison.Ordinal);
            Assert.Matches($@"(?m)^for project in .*\b{Path.GetDirectoryName(project)!.Replace('\\', '/')}[ ;].*do$", check);
        });
    }

    private static XDocument Read(string project) => XDocument.Parse(RepositoryFiles.Read(project));

    private static string? Value(string project, string property) => Read(project).Descendants(property).SingleOrDefault()?.Value;
}
