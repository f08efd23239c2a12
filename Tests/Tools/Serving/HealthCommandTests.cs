using System.Net;
using System.Net.Sockets;
using Llama4Kernels.Server;

namespace Llama4Kernels.Tests.Tools.Serving;

/// <summary>What containers ask a server with.</summary>
[Collection(SampleServer.Name)]
public sealed class HealthCommandTests(SampleServer sample)
{
    private const string Key = "a-key-of-the-health-tests";

    [Fact]
    public async Task AServerThatLoadsIsLiveAndNotReady()
    {
        await using ServedClient loading = await ServedClient.StartAsync(null);
        string url = loading.Server.Address.ToString();
        AssertWell(await CliRun.Of("health", "--url", url));
        AssertUnwell(await CliRun.Of("health", "--url", url, "--ready"), "health/ready: The model is loading.");
        loading.Server.Serve(sample.Engine);
        AssertWell(await CliRun.Of("health", "--url", url.TrimEnd('/'), "--ready"));
    }

    [Fact]
    public async Task AServerWithKeysWantsOneForBeingReady()
    {
        await using ServedClient locked = await ServedClient.StartAsync(sample.Engine, options => options with { ApiKeys = new ApiKeys([Key]) });
        using var folder = new ScratchFolder();
        string url = locked.Server.Address.ToString();
        AssertWell(await CliRun.Of("health", "--url", url));
        AssertUnwell(await CliRun.Of("health", "--url", url, "--ready"), "An API key is needed");
        AssertWell(await CliRun.Of("health", "--url", url, "--ready", "--api-key-file", folder.Write("keys", "# ours", "", $"  {Key} ", "another-key-of-theirs")));
        (await CliRun.Of("health", "--url", url, "--api-key-file", folder.Write("none", "# none"))).AssertFails("There is no API key.");
        (await CliRun.Of("health", "--url", url, "--api-key-file", folder.Path("absent"))).AssertFails("absent");
    }

    [Fact]
    public async Task WhatDoesNotAnswerIsUnwell()
    {
        using var listener = new TcpListener(IPAddress.Loopback, 0);
        listener.Start();
        int port = ((IPEndPoint)listener.LocalEndpoint).Port;
        AssertUnwell(await CliRun.Of("health", "--url", $"http://127.0.0.1:{port}", "--timeout-seconds", "0.2"), "no answer within 0.2 s");
        listener.Stop();
        AssertUnwell(await CliRun.Of("health", "--url", $"http://127.0.0.1:{port}"), $"127.0.0.1:{port}");
        AssertUnwell(await CliRun.Of("health", "--url", new Uri(sample.Client.Server.Address, "elsewhere").ToString()), "There is nothing at this address.");
    }

    [Theory]
    [InlineData("--url", "localhost:8080")]
    [InlineData("--url", "ftp://localhost")]
    [InlineData("--url", "")]
    [InlineData("--timeout-seconds", "0")]
    [InlineData("--timeout-seconds", "NaN")]
    public async Task WrongCallsAreNamed(string option, string value) => (await CliRun.Of("health", option, value)).AssertFails(option);

    private static void AssertWell(CliRun run) => Assert.Equal((0, "", ""), (run.ExitCode, run.Out, run.Error));

    private static void AssertUnwell(CliRun run, string message)
    {
        Assert.Equal(1, run.ExitCode);
        Assert.StartsWith("llama4: http://", run.Error, StringComparison.Ordinal);
        Assert.Contains(message, run.Error, StringComparison.Ordinal);
    }
}
