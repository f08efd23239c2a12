using System.Net;
using Llama4Kernels.Cli;
using Llama4Kernels.Cli.Shared;
using Llama4Kernels.Engine.Scheduling;
using Llama4Kernels.Engine.Serving;
using Llama4Kernels.Tests.Engine.Serving;

namespace Llama4Kernels.Tests.Tools.Serving;

/// <summary>A server that ends: requests that it has go on, but no longer than they may; the command does the same.</summary>
[Collection(SampleServer.Name)]
public sealed class EndingTests(SampleServer sample)
{
    private const string Long = "\"temperature\": 1, \"ignore_eos\": true, \"max_tokens\": 200, \"stream\": true";

    [Fact]
    public async Task RequestsThatItHasAreServedToTheirEnd()
    {
        await using Llama4Engine engine = sample.NewEngine(new EngineOptions { CacheBytes = 32 << 20 });
        await using ServedClient served = await ServedClient.StartAsync(engine);
        Task<Reply>[] running = [.. Enumerable.Range(0, 8).Select(_ => served.ChatAsync(Bodies.Chat(more: Long)))];
        while (engine.Running + engine.Waiting < 8)
        {
            await Task.Delay(1);
        }
        Assert.True(await served.Server.StopAsync());
        foreach (Task<Reply> one in running)
        {
            Assert.Equal("length", (await one).Events[^1]["choices"]![0]!["finish_reason"]!.GetValue<string>());
        }
        await Assert.ThrowsAsync<HttpRequestException>(() => served.ChatAsync(Bodies.Chat()));
    }

    [Fact]
    public async Task TheTimeToEndIsBounded()
    {
        await using Llama4Engine engine = sample.NewEngine(new EngineOptions { CacheBytes = 32 << 20, KeepPrefixes = false });
        await using ServedClient served = await ServedClient.StartAsync(engine, options => options with { Limits = options.Limits with { DrainTime = TimeSpan.FromSeconds(0.3) } });
        Task<Reply> running = served.ChatAsync(Bodies.Chat(more: Long.Replace("200", "8000", StringComparison.Ordinal)));
        while (engine.Running == 0)
        {
            await Task.Delay(1);
        }
        Assert.False(await served.Server.StopAsync());
        await Assert.ThrowsAnyAsync<Exception>(() => running);
        await engine.IsIdle();
        Assert.Equal(0, engine.UsedBytes);
    }

    [Fact]
    public async Task TheCommandServesUntilItIsToldToEnd()
    {
        using var output = new StringWriter();
        using var error = new StringWriter();
        var interrupts = new Interrupts();
        var console = new CommandConsole(new StringReader(string.Empty), TextWriter.Synchronized(output), TextWriter.Synchronized(error), interrupts);
        Task<int> command = Task.Run(() => CommandLine.RunAsync(["serve", "--model", GoldenFiles.SampleModel, "--port", "0", "--threads", "1", "--cache-bytes", "32MiB", "--model-name", "mine"], console));
        while (!output.ToString().Contains('\n', StringComparison.Ordinal))
        {
            Assert.False(command.IsCompleted, error.ToString());
            await Task.Delay(5);
        }
        string[] words = output.ToString().Trim().Split(' ');
        Assert.Equal("mine", words[^1]);
        using var http = new HttpClient { BaseAddress = new Uri(words[0]) };
        while ((await http.GetAsync("health/ready")).StatusCode != HttpStatusCode.OK)
        {
            await Task.Delay(5);
        }
        using var content = new StringContent(Bodies.Chat(more: Long).Replace("sample-model", "mine", StringComparison.Ordinal), System.Text.Encoding.UTF8, "application/json");
        using var request = new HttpRequestMessage(HttpMethod.Post, "v1/chat/completions") { Content = content };
        using HttpResponseMessage response = await http.SendAsync(request, HttpCompletionOption.ResponseHeadersRead);
        Assert.True(interrupts.Stop());
        Assert.EndsWith("data: [DONE]\n\n", await response.Content.ReadAsStringAsync(), StringComparison.Ordinal);
        Assert.Equal(0, await command);
        Assert.Contains("POST /v1/chat/completions 200", error.ToString(), StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("--host: 'example.org' is neither", "--host", "example.org")]
    [InlineData("0.0.0.0 can be reached from other machines", "--host", "0.0.0.0")]
    [InlineData("Port must be 0 to 65535", "--port", "70000")]
    [InlineData("MaxChoices must be 1 or more", "--max-choices", "0")]
    [InlineData("--drain-seconds: -1 is not a time", "--drain-seconds", "-1")]
    [InlineData("missing-keys", "--api-key-file", "missing-keys")]
    [InlineData("missing-model", "--model", "missing-model", "--port", "0")]
    public async Task WrongCallsAreSaidInALine(string expected, params string[] arguments)
    {
        CliRun run = await CliRun.Of(["serve", .. arguments]);
        run.AssertFails(expected);
    }

    [Fact]
    public async Task APortThatIsTakenIsSaid() =>
        (await CliRun.Of("serve", "--port", sample.Client.Server.Address.Port.ToString(System.Globalization.CultureInfo.InvariantCulture))).AssertFails("address already in use");
}
