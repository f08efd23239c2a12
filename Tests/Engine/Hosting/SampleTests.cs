using Llama4Kernels.Samples;
using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Hosting.Server;
using Microsoft.AspNetCore.Hosting.Server.Features;
using Microsoft.Extensions.DependencyInjection;

namespace Llama4Kernels.Tests.Engine.Hosting;

/// <summary>The samples of the pages do what they say.</summary>
public sealed class SampleTests
{
    [Fact]
    public async Task AConsoleHostAnswers() => Assert.Equal("Scout has 16 experts.\n", await Output(output => ConsoleSample.RunAsync(GoldenFiles.SampleModel, output)));

    [Fact]
    public async Task FunctionsAreCalled() => Assert.Equal("(asked for Lima)\nIt is 22 degrees in Lima.\n", await Output(output => FunctionSample.RunAsync(GoldenFiles.SampleModel, output)));

    [Fact]
    public async Task PicturesAreSeen() => Assert.Equal(
        "a green square and a purple square\n16 of 35 tokens are the picture's.\n",
        await Output(output => PictureSample.RunAsync(GoldenFiles.SampleModel, GoldenFiles.Path("nano", "pictures", "one.png"), output)));

    [Fact]
    public async Task PrefixesAreCached() => Assert.Equal(
        "Scout has 16 experts. (0 of 36 tokens were cached)\nMaverick has 128 experts. (42 of 59 tokens were cached)\n",
        await Output(output => PrefixSample.RunAsync(GoldenFiles.SampleModel, output)));

    [Fact]
    public async Task TheSampleModelKnowsItsFacts() => Assert.Equal(3, await EvaluationSample.RunAsync(GoldenFiles.SampleModel, TextWriter.Null));

    [Fact]
    public async Task AWebHostStreams()
    {
        await using WebApplication app = WebSample.Create("--Llama4:Model", GoldenFiles.SampleModel, "--urls", "http://127.0.0.1:0", "--Logging:LogLevel:Default", "Warning");
        await app.StartAsync();
        using var client = new HttpClient { BaseAddress = new Uri(app.Services.GetRequiredService<IServer>().Features.Get<IServerAddressesFeature>()!.Addresses.Single()) };
        string answer = await client.GetStringAsync("/chat?question=How%20many%20experts%20does%20Scout%20have%3F");
        string[] events = [.. answer.Split('\n').Where(line => line.StartsWith("data: ", StringComparison.Ordinal)).Select(line => line["data: ".Length..])];
        Assert.True(events.Length > 3, answer);
        Assert.StartsWith("Scout", string.Concat(events), StringComparison.Ordinal);
        Assert.Equal("Healthy", await client.GetStringAsync("/health/ready"));
        await app.StopAsync();
    }

    private static async Task<string> Output(Func<TextWriter, Task> sample)
    {
        using var output = new StringWriter { NewLine = "\n" };
        await sample(output);
        return output.ToString();
    }
}
