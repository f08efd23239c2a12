using System.Text.RegularExpressions;
using System.Xml.Linq;

namespace Llama4Kernels.Tests.Repository;

/// <summary>The layers Interop ← Kernels ← Engine ← tools and the samples in docs; tests and benchmarks see all of them, nothing sees those two.</summary>
public partial class ArchitectureTests
{
    private const int MaxLines = 500;

    private static readonly string[] s_layers = ["Interop", "Kernels", "Engine", "tools", "docs"];
    private static readonly string[] s_outside = ["Tests", "Benchmarks"];

    /// <summary>Order within Kernels: a folder uses those before it. What is not named is a room, and rooms may use each other.</summary>
    private static readonly string[][] s_kernelLayers = [["Numerics", "Threading", "Assembly"], ["Contracts"], ["Ptx"], [Rooms], ["Backends"], ["Ilgpu"]];

    /// <summary>Order within Engine: reading files, then what is said, the cache, the forward pass, its steps, text, requests, analysis.</summary>
    private static readonly string[][] s_engineLayers =
        [["Config", "Checkpoints", "Images", "Tokenization"], ["Constraints", "Chat"], ["KvCache"], ["Model"], ["Scheduling"], ["Sampling", "Generation"], ["Serving"], ["Diagnostics"], ["Hosting"]];

    private const string Rooms = "a room";

    private static IEnumerable<string> Projects =>
        RepositoryFiles.All.Where(path => path.EndsWith(".csproj", StringComparison.Ordinal));

    /// <summary>Hand-written source of the libraries, which others build on.</summary>
    private static IEnumerable<string> LibrarySources =>
        RepositoryFiles.All.Where(path => path.EndsWith(".cs", StringComparison.Ordinal) && s_layers[..3].Contains(TopFolder(path)));

    [Fact]
    public void EveryProjectHasALayer()
    {
        Assert.Equal([.. s_layers, .. s_outside], Projects.Select(TopFolder).Distinct().OrderBy(name => Array.IndexOf([.. s_layers, .. s_outside], name)));
        string solution = RepositoryFiles.Read("Llama4Kernels.sln").Replace('\\', '/');
        Assert.All(Projects, project => Assert.Contains($"\"{project}\"", solution));
    }

    [Fact]
    public void ReferencesPointDownwardsOnly()
    {
        int references = 0;
        foreach (string project in Projects)
        {
            foreach (string target in Items(project, "ProjectReference").Select(include => Resolve(project, include)))
            {
                references++;
                Assert.True(IsAllowed(TopFolder(project), TopFolder(target)), $"{project} must not reference {target}.");
            }
        }
        Assert.True(references >= 3, "The projects' references were not found.");
    }

    /// <summary>Only programs and tests bring ILGPU along: the libraries a host compiles ahead of time never see it.</summary>
    [Fact]
    public void OnlyProgramsAndTestsReferenceTheIlgpuKernels()
    {
        const string Ilgpu = "Kernels/Ilgpu/Llama4Kernels.Kernels.Ilgpu.csproj";
        Assert.Contains(Ilgpu, Projects);
        string[] users = [.. Projects.Where(project => Items(project, "ProjectReference").Select(include => Resolve(project, include)).Contains(Ilgpu))];
        Assert.Contains("Tests/Llama4Kernels.Tests.csproj", users);
        Assert.All(users, user => Assert.Contains(TopFolder(user), new[] { "tools", "Tests", "Benchmarks" }));
        Assert.All(
            Projects.Where(project => Items(project, "PackageReference").Any(package => package.StartsWith("ILGPU", StringComparison.Ordinal))),
            project => Assert.Equal(Ilgpu, project));
    }

    /// <summary>A host that is no Microsoft.Extensions host takes the engine without them.</summary>
    [Fact]
    public void OnlyHostingKnowsTheHostsLibraries()
    {
        const string Libraries = "Microsoft.Extensions.", Hosting = "Engine/Hosting/";
        static bool Knows(string path) => RepositoryFiles.Read(path).Contains(Libraries, StringComparison.Ordinal);
        string[] knowing = [.. LibrarySources.Concat(Projects.Where(project => s_layers[..3].Contains(TopFolder(project)))).Where(Knows)];
        Assert.Contains(Hosting + "Llama4ChatClient.cs", knowing);
        Assert.Contains(Hosting + "Llama4Kernels.Hosting.csproj", knowing);
        Assert.All(knowing, path => Assert.StartsWith(Hosting, path, StringComparison.Ordinal));
        Assert.All(
            Projects.Where(project => s_layers[..3].Contains(TopFolder(project))),
            project => Assert.DoesNotContain(Hosting + "Llama4Kernels.Hosting.csproj", Items(project, "ProjectReference").Select(include => Resolve(project, include))));
    }

