using System.Diagnostics;
using System.Globalization;
using System.Net;
using System.Text;
using Llama4Kernels.Engine.Scheduling;
using Llama4Kernels.Engine.Serving;
using Llama4Kernels.Tests.Engine.Serving;

namespace Llama4Kernels.Tests.Tools.Serving;

/// <summary>
/// A server under load from this machine. LLAMA4_FUZZ=50 makes it two minutes of 64 streams and 10,000 requests, and then the
/// times between tokens and the memory are judged too.
/// </summary>
[Collection(SampleServer.Name)]
public sealed class ServerLoadTests(SampleServer sample)
{
    private const int Streams = 64, Tokens = 48;

    private static bool IsWhole => Fuzzing.Iterations(1) >= 50;

    private static ITestOutputHelper Output => TestContext.Current.TestOutputHelper!;

    [Fact]
    public async Task ManyStreamsGoOnSideBySide()
    {
        await using Llama4Engine engine = sample.NewEngine(new EngineOptions { CacheBytes = 64 << 20, MaxLogitRows = Streams });
        await using ServedClient served = await ServedClient.StartAsync(engine);
        long milliseconds = Fuzzing.Iterations(2400);
        List<double> gaps = [];
        int requests = 0;
        long early = 0;
        var watch = Stopwatch.StartNew();
        await Task.WhenAll(Enumerable.Range(0, Streams).Select(stream => Task.Run(async () =>
        {
            for (int i = 0; watch.ElapsedMilliseconds < milliseconds; i++)
            {
                List<double> between = await StreamAsync(served, Bodies.Chat($"{stream} {i}", Invariant($"\"temperature\": 1, \"ignore_eos\": true, \"max_tokens\": {Tokens}, \"stream\": true")));
                lock (gaps)
                {
                    gaps.AddRange(between);
                    requests++;
                    early = early == 0 && watch.ElapsedMilliseconds > milliseconds / 4 ? Memory() : early;
                }
            }
        })));
        gaps.Sort();
        double median = gaps[gaps.Count / 2], tail = gaps[(int)(gaps.Count * 0.99)];
        long end = Memory();
        Output.WriteLine(Invariant($"{requests} streams of {Tokens} tokens in {watch.Elapsed.TotalSeconds:0.0} s; between tokens median {median:0.00} ms, p99 {tail:0.00} ms, {tail / median:0.0} times; memory {early >> 20} MB after a quarter, {end >> 20} MB at the end"));
        Assert.True(requests >= Streams);
        await engine.IsIdle();
        if (IsWhole)
        {
            Assert.True(tail <= 3 * median, "The slowest hundredth of tokens takes more than three times as long as the median.");
            Assert.InRange(end, 0, early + (early / 10));
        }
    }

    [Fact]
    public async Task LeavingAndWrongRequestsHarmNobody()
    {
        await using Llama4Engine engine = sample.NewEngine(new EngineOptions { CacheBytes = 64 << 20, MaxLogitRows = 16 });
        await using ServedClient served = await ServedClient.StartAsync(engine);
        int whole = 0, refused = 0, left = 0;
        await Parallel.ForAsync(0, Fuzzing.Iterations(200), new ParallelOptions { MaxDegreeOfParallelism = 24 }, async (seed, _) =>
        {
            var random = new Random((int)seed);
            string question = Bodies.Chat($"{seed % 7} {Bodies.Question}", "\"temperature\": 1, \"ignore_eos\": true, \"max_tokens\": 24, \"stream\": true");
            switch (random.Next(6))
            {
                case 0:
                    await LeaveAsync(served, question, random);
                    Interlocked.Increment(ref left);
                    break;
                case 1:
                    (await served.ChatAsync(question[..random.Next(question.Length)])).Fails(400, "invalid_json");
                    Interlocked.Increment(ref refused);
                    break;
                case 2:
                    (await served.ChatAsync(Bodies.AboutPicture("data:image/png;base64," + Convert.ToBase64String(File.ReadAllBytes(GoldenFiles.Path("nano", "pictures", "one.png"))[..random.Next(1, 60)]))))
                        .Fails(400, "invalid_image", "messages[0].content[0].image_url.url");
                    Interlocked.Increment(ref refused);
                    break;
                case 3:
                    Assert.Equal("length", (await served.ChatAsync(question.Replace(", \"stream\": true", "", StringComparison.Ordinal))).Ok().Json["choices"]![0]!["finish_reason"]!.GetValue<string>());
                    Interlocked.Increment(ref whole);
                    break;
                default:
                    Assert.Equal("length", (await served.ChatAsync(question)).Events[^1]["choices"]![0]!["finish_reason"]!.GetValue<string>());
                    Interlocked.Increment(ref whole);
                    break;
            }
        });
        Output.WriteLine(Invariant($"{whole} answered, {refused} refused, {left} left; {Memory() >> 20} MB"));
        Assert.All(new[] { whole, refused, left }, count => Assert.True(count > 0));
        await engine.IsIdle();
        string metrics;
        do
        {
            metrics = (await served.GetAsync("metrics")).Ok().Body;
        }
        while (!metrics.Contains("llama4_open_requests 0\n", StringComparison.Ordinal));
        Assert.DoesNotContain("status=\"5", metrics, StringComparison.Ordinal);
    }

