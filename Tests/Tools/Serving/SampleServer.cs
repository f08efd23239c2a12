using System.Net;
using System.Net.Http.Headers;
using System.Text;
using System.Text.Json.Nodes;
using Llama4Kernels.Engine.Model;
using Llama4Kernels.Engine.Scheduling;
using Llama4Kernels.Engine.Serving;
using Llama4Kernels.Server;

namespace Llama4Kernels.Tests.Tools.Serving;

/// <summary>One engine of the sample model, and a server of it with the usual limits, for all tests of servers.</summary>
public sealed class SampleServer : IAsyncLifetime
{
    public const string Name = "servers";

    internal const string ModelName = "sample-model";

    internal Llama4Engine Engine { get; private set; } = null!;

    internal ServedClient Client { get; private set; } = null!;

    public async ValueTask InitializeAsync()
    {
        Engine = await Llama4Engine.LoadAsync(GoldenFiles.SampleModel, new ModelOptions { Threads = 1 }, new EngineOptions { CacheBytes = 64 << 20, MaxLogitRows = 32 });
        Client = await ServedClient.StartAsync(Engine);
    }

    public async ValueTask DisposeAsync()
    {
        await Client.DisposeAsync();
        await Engine.DisposeAsync();
    }

    /// <summary>Another engine of the same model, for tests that need one to themselves.</summary>
    internal Llama4Engine NewEngine(EngineOptions options) => new(Engine.Model, options);
}

/// <summary>Tests of servers run one after another, on one engine.</summary>
[CollectionDefinition(SampleServer.Name)]
public sealed class SampleServerTests : ICollectionFixture<SampleServer>;

/// <summary>A server on a free port of this machine, and a client of it.</summary>
internal sealed class ServedClient : IAsyncDisposable
{
    private readonly HttpClient _http;

    private ServedClient(Llama4Server server)
    {
        Server = server;
        _http = new HttpClient(new SocketsHttpHandler { MaxConnectionsPerServer = 2000 }) { BaseAddress = server.Address, Timeout = TimeSpan.FromSeconds(60) };
    }

    public Llama4Server Server { get; }

    public HttpClient Http => _http;

    public static async Task<ServedClient> StartAsync(Llama4Engine? engine, Func<ServerOptions, ServerOptions>? change = null)
    {
        var options = new ServerOptions { Port = 0, ModelName = SampleServer.ModelName };
        Llama4Server server = await Llama4Server.StartAsync(change is null ? options : change(options));
        if (engine is not null)
        {
            server.Serve(engine);
        }
        return new ServedClient(server);
    }

    public ValueTask DisposeAsync()
    {
        _http.Dispose();
        return Server.DisposeAsync();
    }

    public Task<Reply> PostAsync(string path, string body, string? key = null) => SendAsync(HttpMethod.Post, path, body, key);

    public Task<Reply> ChatAsync(string body) => PostAsync("v1/chat/completions", body);

    public Task<Reply> GetAsync(string path, string? key = null) => SendAsync(HttpMethod.Get, path, null, key);

    public async Task<Reply> SendAsync(HttpMethod method, string path, string? body, string? key = null)
    {
        using var request = new HttpRequestMessage(method, path);
        if (body is not null)
        {
            request.Content = new StringContent(body, Encoding.UTF8, "application/json");
        }
        if (key is not null)
        {
            request.Headers.Authorization = new AuthenticationHeaderValue("Bearer", key);
        }
        using HttpResponseMessage response = await _http.SendAsync(request);
        return new Reply(response.StatusCode, await response.Content.ReadAsStringAsync(), response.Headers.RetryAfter?.Delta);
    }
}

/// <summary>What a server answered.</summary>
internal sealed record Reply(HttpStatusCode Status, string Body, TimeSpan? RetryAfter)
{
    public JsonNode Json => JsonNode.Parse(Body)!;

    /// <summary>The text of the first choice of a chat.</summary>
    public string Text => Json["choices"]![0]!["message"]!["content"]!.GetValue<string>();

    /// <summary>The events of a stream, without its end, which must be there.</summary>
    public JsonNode[] Events
    {
        get
        {
            Assert.Equal(HttpStatusCode.OK, Status);
            string[] events = Body.Split("\n\n", StringSplitOptions.RemoveEmptyEntries);
            Assert.Equal("data: [DONE]", events[^1]);
            return [.. events[..^1].Select(one => JsonNode.Parse(one["data: ".Length..])!)];
        }
    }

    /// <summary>The deltas of a choice of a streamed chat.</summary>
    public JsonNode[] Deltas(int choice = 0) =>
        [.. Events.SelectMany(one => one["choices"]!.AsArray()).Where(one => one!["index"]!.GetValue<int>() == choice).Select(one => one!["delta"]!)];

    /// <summary>Asserts that it is OK.</summary>
    public Reply Ok()
    {
        Assert.True(Status == HttpStatusCode.OK, $"{Status}: {Body}");
        return this;
    }

    /// <summary>Asserts an error in OpenAI's envelope.</summary>
    public Reply Fails(int status, string code, string? param = null)
    {
        Assert.True((int)Status == status, $"{(int)Status} instead of {status}: {Body}");
        JsonNode error = Json["error"]!;
        Assert.Equal(code, error["code"]!.GetValue<string>());
        Assert.Equal(param, error["param"]?.GetValue<string>());
        Assert.NotEmpty(error["message"]!.GetValue<string>());
        Assert.NotEmpty(error["type"]!.GetValue<string>());
        return this;
    }
}
