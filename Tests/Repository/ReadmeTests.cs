using Llama4Kernels.Engine.Chat;
using Llama4Kernels.Engine.Diagnostics;
using Llama4Kernels.Engine.Model;
using Llama4Kernels.Tests.Engine.Model;

namespace Llama4Kernels.Tests.Repository;

/// <summary>What the README shows compiles and does what it says.</summary>
[Collection(nameof(ModelCollection))]
public sealed class ReadmeTests(ModelFixture models)
{
    [Fact]
    public void The_library_sample_is_the_one_that_is_compiled()
    {
        string source = RepositoryFiles.Read("Tests/Repository/ReadmeSample.cs").ReplaceLineEndings("\n");
        const string Begin = "// README: begin\n", End = "        // README: end";
        string sample = source[(source.IndexOf(Begin, StringComparison.Ordinal) + Begin.Length)..source.IndexOf(End, StringComparison.Ordinal)];
        string shown = string.Join('\n', sample.Split('\n').Select(line => line.Length >= 8 ? line[8..] : line))
            .Replace("(folder)", "(\"tools/sample-model\")", StringComparison.Ordinal)
            .Replace("(file)", "(\"picture.png\")", StringComparison.Ordinal)
            .Replace("output.", "Console.", StringComparison.Ordinal);
        Assert.Contains(shown, RepositoryFiles.Read("README.md").ReplaceLineEndings("\n"), StringComparison.Ordinal);
    }

    [Fact]
    public async Task The_library_sample_says_what_the_reference_says()
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
}