    /// <summary>Every request that was taken is answered to its end, or told that the server ends.</summary>
    [Fact]
    public async Task TheEndLosesNoRequest()
    {
        await using Llama4Engine engine = sample.NewEngine(new EngineOptions { CacheBytes = 64 << 20, MaxLogitRows = 16 });
        await using ServedClient served = await ServedClient.StartAsync(engine);
        int whole = 0, told = 0;
        bool isEnding = false;
        Task[] clients = [.. Enumerable.Range(0, 24).Select(client => Task.Run(async () =>
        {
            for (int i = 0; ; i++)
            {
                using var request = new HttpRequestMessage(HttpMethod.Post, "v1/chat/completions")
                {
                    Content = new StringContent(Bodies.Chat($"{client} {i}", "\"ignore_eos\": true, \"max_tokens\": 40, \"stream\": true"), Encoding.UTF8, "application/json"),
                };
                request.Headers.ConnectionClose = true;
                HttpResponseMessage response;
                try
                {
                    response = await served.Http.SendAsync(request, HttpCompletionOption.ResponseHeadersRead);
                }
                catch (HttpRequestException) when (Volatile.Read(ref isEnding))
                {
                    // It was not taken.
                    return;
                }
                using (response)
                {
                    string body = await response.Content.ReadAsStringAsync();
                    if (response.StatusCode == HttpStatusCode.OK)
                    {
                        Assert.EndsWith("data: [DONE]\n\n", body, StringComparison.Ordinal);
                        Interlocked.Increment(ref whole);
                    }
                    else
                    {
                        Assert.Equal(HttpStatusCode.ServiceUnavailable, response.StatusCode);
                        Assert.Contains("shutting_down", body, StringComparison.Ordinal);
                        Interlocked.Increment(ref told);
                    }
                }
            }
        }))];
        while (Volatile.Read(ref whole) < Fuzzing.Iterations(40))
        {
            await Task.Delay(2);
        }
        int before = Volatile.Read(ref whole);
        Volatile.Write(ref isEnding, true);
        Assert.True(await served.Server.StopAsync());
        await Task.WhenAll(clients);
        Output.WriteLine(Invariant($"{before} answered before the end, {whole - before} after it, {told} told"));
        Assert.True(whole > before);
    }

    /// <summary>Reads a stream to its end; the times between its tokens in milliseconds.</summary>
    private static async Task<List<double>> StreamAsync(ServedClient served, string body)
    {
        using var request = new HttpRequestMessage(HttpMethod.Post, "v1/chat/completions") { Content = new StringContent(body, Encoding.UTF8, "application/json") };
        using HttpResponseMessage response = await served.Http.SendAsync(request, HttpCompletionOption.ResponseHeadersRead);
        Assert.Equal(HttpStatusCode.OK, response.StatusCode);
        using var reader = new StreamReader(await response.Content.ReadAsStreamAsync());
        List<double> gaps = [];
        long last = 0;
        string? line, before = null;
        while ((line = await reader.ReadLineAsync()) is not null)
        {
            if (line.Contains("\"delta\":{\"content\"", StringComparison.Ordinal))
            {
                long now = Stopwatch.GetTimestamp();
                if (last != 0)
                {
                    gaps.Add(Stopwatch.GetElapsedTime(last, now).TotalMilliseconds);
                }
                last = now;
            }
            before = line.Length > 0 ? line : before;
        }
        Assert.Equal("data: [DONE]", before);
        return gaps;
    }

    private static async Task LeaveAsync(ServedClient served, string body, Random random)
    {
        using var client = new RawClient(served.Server);
        string request = RawClient.Head(Invariant($"Content-Length: {body.Length}")) + body;
        if (random.Next(3) == 0)
        {
            await client.WriteAsync(request[..random.Next(request.Length)]);
            return;
        }
        await client.WriteAsync(request);
        await client.ReadToAsync("data: ");
        await Task.Delay(random.Next(20));
    }

    private static long Memory()
    {
        using Process process = Process.GetCurrentProcess();
        return process.WorkingSet64;
    }

    private static string Invariant(FormattableString text) => text.ToString(CultureInfo.InvariantCulture);
}
