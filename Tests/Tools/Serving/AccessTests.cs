using System.Net;
using System.Net.Http.Headers;
using System.Net.Sockets;
using System.Text;
using Llama4Kernels.Server;

namespace Llama4Kernels.Tests.Tools.Serving;

/// <summary>Who may ask a server, and where it answers.</summary>
[Collection(SampleServer.Name)]
public sealed class AccessTests(SampleServer sample)
{
    private const string Key = "key-of-a-tenant-1", Other = "key-of-a-tenant-2", Wrong = "key-of-a-tenant-9";

    private static readonly string[] s_addresses = ["v1/models", "v1/models/sample-model", "health/ready", "nowhere"];

    [Fact]
    public void BeyondLoopbackItTakesAKeyOrAWord()
    {
        ServerOptions options = new() { ModelName = "m", Address = IPAddress.Any };
        Assert.Contains("--api-key-file", Assert.Throws<ArgumentException>(options.Check).Message, StringComparison.Ordinal);
        (options with { ApiKeys = new ApiKeys([Key]) }).Check();
        (options with { IsInsecure = true }).Check();
        (options with { Address = IPAddress.IPv6Loopback }).Check();
    }

    [Fact]
    public async Task EveryAddressButLivenessNeedsTheKey()
    {
        await using ServedClient client = await ServedClient.StartAsync(sample.Engine, options => options with { ApiKeys = new ApiKeys([Key, Other]) });
        Assert.Equal(HttpStatusCode.OK, (await client.GetAsync("health/live")).Status);
        foreach (string address in s_addresses)
        {
            (await client.GetAsync(address)).Fails(401, "invalid_api_key");
            (await client.GetAsync(address, Wrong)).Fails(401, "invalid_api_key");
            (await client.GetAsync($"{address}?api_key={Key}&key={Key}")).Fails(401, "invalid_api_key");
            Assert.NotEqual(HttpStatusCode.Unauthorized, (await client.GetAsync(address, Key)).Status);
        }
        (await client.ChatAsync(Bodies.Chat())).Fails(401, "invalid_api_key");
        (await client.PostAsync("v1/chat/completions", Bodies.Chat(), Other)).Ok();
        (await client.PostAsync("v1/chat/completions", Bodies.Chat(), Key[..^1])).Fails(401, "invalid_api_key");
    }

    [Fact]
    public async Task TenantsShareNoPrefixes()
    {
        // Keys that no other test asks with: what is cached for those is there already.
        const string One = "key-of-a-tenant-3", Another = "key-of-a-tenant-4";
        await using ServedClient client = await ServedClient.StartAsync(sample.Engine, options => options with { ApiKeys = new ApiKeys([One, Another]) });
        async Task<int> Cached(string key) => (await client.PostAsync("v1/chat/completions", Bodies.Chat("Which tenants share what is cached? " + new string('x', 200), "\"max_tokens\": 1"), key)).Ok()
            .Json["usage"]!["prompt_tokens_details"]!["cached_tokens"]!.GetValue<int>();
        Assert.Equal(0, await Cached(One));
        Assert.True(await Cached(One) > 0);
        Assert.Equal(0, await Cached(Another));
    }

    [Theory]
    [InlineData("short")]
    [InlineData("")]
    [InlineData("a key with blanks in it")]
    public void KeysAreChecked(string key) => Assert.Throws<ArgumentException>(() => new ApiKeys([key]));

    [Fact]
    public void KeysAreReadFromAFile()
    {
        using var folder = new ScratchFolder();
        string file = folder.Path("keys");
        File.WriteAllText(file, $"# tenants\n{Key}\n\n  {Other}  \n");
        ApiKeys keys = ApiKeys.Read(file);
        Assert.NotNull(keys.TenantOf(Key));
        Assert.NotNull(keys.TenantOf(Other));
        Assert.NotEqual(keys.TenantOf(Key), keys.TenantOf(Other));
        Assert.Null(keys.TenantOf(Wrong));
        File.WriteAllText(file, "# none\n");
        Assert.Contains(file, Assert.Throws<ArgumentException>(() => ApiKeys.Read(file)).Message, StringComparison.Ordinal);
    }

    [Fact]
    public async Task WithoutAKeyOnlyNamesOfThisMachineAreAnswered()
    {
        foreach ((string host, int status) in new[] { ("localhost", 200), ("127.0.0.1:99", 200), ("[::1]", 200), ("evil.example", 403), ("127.0.0.1.evil.example", 403) })
        {
            using var request = new HttpRequestMessage(HttpMethod.Get, "v1/models") { Headers = { Host = host } };
            using HttpResponseMessage response = await sample.Client.Http.SendAsync(request);
            Assert.Equal(status, (int)response.StatusCode);
        }
    }