    [Theory]
    [InlineData("Kernels", "Interop", true)]
    [InlineData("tools", "Interop", true)]
    [InlineData("Tests", "tools", true)]
    [InlineData("Kernels", "Kernels", true)]
    [InlineData("Interop", "Kernels", false)]
    [InlineData("Kernels", "Engine", false)]
    [InlineData("Engine", "tools", false)]
    [InlineData("docs", "Engine", true)]
    [InlineData("tools", "docs", false)]
    [InlineData("tools", "Tests", false)]
    [InlineData("Benchmarks", "Tests", false)]
    [InlineData("Tests", "Benchmarks", false)]
    public void TheRuleItself(string from, string to, bool allowed) => Assert.Equal(allowed, IsAllowed(from, to));

    [Fact]
    public void NamespacesOfKernelsPointDownwardsOnly()
    {
        string[] wrong = [.. KernelSources.SelectMany(path => UpwardUses(KernelFolder(path), RepositoryFiles.Read(path)).Select(use => $"{path}: {use}"))];
        Assert.True(wrong.Length == 0, string.Join("\n", wrong));
        Assert.Contains(KernelSources, path => KernelFolder(path) == "Contracts");
    }

    [Fact]
    public void NamespacesOfKernelsAreTheirFolders() =>
        Assert.All(KernelSources, path =>
            Assert.Contains("namespace Llama4Kernels." + Path.GetDirectoryName(path)!.Replace('/', '.') + ";", RepositoryFiles.Read(path)));

    [Fact]
    public void NamespacesOfEnginePointDownwardsOnly()
    {
        string[] wrong = [.. EngineSources.SelectMany(path => EngineUpwardUses(Folder(path), RepositoryFiles.Read(path)).Select(use => $"{path}: {use}"))];
        Assert.True(wrong.Length == 0, string.Join("\n", wrong));
        Assert.Equal(s_engineLayers.SelectMany(names => names).Order(), EngineSources.Select(Folder).Distinct().Order());
    }

    [Theory]
    [InlineData("KvCache", "using Llama4Kernels.Engine.Model;", true)]
    [InlineData("Model", "using Llama4Kernels.Engine.Scheduling;", true)]
    [InlineData("Scheduling", "new Engine.Generation.Prompt()", true)]
    [InlineData("Generation", "using Llama4Kernels.Engine.Diagnostics;", true)]
    [InlineData("Scheduling", "using Llama4Kernels.Engine.KvCache;", false)]
    [InlineData("Diagnostics", "using Llama4Kernels.Engine.Generation;", false)]
    [InlineData("Chat", "using Llama4Kernels.Kernels.Rope;", false)]
    public void TheRuleOfEngineItself(string folder, string code, bool isWrong) => Assert.Equal(isWrong, EngineUpwardUses(folder, code).Any());

    [Theory]
    [InlineData("Attention", "using Llama4Kernels.Kernels.Backends;", true)]
    [InlineData("Attention", "using Llama4Kernels.Kernels.Backends.Cuda;", true)]
    [InlineData("Contracts", "using Llama4Kernels.Kernels.MatMul;", true)]
    [InlineData("Contracts", "var a = new MatMul.PackedMatrix();", true)]
    [InlineData("Numerics", "Llama4Kernels.Kernels.Contracts.Tensor x;", true)]
    [InlineData("Numerics", "using static Llama4Kernels.Kernels.Contracts.ShapeCheck;", true)]
    [InlineData("Attention", "using Llama4Kernels.Kernels.MatMul;", false)]
    [InlineData("Backends", "using Llama4Kernels.Kernels.MatMul;", false)]
    [InlineData("Attention", "using Llama4Kernels.Kernels.Contracts.Cuda;", false)]
    [InlineData("Contracts", "// as MatMul.Run has it", false)]
    [InlineData("Contracts", "options.MatMul.Run();", false)]
    public void TheRuleOfNamespacesItself(string folder, string code, bool isWrong) => Assert.Equal(isWrong, UpwardUses(folder, code).Any());

    [Fact]
    public void InternalsAreVisibleToTheCommandLineTestsAndBenchmarksOnly() =>
        Assert.All(
            Projects.SelectMany(project => Items(project, "InternalsVisibleTo")),
            name => Assert.Contains(name, new[] { "llama4", "Llama4Kernels.Tests", "Llama4Kernels.Benchmarks" }));

