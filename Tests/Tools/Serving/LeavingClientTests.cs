using System.Net;
using Llama4Kernels.Engine.Scheduling;
using Llama4Kernels.Engine.Serving;
using Llama4Kernels.Tests.Engine.Serving;

namespace Llama4Kernels.Tests.Tools.Serving;

/// <summary>Clients that leave, do not read or do not send: what they had is free, and the server goes on.</summary>
[Collection(SampleServer.Name)]
public sealed class LeavingClientTests(SampleServer sample)
{
    private const string Endless = "\"temperature\": 1, \"ignore_eos\": true, \"max_tokens\": 8000, \"stream\": true";

    private Llama4Engine OwnEngine(int rows = 64) => sample.NewEngine(new EngineOptions { CacheBytes = 32 << 20, KeepPrefixes = false, StepRows = rows, MaxLogitRows = 4 });

    /// <summary>Case 64, at the head.</summary>
    [Fact]
    public async Task AHeadThatEndsIsForgotten()
    {
        foreach (string head in new[] { "", "POST /v1/ch", "POST /v1/chat/completions HTTP/1.1\r\nHost: local", RawClient.Head("Content-Length: 100") + "{" })
        {
            using var client = new RawClient(sample.Client.Server);
            await client.WriteAsync(head);
        }
        (await sample.Client.ChatAsync(Bodies.Chat())).Ok();
    }

    /// <summary>Case 64, at the first token and amid an event: the blocks are free when the step that runs is over.</summary>
    [Theory]
    [InlineData("\r\n\r\n")]
    [InlineData("\"delta\":{\"content\":\"")]
    public async Task WhoLeavesFreesItsBlocksWithinAStep(string readTo)
    {
        await using Llama4Engine engine = OwnEngine();
        await using ServedClient served = await ServedClient.StartAsync(engine);
        using var held = new HeldStep(engine, step: 6);
        using (var client = new RawClient(served.Server))
        {
            await client.ChatAsync(Bodies.Chat(more: Endless));
            await client.ReadToAsync(readTo);
            held.WaitUntilIn();
            Assert.True(engine.UsedBytes > 0);
        }
        await Left(served, 1);
        held.LetGo();
        await engine.IsIdle();
        Assert.Equal(0, engine.UsedBytes);
        Assert.Equal(6, engine.Steps);
    }

    /// <summary>Case 65.</summary>
    [Fact]
    public async Task WhoDoesNotReadIsLeft()
    {
        await using Llama4Engine engine = OwnEngine();
        await using ServedClient served = await ServedClient.StartAsync(engine, options => options with { Limits = options.Limits with { SlowClientTime = TimeSpan.FromSeconds(2) } });
        using var client = new RawClient(served.Server, receiveBuffer: 4096);
        await client.ChatAsync(Bodies.Chat(more: Endless + ", \"logprobs\": true, \"top_logprobs\": 20"));
        await Left(served, 1);
        await engine.IsIdle();
        Assert.Equal(0, engine.UsedBytes);
        (await served.ChatAsync(Bodies.Chat())).Ok();
    }

    /// <summary>Case 57: a body that drips in is not waited for, nor is one taken that is too large, whatever its head says.</summary>
    [Fact]
    public async Task BodiesComeInTimeAndInBounds()
    {
        await using ServedClient served = await ServedClient.StartAsync(sample.Engine, options => options with { Limits = options.Limits with { SlowClientTime = TimeSpan.FromSeconds(2), MaxBodyBytes = 10_000 } });
        using (var client = new RawClient(served.Server))
        {
            await client.WriteAsync(RawClient.Head("Content-Length: 1073741824"));
            Assert.Equal(413, await client.StatusAsync());
        }
        (await served.ChatAsync(Bodies.Chat(new string('a', 20_000)))).Fails(413, "body_too_large");
        using (var client = new RawClient(served.Server))
        {
            await client.WriteAsync(RawClient.Head("Transfer-Encoding: chunked") + "4000\r\n" + new string(' ', 0x4000) + "\r\n");
            Assert.Equal(413, await client.StatusAsync());
        }
        using (var client = new RawClient(served.Server))
        {
            await client.WriteAsync(RawClient.Head("Transfer-Encoding: chunked"));
            Task<int> status = client.StatusAsync();
            while (!status.IsCompleted)
            {
                try
                {
                    await client.WriteAsync("1\r\n \r\n");
                }
                catch (IOException)
                {
                    // The server has ended it: its answer is there or on its way.
                    break;
                }
                await Task.Delay(100);
            }
            Assert.Equal(408, await status.WaitAsync(TimeSpan.FromSeconds(5), TestContext.Current.CancellationToken));
        }
    }

    /// <summary>Case 70: a prompt that was given up half computed is computed rightly when it comes again.</summary>
    [Fact]
    public async Task APromptThatWasGivenUpIsComputedRightlyTheNextTime()
    {
        string body = Bodies.Chat(string.Join(' ', Enumerable.Range(0, 300)) + " " + Bodies.Question, "\"temperature\": 0, \"max_tokens\": 12, \"logprobs\": true, \"top_logprobs\": 3");
        string expected;
        await using (Llama4Engine fresh = sample.NewEngine(new EngineOptions { CacheBytes = 32 << 20, StepRows = 64 }))
        await using (ServedClient served = await ServedClient.StartAsync(fresh))
        {
            expected = (await served.ChatAsync(body)).Ok().Json["choices"]!.ToJsonString();
        }
        await using Llama4Engine engine = sample.NewEngine(new EngineOptions { CacheBytes = 32 << 20, StepRows = 64 });
        await using ServedClient client = await ServedClient.StartAsync(engine);
        using (var held = new HeldStep(engine, step: 3))
        {
            using (var raw = new RawClient(client.Server))
            {
                await raw.ChatAsync(body);
                held.WaitUntilIn();
            }
            await Left(client, 1);
        }
        await engine.IsIdle();
        Reply again = (await client.ChatAsync(body)).Ok();
        Assert.True(again.Json["usage"]!["prompt_tokens_details"]!["cached_tokens"]!.GetValue<int>() > 0);
        Assert.Equal(expected, again.Json["choices"]!.ToJsonString());
    }