    [Fact]
    public async Task PagesOfOthersAskOnlyIfTheyAreNamed()
    {
        await using ServedClient client = await ServedClient.StartAsync(sample.Engine, options => options with { CorsOrigins = ["https://page.example"], ApiKeys = new ApiKeys([Key]) });
        foreach ((ServedClient one, string origin, bool allowed) in new[] { (client, "https://page.example", true), (client, "https://evil.example", false), (sample.Client, "https://page.example", false) })
        {
            using var asked = new HttpRequestMessage(HttpMethod.Options, "v1/chat/completions");
            asked.Headers.Add("Origin", origin);
            asked.Headers.Add("Access-Control-Request-Method", "POST");
            asked.Headers.Add("Access-Control-Request-Headers", "authorization,content-type");
            using HttpResponseMessage response = await one.Http.SendAsync(asked);
            Assert.Equal(allowed, response.Headers.TryGetValues("Access-Control-Allow-Origin", out IEnumerable<string>? origins) && origins.Single() == origin);
        }
    }

    [Fact]
    public async Task WhatIsNotJsonIsRefused()
    {
        foreach (string type in new[] { "text/plain", "application/x-www-form-urlencoded", "multipart/form-data" })
        {
            using var content = new StringContent(Bodies.Chat());
            content.Headers.ContentType = new MediaTypeHeaderValue(type);
            using HttpResponseMessage response = await sample.Client.Http.PostAsync("v1/chat/completions", content);
            Assert.Equal(HttpStatusCode.UnsupportedMediaType, response.StatusCode);
        }
    }

    /// <summary>Case 68.</summary>
    [Fact]
    public async Task OddPathsLeadNowhereElse()
    {
        await using ServedClient client = await ServedClient.StartAsync(sample.Engine, options => options with { ApiKeys = new ApiKeys([Key]) });
        foreach ((string line, int status) in new[]
        {
            ("GET //v1/models", 401), ("GET /v1/../v1/models", 401), ("GET /health/live/../../v1/models", 401), ("GET /health/live/", 401), ("GET /health/live%2f..%2f..%2fv1/models", 401),
            ("GET /HEALTH/LIVE", 200), ("GET /health/live?x=/v1/models", 200), ("GET /health/./live", 200), ("POST /health/live", 405),
        })
        {
            Assert.Equal((line, status), (line, await Status(client, line, "X-HTTP-Method-Override: GET")));
        }
        foreach ((string line, int status) in new[] { ("GET //v1/models", 404), ("GET /v1/chat/completions", 405), ("DELETE /v1/models", 405), ("GET /v1/../metrics/x", 404) })
        {
            Assert.Equal((line, status), (line, await Status(client, line, $"X-HTTP-Method-Override: POST\r\nAuthorization: Bearer {Key}")));
        }
    }

    [Fact]
    public async Task WhileTheModelLoadsNothingIsReady()
    {
        await using ServedClient client = await ServedClient.StartAsync(null);
        Assert.Equal(HttpStatusCode.OK, (await client.GetAsync("health/live")).Status);
        Reply reply = (await client.GetAsync("health/ready")).Fails(503, "loading");
        Assert.NotNull(reply.RetryAfter);
        (await client.GetAsync("v1/models")).Fails(503, "loading");
        (await client.ChatAsync(Bodies.Chat())).Fails(503, "loading");
        client.Server.Serve(sample.Engine);
        (await client.GetAsync("health/ready")).Ok();
        (await client.ChatAsync(Bodies.Chat())).Ok();
    }

    [Fact]
    public async Task TheModelHasItsName()
    {
        Reply reply = (await sample.Client.GetAsync("v1/models")).Ok();
        Assert.Equal("sample-model", reply.Json["data"]![0]!["id"]!.GetValue<string>());
        Assert.Equal(sample.Engine.MaxContext, reply.Json["data"]![0]!["max_model_len"]!.GetValue<int>());
        (await sample.Client.GetAsync("v1/models/sample-model")).Ok();
        (await sample.Client.GetAsync("v1/models/other")).Fails(404, "model_not_found", "model");
        (await sample.Client.ChatAsync("""{"model": "other", "messages": []}""")).Fails(404, "model_not_found", "model");
        (await sample.Client.GetAsync("v2/models")).Fails(404, "not_found");
    }

    /// <summary>A request written by hand, as no client writes it.</summary>
    private static async Task<int> Status(ServedClient client, string line, string headers)
    {
        using var tcp = new TcpClient();
        await tcp.ConnectAsync(client.Server.Address.Host, client.Server.Address.Port);
        NetworkStream stream = tcp.GetStream();
        await stream.WriteAsync(Encoding.ASCII.GetBytes($"{line} HTTP/1.1\r\nHost: localhost\r\n{headers}\r\nContent-Length: 0\r\nConnection: close\r\n\r\n"));
        using var reader = new StreamReader(stream, Encoding.ASCII);
        return int.Parse((await reader.ReadLineAsync())!.Split(' ')[1], System.Globalization.CultureInfo.InvariantCulture);
    }
}
