using System.Text.RegularExpressions;
using Llama4Kernels.Engine.Chat;
using Llama4Kernels.Engine.Diagnostics;
using Llama4Kernels.Engine.Model;
using Llama4Kernels.Tests.Engine.Model;

namespace Llama4Kernels.Tests.Repository;

/// <summary>What the README and the other pages show compiles, and the README's does what it says.</summary>
[Collection(nameof(ModelCollection))]
public sealed partial class ReadmeTests(ModelFixture models)
{
    [Fact]
    public void TheLibrarySampleIsTheOneThatIsCompiled()
    {
        string source = RepositoryFiles.Read("Tests/Repository/ReadmeSample.cs").ReplaceLineEndings("\n");
        const string Begin = "// README: begin\n", End = "        // README: end";
        string sample = source[(source.IndexOf(Begin, StringComparison.Ordinal) + Begin.Length)..source.IndexOf(End, StringComparison.Ordinal)];
        string shown = Dedented(sample)
            .Replace("(folder)", "(\"tools/sample-model\")", StringComparison.Ordinal)
            .Replace("(file)", "(\"picture.png\")", StringComparison.Ordinal)
            .Replace("output.", "Console.", StringComparison.Ordinal);
        Assert.Contains(shown, RepositoryFiles.Read("README.md").ReplaceLineEndings("\n"), StringComparison.Ordinal);
    }

    /// <summary>Every C# sample of a page is the text of a compiled region that is named for the page.</summary>
    [Fact]
    public void SamplesOfThePagesAreThoseThatAreCompiled()
    {
        string source = string.Concat(RepositoryFiles.All.Where(path => path == "Tests/Repository/DocumentationSamples.cs" || (path.StartsWith("docs/samples/", StringComparison.Ordinal) && path.EndsWith(".cs", StringComparison.Ordinal)))
            .Select(path => RepositoryFiles.Read(path).ReplaceLineEndings("\n")));
        string[] compiled = [.. Region().Matches(source).Select(region => $"{region.Groups["page"].Value}\n{Dedented(region.Groups["code"].Value)}")];
        string[] shown = [.. RepositoryFiles.All.Where(path => path.EndsWith(".md", StringComparison.Ordinal) && path != "README.md" && RepositoryFiles.IsHandwritten(path))
            .SelectMany(path => Sample().Matches(RepositoryFiles.Read(path).ReplaceLineEndings("\n")).Select(sample => $"{path}\n{sample.Groups["code"].Value}"))];
        Assert.Equal(compiled.Order(StringComparer.Ordinal), shown.Order(StringComparer.Ordinal));
        Assert.True(shown.Length >= 8);
    }

    [Fact]
    public async Task TheLibrarySampleSaysWhatTheReferenceSays()
    {
        var output = new StringWriter();
        await ReadmeSample.RunAsync(GoldenFiles.SampleModel, GoldenFiles.Path("nano", "pictures", "one.png"), output);
        Llama4Model nano = models.Get("nano");
        using ReferenceFile reference = References.Open("nano", "image-one");
        // The reference asks what the sample asks first; its answer ends with a terminator.
        string answer = nano.Tokenizer.Decode(reference.Greedy.TakeWhile(id => nano.StopTokens.ReasonOf(id) is null).ToArray());
        Assert.NotEmpty(answer);
        Assert.StartsWith(answer, output.ToString(), StringComparison.Ordinal);
        Assert.Contains("get_weather {\"city\":\"Lima\"}\n", output.ToString().ReplaceLineEndings("\n"), StringComparison.Ordinal);
        Assert.Contains("What is in the picture?", nano.Tokenizer.Decode(reference.Ids), StringComparison.Ordinal);
    }

    private static string Dedented(string code) => string.Join('\n', code.Split('\n').Select(line => line.Length >= 8 ? line[8..] : line));

    [GeneratedRegex(@"^ *#region (?<page>\S+)\n(?<code>.*?)^ *#endregion", RegexOptions.Multiline | RegexOptions.Singleline)]
    private static partial Regex Region();

    [GeneratedRegex(@"^```csharp\n(?<code>.*?)^```", RegexOptions.Multiline | RegexOptions.Singleline)]
    private static partial Regex Sample();
}
