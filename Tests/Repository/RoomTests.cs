namespace Llama4Kernels.Tests.Repository;

/// <summary>
/// A kernel is a room: everything about an operation has the operation's name. An implementation Kernels/Room/Op.Cpu.cs
/// comes with its contract, a README of the room that names it, an oracle, tests and a benchmark.
/// </summary>
public class RoomTests
{
    private const string Suffix = ".Cpu.cs";

    [Fact]
    public void EveryKernelHasItsContractOracleTestsBenchmarkAndReadme()
    {
        string[] missing = [.. Missing(GoldenFiles.Repository)];
        Assert.True(missing.Length == 0, "Missing: " + string.Join(", ", missing));
    }

    [Fact]
    public void EveryRoomStandsInTheArchitecture()
    {
        string architecture = RepositoryFiles.Read("docs/architecture.md");
        Assert.All(
            RepositoryFiles.All.Where(IsImplementation).Select(path => path.Split('/')[1]).Distinct(),
            room => Assert.Contains($"| `{room}` |", architecture));
    }

    /// <summary>The rule on a made-up tree, so that it cannot pass because it finds nothing.</summary>
    [Fact]
    public void TheRuleSeesWhatIsMissing()
    {
        string root = Directory.CreateTempSubdirectory("rooms").FullName;
        try
        {
            Write(root, "Kernels/Halls/Echo.Cpu.cs");
            Assert.Equal(
                [
                    "Kernels/Halls/Echo.cs", "Tests/Oracles/EchoOracle.cs", "Tests/Kernels/Halls/EchoTests.cs",
                    "Benchmarks/Halls/EchoBenchmarks.cs", "Echo in Kernels/Halls/README.md",
                ],
                Missing(root));

            Write(root, "Kernels/Halls/Echo.cs");
            Write(root, "Tests/Oracles/EchoOracle.cs");
            Write(root, "Tests/Kernels/Halls/EchoTests.cs");
            Write(root, "Benchmarks/Halls/EchoBenchmarks.cs");
            Write(root, "Kernels/Halls/README.md");
            Assert.Equal(["Echo in Kernels/Halls/README.md"], Missing(root));

            File.WriteAllText(Path.Combine(root, "Kernels/Halls/README.md"), "`Echo` answers.");
            Assert.Empty(Missing(root));
        }
        finally
        {
            Directory.Delete(root, recursive: true);
        }
    }

    private static IEnumerable<string> Missing(string root)
    {
        HashSet<string> files = [.. RepositoryFiles.List(root)];
        foreach (string path in files.Where(IsImplementation).Order(StringComparer.Ordinal))
        {
            string[] parts = path.Split('/');
            string room = parts[1];
            string op = parts[2][..^Suffix.Length];
            string[] companions =
            [
                $"Kernels/{room}/{op}.cs",
                $"Tests/Oracles/{op}Oracle.cs",
                $"Tests/Kernels/{room}/{op}Tests.cs",
                $"Benchmarks/{room}/{op}Benchmarks.cs",
            ];
            foreach (string companion in companions.Where(companion => !files.Contains(companion)))
            {
                yield return companion;
            }
            string readme = $"Kernels/{room}/README.md";
            if (!files.Contains(readme) || !File.ReadAllText(Path.Combine(root, readme)).Contains(op, StringComparison.Ordinal))
            {
                yield return $"{op} in {readme}";
            }
        }
    }

    private static bool IsImplementation(string path) =>
        path.StartsWith("Kernels/", StringComparison.Ordinal)
        && path.EndsWith(Suffix, StringComparison.Ordinal)
        && path.Count(c => c == '/') == 2;

    private static void Write(string root, string path)
    {
        string full = Path.Combine(root, path);
        Directory.CreateDirectory(Path.GetDirectoryName(full)!);
        File.WriteAllText(full, "");
    }
}