    [Fact]
    public async Task TimesAreBounded()
    {
        await using Llama4Engine engine = OwnEngine();
        await using (ServedClient served = await ServedClient.StartAsync(engine, options => options with { Limits = options.Limits with { RequestTime = TimeSpan.FromSeconds(0.5) } }))
        {
            (await served.ChatAsync(Bodies.Chat(more: Endless.Replace("true, \"max", "true, \"n\": 2, \"max", StringComparison.Ordinal).Replace(", \"stream\": true", "", StringComparison.Ordinal)))).Fails(504, "timeout");
            string[] events = (await served.ChatAsync(Bodies.Chat(more: Endless))).Ok().Body.Split("\n\n", StringSplitOptions.RemoveEmptyEntries);
            Assert.Contains("\"code\":\"timeout\"", events[^1], StringComparison.Ordinal);
            Assert.Contains("\"content\":", events[^2], StringComparison.Ordinal);
        }
        await using (ServedClient served = await ServedClient.StartAsync(engine, options => options with { Limits = options.Limits with { IdleTime = TimeSpan.FromSeconds(0.3) } }))
        {
            using var held = new HeldStep(engine, step: 4);
            string[] events = (await served.ChatAsync(Bodies.Chat(more: Endless))).Ok().Body.Split("\n\n", StringSplitOptions.RemoveEmptyEntries);
            Assert.Contains("\"code\":\"timeout\"", events[^1], StringComparison.Ordinal);
        }
        await engine.IsIdle();
        Assert.Equal(0, engine.UsedBytes);
    }

    /// <summary>Case 66.</summary>
    [Fact]
    public async Task OfTooManyRequestsSomeAreAskedToComeAgain()
    {
        await using Llama4Engine engine = sample.NewEngine(new EngineOptions { CacheBytes = 32 << 20, MaxLogitRows = 2, MaxQueue = 2 });
        await using ServedClient served = await ServedClient.StartAsync(engine, options => options with { Limits = options.Limits with { MaxOpenRequests = 16 } });
        Reply[] replies = await Task.WhenAll(Enumerable.Range(0, 1000).Select(_ => Task.Run(() => served.ChatAsync(Bodies.Chat(more: "\"max_tokens\": 8")))));
        Assert.All(replies, reply => Assert.Contains(reply.Status, new[] { HttpStatusCode.OK, HttpStatusCode.TooManyRequests }));
        Reply[] refused = [.. replies.Where(reply => reply.Status != HttpStatusCode.OK)];
        Assert.InRange(refused.Length, 1, 999);
        Assert.All(refused, reply => Assert.Contains(reply.Json["error"]!["code"]!.GetValue<string>(), new[] { "queue_full", "too_many_requests" }));
        Assert.All(refused, reply => Assert.InRange(reply.RetryAfter!.Value.TotalSeconds, 1, 60));
        (await served.ChatAsync(Bodies.Chat())).Ok();
    }

    [Fact]
    public async Task AFullQueueIsSaid()
    {
        await using Llama4Engine engine = sample.NewEngine(new EngineOptions { CacheBytes = 32 << 20, MaxLogitRows = 1, MaxQueue = 1 });
        await using ServedClient served = await ServedClient.StartAsync(engine);
        using var held = new HeldStep(engine);
        Task<Reply> first = served.ChatAsync(Bodies.Chat(more: "\"max_tokens\": 1"));
        held.WaitUntilIn();
        Task<Reply> second = served.ChatAsync(Bodies.Chat(more: "\"max_tokens\": 1"));
        while (engine.Waiting == 0)
        {
            await Task.Delay(1);
        }
        (await served.ChatAsync(Bodies.Chat())).Fails(429, "queue_full");
        held.LetGo();
        (await first).Ok();
        (await second).Ok();
    }

    [Fact]
    public async Task AnEngineThatIsGoneIsAnError()
    {
        Llama4Engine engine = OwnEngine();
        await using ServedClient served = await ServedClient.StartAsync(engine);
        Task<Reply> running = served.ChatAsync(Bodies.Chat(more: Endless));
        while (engine.Running == 0)
        {
            await Task.Delay(1);
        }
        await engine.DisposeAsync();
        Reply cut = await running;
        Assert.Contains("shutting_down", cut.Body, StringComparison.Ordinal);
        Assert.DoesNotContain("[DONE]", cut.Body, StringComparison.Ordinal);
        (await served.ChatAsync(Bodies.Chat())).Fails(503, "shutting_down");
    }

    /// <summary>Waits until so many clients were found to have left.</summary>
    private static async Task Left(ServedClient client, int count)
    {
        string line = $"llama4_http_requests_total{{route=\"/v1/chat/completions\",status=\"499\"}} {count}\n";
        for (int i = 0; i < 1500; i++)
        {
            if ((await client.GetAsync("metrics")).Body.Contains(line, StringComparison.Ordinal))
            {
                return;
            }
            await Task.Delay(20);
        }
        Assert.Fail("The client's leaving was not noticed.");
    }
}
