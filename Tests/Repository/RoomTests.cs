using System.Text.RegularExpressions;

namespace Llama4Kernels.Tests.Repository;

/// <summary>
/// A kernel is a room: an implementation Kernels/Room/Op.Cpu.cs comes with its contract, with tests in Tests/Kernels/Room that
/// name it and compare with an oracle, reference data or expected values, with a benchmark in Benchmarks/Room that names it, and with
/// the room's README.md that names it.
/// </summary>
public class RoomTests
{
    private const string Suffix = ".Cpu.cs";

    /// <summary>Folders of Kernels that hold no operations. Every other one is a room.</summary>
    private static readonly HashSet<string> s_foundations = ["Assembly", "Backends", "Contracts", "Ilgpu", "Machine", "Numerics", "Ptx", "Threading"];

    [Fact]
    public void EveryKernelHasItsContractTestsBenchmarkAndReadme()
    {
        string[] missing = [.. Missing(GoldenFiles.Repository)];
        Assert.True(missing.Length == 0, "Missing: " + string.Join(", ", missing));
    }

    [Fact]
    public void EveryRoomHasAReadmeAndABenchmark() =>
        Assert.All(
            RepositoryFiles.All.Select(path => path.Split('/')).Where(parts => parts is ["Kernels", _, ..] && parts.Length > 2)
                .Select(parts => parts[1]).Where(room => !s_foundations.Contains(room)).Distinct(),
            room =>
            {
                Assert.Contains($"Kernels/{room}/README.md", RepositoryFiles.All);
                Assert.Contains(RepositoryFiles.All, path =>
                    path.StartsWith($"Benchmarks/{room}/", StringComparison.Ordinal)
                    && path.EndsWith("Benchmarks.cs", StringComparison.Ordinal)
                    && RepositoryFiles.Read(path).Contains("[Benchmark]", StringComparison.Ordinal));
            });

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
            const string Contract = "Kernels/Halls/Echo.cs";
            const string Tested = "tests of Echo in Tests/Kernels/Halls";
            const string Measured = "a benchmark of Echo in Benchmarks/Halls";
            const string Described = "Echo in Kernels/Halls/README.md";

            Write(root, "Kernels/Halls/Echo.Cpu.cs", "");
            Assert.Equal([Contract, Tested, Measured, Described], Missing(root));

            Write(root, Contract, "");
            Write(root, "Tests/Kernels/Halls/EchoTests.cs", "Echoes.Run(); HallOracle.Run();");
            Assert.Equal([Tested, Measured, Described], Missing(root));
            Write(root, "Tests/Kernels/Halls/EchoTests.cs", "Echo.Run();");
            Assert.Equal([Tested, Measured, Described], Missing(root));
            Write(root, "Tests/Kernels/Halls/EchoTests.cs", "Assert.Equal(HallOracle.Run(), Echo.Run());");
            Assert.Equal([Measured, Described], Missing(root));

            Write(root, "Benchmarks/Halls/HallBenchmarks.cs", "Echo.Run();");
            Assert.Equal([Described], Missing(root));
            Write(root, "Kernels/Halls/README.md", "`Echo` answers.");
            Assert.Empty(Missing(root));
        }
        finally
        {
            Directory.Delete(root, recursive: true);
        }
    }

    private static IEnumerable<string> Missing(string root)
    {
        IReadOnlyList<string> files = RepositoryFiles.List(root);
        foreach (string path in files.Where(IsImplementation))
        {
            string[] parts = path.Split('/');
            string room = parts[1];
            string op = parts[2][..^Suffix.Length];
            var name = new Regex($@"\b{Regex.Escape(op)}\b");
            bool IsNamedIn(string folder, string end, string also = "") => files.Any(file =>
                file.StartsWith(folder, StringComparison.Ordinal)
                && file.EndsWith(end, StringComparison.Ordinal)
                && File.ReadAllText(Path.Combine(root, file)) is var text
                && name.IsMatch(text)
                && Regex.IsMatch(text, also));

            if (!files.Contains($"Kernels/{room}/{op}.cs"))
            {
                yield return $"Kernels/{room}/{op}.cs";
            }
            if (!IsNamedIn($"Tests/Kernels/{room}/", "Tests.cs", also: @"\w+Oracle\b|\bGoldenFiles\b|\bexpected\b"))
            {
                yield return $"tests of {op} in Tests/Kernels/{room}";
            }
            if (!IsNamedIn($"Benchmarks/{room}/", "Benchmarks.cs"))
            {
                yield return $"a benchmark of {op} in Benchmarks/{room}";
            }
            if (!IsNamedIn($"Kernels/{room}/", "README.md"))
            {
                yield return $"{op} in Kernels/{room}/README.md";
            }
        }
    }

    private static bool IsImplementation(string path) =>
        path.StartsWith("Kernels/", StringComparison.Ordinal)
        && path.EndsWith(Suffix, StringComparison.Ordinal)
        && path.Count(c => c == '/') == 2;

    private static void Write(string root, string path, string text)
    {
        string full = Path.Combine(root, path);
        Directory.CreateDirectory(Path.GetDirectoryName(full)!);
        File.WriteAllText(full, text);
    }
}