    [Fact]
    public void EveryPackageInUseIsNamedAmongTheThirdParties()
    {
        string thirdParty = RepositoryFiles.Read("THIRD-PARTY.md");
        string[] packages = [.. Projects.SelectMany(project => Items(project, "PackageReference")).Distinct()];
        Assert.Contains("xunit.v3", packages);
        Assert.All(packages, package => Assert.Contains($"| {package} |", thirdParty));
    }

    [Fact]
    public void ALibraryFileHoldsOnePublicClass()
    {
        Assert.NotEmpty(LibrarySources);
        foreach (string path in LibrarySources)
        {
            // Small records, enums and interfaces may stand beside what they belong to; parts of a class repeat its name.
            string[] types = [.. PublicClass().Matches(RepositoryFiles.Read(path)).Select(match => match.Groups["name"].Value).Distinct()];
            Assert.True(types.Length <= 1, $"{path} holds {string.Join(", ", types)}.");
        }
    }

    [Fact]
    public void FilesStayReadable()
    {
        foreach (string path in RepositoryFiles.All.Where(path => path.EndsWith(".cs", StringComparison.Ordinal)))
        {
            int lines = File.ReadLines(Path.Combine(GoldenFiles.Repository, path)).Count();
            Assert.True(lines <= MaxLines, $"{path} has {lines} lines: is there a room missing?");
        }
    }

    private static bool IsAllowed(string from, string to) =>
        s_outside.Contains(from) ? s_layers.Contains(to) : s_layers.Contains(to) && Array.IndexOf(s_layers, to) <= Array.IndexOf(s_layers, from);

    private static IEnumerable<string> KernelSources =>
        RepositoryFiles.All.Where(path => path.StartsWith("Kernels/", StringComparison.Ordinal) && path.EndsWith(".cs", StringComparison.Ordinal));

    /// <summary>Sources in a room: what errors all of Engine has stands above them.</summary>
    private static IEnumerable<string> EngineSources =>
        RepositoryFiles.All.Where(path => path.StartsWith("Engine/", StringComparison.Ordinal) && path.EndsWith(".cs", StringComparison.Ordinal) && path.Count(c => c == '/') > 1);

    private static IEnumerable<string> EngineUpwardUses(string folder, string code)
    {
        int LayerOf(string name) => Array.FindIndex(s_engineLayers, names => names.Contains(name));
        return EngineUse().Matches(Comment().Replace(code, "")).Select(use => use.Groups["name"].Value).Where(used => LayerOf(used) > LayerOf(folder));
    }

    private static string KernelFolder(string path) => Folder(path);

    private static string Folder(string path) => path.Split('/')[1];

    private static int KernelLayer(string folder)
    {
        int layer = Array.FindIndex(s_kernelLayers, names => names.Contains(folder));
        return layer >= 0 ? layer : Array.FindIndex(s_kernelLayers, names => names.Contains(Rooms));
    }

    /// <summary>Namespaces of higher layers of Kernels that code names, in a using or before a type.</summary>
    private static IEnumerable<string> UpwardUses(string folder, string code)
    {
        string[] folders = [.. KernelSources.Select(KernelFolder).Append("MatMul").Append("Contracts").Append("Backends").Distinct()];
        foreach (Match use in NamespaceUse().Matches(Comment().Replace(code, "")))
        {
            string used = use.Groups["name"].Value;
            if (folders.Contains(used) && KernelLayer(used) > KernelLayer(folder))
            {
                yield return used;
            }
        }
    }

    private static string TopFolder(string path) => path[..path.IndexOf('/')];

    private static IEnumerable<string> Items(string project, string name) =>
        XDocument.Parse(RepositoryFiles.Read(project)).Descendants(name).Select(item => item.Attribute("Include")!.Value);

    private static string Resolve(string project, string include)
    {
        string root = GoldenFiles.Repository;
        string folder = Path.GetDirectoryName(Path.Combine(root, project))!;
        return Path.GetRelativePath(root, Path.Combine(folder, include.Replace('\\', '/'))).Replace('\\', '/');
    }

    [GeneratedRegex(@"//.*$", RegexOptions.Multiline)]
    private static partial Regex Comment();

    // Kernels.Name anywhere, and Name before a type: in a nested namespace the parents need not be written.
    [GeneratedRegex(@"\bKernels\.(?<name>[A-Z]\w*)(?=[.;])|(?<![\w.])(?<name>[A-Z]\w*)(?=\.[A-Z])")]
    private static partial Regex NamespaceUse();

    [GeneratedRegex(@"\bEngine\.(?<name>[A-Z]\w*)(?=[.;])")]
    private static partial Regex EngineUse();

    [GeneratedRegex(@"^public (?:(?:sealed|static|abstract|unsafe|partial) )*class (?<name>\w+)", RegexOptions.Multiline)]
    private static partial Regex PublicClass();
}
