using System.CommandLine;
using System.Globalization;
using System.Text.Json;
using System.Text.RegularExpressions;
using Llama4Kernels.Cli;
using Llama4Kernels.Cli.Shared;

namespace Llama4Kernels.Tests.Repository;

/// <summary>What starts the server elsewhere, which no test can: it names commands, files and times that are there and fit.</summary>
public sealed partial class DeploymentTests
{
    private const string Cluster = "docs/deploy/kubernetes.yaml", Unit = "docs/deploy/llama4.service", Workflow = ".github/workflows/ci.yml";

    private static string Dockerfile => RepositoryFiles.Read("Dockerfile");

    private static string[] EntryPoint => Texts(EntryPointLine().Match(Dockerfile));

    public static TheoryData<string, string[]> Commands
    {
        get
        {
            TheoryData<string, string[]> commands = [];
            commands.Add("Dockerfile", EntryPoint);
            commands.Add("the image's health check", Texts(HealthCheckLine().Match(Dockerfile)));
            commands.Add("the cluster's container", [.. EntryPoint, .. Texts(ArgumentsLine().Match(RepositoryFiles.Read(Cluster)))]);
            commands.Add("the cluster's probe", Texts(ProbeLine().Match(RepositoryFiles.Read(Cluster))));
            commands.Add("the unit", ["dotnet", "/app/llama4.dll", .. StartLine().Match(RepositoryFiles.Read(Unit)).Groups["list"].Value.Split(' ', StringSplitOptions.RemoveEmptyEntries)]);
            return commands;
        }
    }

    [Theory]
    [MemberData(nameof(Commands))]
    public void EveryCommandIsOneOfTheProgram(string where, string[] command)
    {
        Assert.Equal(["dotnet", "/app/llama4.dll"], command[..2]);
        ParseResult parsed = CommandLine.Build(new CommandConsole(TextReader.Null, TextWriter.Null, TextWriter.Null, new Interrupts())).Parse(command[2..]);
        Assert.True(parsed.Errors.Count == 0, $"{where}: {string.Join(' ', parsed.Errors)}");
        Assert.Contains(parsed.CommandResult.Command.Name, (string[])["serve", "health"]);
    }

    /// <summary>What is built in the image lies in what is copied into it: the program's projects and what they import.</summary>
    [Fact]
    public void TheImageHasWhatTheProgramIsBuiltOf()
    {
        string[] copied = [.. RepositoryFiles.Read(".dockerignore").Split('\n').Where(line => line.StartsWith('!')).Select(line => line[1..])];
        HashSet<string> projects = [];
        Collect("tools/llama4/llama4.csproj");
        Assert.True(projects.Count >= 6);
        string[] shared = [.. RepositoryFiles.All.Where(path => path.StartsWith("Directory.", StringComparison.Ordinal) || path == "global.json")];
        Assert.True(shared.Length >= 4);
        Assert.All(projects.Concat(shared), file => Assert.Contains(copied, name => file == name || file.StartsWith(name + "/", StringComparison.Ordinal)));
        Assert.All(copied, name => Assert.True(Path.Exists(Path.Combine(GoldenFiles.Repository, name)), name));

        void Collect(string project)
        {
            if (projects.Add(project))
            {
                foreach (Match match in Reference().Matches(RepositoryFiles.Read(project)))
                {
                    Collect(Path.GetRelativePath(GoldenFiles.Repository, Path.GetFullPath(Path.Combine(GoldenFiles.Repository, Path.GetDirectoryName(project)!, match.Groups["path"].Value))).Replace('\\', '/'));
                }
            }
        }
    }

    [Fact]
    public void TheImageIsSmallAndNobodysRoot()
    {
        string last = Dockerfile[Dockerfile.LastIndexOf("\nFROM ", StringComparison.Ordinal)..];
        Assert.Matches(@"\A\nFROM \S+/aspnet:\S+-chiseled\n", last);
        Assert.Contains("\nUSER $APP_UID\n", last, StringComparison.Ordinal);
        Assert.Contains("runAsNonRoot: true", RepositoryFiles.Read(Cluster), StringComparison.Ordinal);
        Assert.Contains("DynamicUser=yes", RepositoryFiles.Read(Unit), StringComparison.Ordinal);
    }

    /// <summary>Whoever stops the server waits longer than its requests may go on.</summary>
    [Theory]
    [InlineData(Cluster, @"terminationGracePeriodSeconds: (\d+)", @"""--drain-seconds"", ""(\d+)""")]
    [InlineData(Unit, @"TimeoutStopSec=(\d+)", @"--drain-seconds (\d+)")]
    public void RequestsEndBeforeTheServerIsKilled(string file, string patience, string drain) =>
        Assert.True(Number(file, patience) >= Number(file, drain) + 5);

    [Fact]
    public void TheWorkflowRunsWhatIsThereAndMayOnlyRead()
    {
        string workflow = RepositoryFiles.Read(Workflow);
        string[] scripts = [.. Script().Matches(workflow).Select(match => match.Value).Distinct()];
        Assert.Contains(".ci/run", scripts);
        Assert.All(scripts, script => Assert.Contains(script, RepositoryFiles.All));
        Assert.Matches(@"\npermissions:\n  contents: read\n", workflow);
        Assert.DoesNotContain("write", workflow, StringComparison.Ordinal);
        Assert.DoesNotContain("secrets.", workflow, StringComparison.Ordinal);
        foreach (string machine in (string[])["windows", "macos", "arm"])
        {
            Assert.Contains(machine, workflow, StringComparison.Ordinal);
        }
    }

    private static int Number(string file, string pattern) => int.Parse(Regex.Match(RepositoryFiles.Read(file), pattern).Groups[1].Value, CultureInfo.InvariantCulture);

    private static string[] Texts(Match match) => JsonSerializer.Deserialize<string[]>(match.Groups["list"].Value)!;

    [GeneratedRegex(@"^ENTRYPOINT (?<list>\[.*\])$", RegexOptions.Multiline)]
    private static partial Regex EntryPointLine();

    [GeneratedRegex(@"^HEALTHCHECK .*CMD (?<list>\[.*\])$", RegexOptions.Multiline)]
    private static partial Regex HealthCheckLine();

    [GeneratedRegex(@"^ +args: (?<list>\[.*\])$", RegexOptions.Multiline)]
    private static partial Regex ArgumentsLine();

    [GeneratedRegex(@"^ +command: (?<list>\[.*\])$", RegexOptions.Multiline)]
    private static partial Regex ProbeLine();

    [GeneratedRegex(@"^ExecStart=/opt/llama4/llama4 (?<list>.*)$", RegexOptions.Multiline)]
    private static partial Regex StartLine();

    [GeneratedRegex(@"<(?:ProjectReference Include|Import Project)=""(?<path>[^""]+)""")]
    private static partial Regex Reference();

    [GeneratedRegex(@"\.ci/\w+")]
    private static partial Regex Script();
}
