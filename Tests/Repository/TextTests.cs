using System.Text.RegularExpressions;

namespace Llama4Kernels.Tests.Repository;

/// <summary>What holds for the repository's texts: commands, links, nothing of one machine, nothing unfinished.</summary>
public partial class TextTests
{
    private static readonly HashSet<string> s_textExtensions =
        [".cs", ".csproj", ".props", ".targets", ".sln", ".md", ".json", ".yml", ".sh", ".ptx", ".js", ".mjs", ".html", ".css", ".svg", ".yaml", ".service", ".editorconfig", ".gitignore", ""];

    private static IEnumerable<string> HandwrittenTexts =>
        RepositoryFiles.All.Where(path => RepositoryFiles.IsHandwritten(path) && s_textExtensions.Contains(Path.GetExtension(path)));

    private static IEnumerable<string> Documents =>
        RepositoryFiles.All.Where(path => RepositoryFiles.IsHandwritten(path) && path.EndsWith(".md", StringComparison.Ordinal));

    [Fact]
    public void TheFirstTwoShellBlocksOfTheReadmeAreTheTwoCommands()
    {
        string[] blocks = [.. ShellBlock().Matches(RepositoryFiles.Read("README.md")).Take(2).Select(match => match.Groups[1].Value.Trim())];
        Assert.Equal(
            [
                "dotnet run -c Release --project tools/llama4 -- chat \"How many experts does Scout have?\"",
                "dotnet test -c Release",
            ],
            blocks);
    }

    [Fact]
    public void EveryCommandStandsInTheReadme()
    {
        const string Folder = "tools/llama4/Commands/";
        const string Suffix = "Command.cs";
        string readme = RepositoryFiles.Read("README.md");
        Assert.All(
            RepositoryFiles.All.Where(path => path.StartsWith(Folder, StringComparison.Ordinal) && path.EndsWith(Suffix, StringComparison.Ordinal)),
            path => Assert.Contains($"| `{WordStart().Replace(path[Folder.Length..^Suffix.Length], "-").ToLowerInvariant()}` |", readme));
    }

    [Fact]
    public void LinksBetweenDocumentsLeadSomewhere()
    {
        int links = 0;
        foreach (string document in Documents)
        {
            string folder = Path.GetDirectoryName(Path.Combine(GoldenFiles.Repository, document))!;
            foreach (Match match in RelativeLink().Matches(RepositoryFiles.Read(document)))
            {
                string target = Path.Combine(folder, match.Groups[1].Value);
                Assert.True(File.Exists(target) || Directory.Exists(target), $"{document} links to {match.Groups[1].Value}.");
                links++;
            }
        }
        Assert.True(links > 5, "The documents' links were not found.");
    }

    [Fact]
    public void NoFileNamesPathsOfOneMachine()
    {
        Assert.Contains("Tests/Repository/TextTests.cs", HandwrittenTexts);
        foreach (string path in HandwrittenTexts)
        {
            Match match = MachinePath().Match(RepositoryFiles.Read(path));
            Assert.False(match.Success, $"{path} holds {match.Value}.");
        }
    }

    [Theory]
    [InlineData("see /%/bench/x", "work", true)]
    [InlineData("\"/%/me/models\"", "home", true)]
    [InlineData("(/%/log.txt)", "tmp", true)]
    [InlineData("""C:\%\me""", "Users", true)]
    [InlineData("docs/%/x", "work", false)]
    [InlineData("https://example.org/%/x", "home", false)]
    [InlineData("a/%", "root", false)]
    public void TheRuleSeesMachinePaths(string text, string name, bool found) =>
        Assert.Equal(found, MachinePath().IsMatch(text.Replace("%", name)));

    [Fact]
    public void NothingIsLeftUnfinished()
    {
        foreach (string path in RepositoryFiles.All.Where(path => path.EndsWith(".cs", StringComparison.Ordinal)))
        {
            Match match = Unfinished().Match(RepositoryFiles.Read(path));
            Assert.False(match.Success, $"{path} holds {match.Value}.");
        }
    }

    [GeneratedRegex(@"^```sh\n(.*?)^```", RegexOptions.Multiline | RegexOptions.Singleline)]
    private static partial Regex ShellBlock();

    [GeneratedRegex(@"\]\((?!https?:|#)([^)#\s]+)[^)]*\)")]
    private static partial Regex RelativeLink();

    // An absolute path starts where no other path goes on.
    [GeneratedRegex(@"(?<![\w./-])/(?:work|root|home|farm|tmp|Users)/\w|\b[A-Za-z]:\\Users\\")]
    private static partial Regex MachinePath();

    [GeneratedRegex(@"\bNotImplemented(?=Exception)|\b(?:TO)(?=DO\b)|\b(?:FIX)(?=ME\b)|catch(?: \(Exception\))?\s*\{\s*\}")]
    private static partial Regex Unfinished();

    [GeneratedRegex("(?<=[a-z])(?=[A-Z])")]
    private static partial Regex WordStart();
}
