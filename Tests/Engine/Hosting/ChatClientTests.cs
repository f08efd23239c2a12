using System.Diagnostics;
using System.Text.Json;
using System.Text.Json.Serialization;
using Llama4Kernels.Engine.Chat;
using Llama4Kernels.Engine.Generation;
using Llama4Kernels.Engine.Model;
using Llama4Kernels.Engine.Serving;
using Llama4Kernels.Hosting;
using Microsoft.Extensions.AI;
using Microsoft.Extensions.Caching.Distributed;
using Microsoft.Extensions.Logging;
using ChatMessage = Microsoft.Extensions.AI.ChatMessage;
using ChatRole = Microsoft.Extensions.AI.ChatRole;
using EngineText = Llama4Kernels.Engine.Chat.TextContent;
using TextContent = Microsoft.Extensions.AI.TextContent;

namespace Llama4Kernels.Tests.Engine.Hosting;

/// <summary>What the client does over time, and with what stands around it.</summary>
public sealed class ChatClientTests(ChatClientFixture fixture) : IClassFixture<ChatClientFixture>
{
    private static readonly ChatOptions s_greedy = new() { Temperature = 0 };

    [Fact]
    public async Task ManyAtOnceGetWhatEachWouldGetAlone()
    {
        string[] questions = ["How many experts does Scout have?", "Who are you?", "What is your knowledge cutoff?", "How many experts does each token use?"];
        string[] alone = [.. await Task.WhenAll(questions.Select(Ask))];
        string[] together = await Task.WhenAll(Enumerable.Range(0, 16).Select(i => Ask(questions[i % questions.Length])));
        Assert.Equal(Enumerable.Range(0, 16).Select(i => alone[i % questions.Length]), together);

        async Task<string> Ask(string question) => (await fixture.Client.GetResponseAsync(question, s_greedy)).Text;
    }

    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public async Task WhoLeavesGivesTheRequestUp(bool cancel)
    {
        using var source = new CancellationTokenSource();
        ChatOptions endless = new() { RawRepresentationFactory = _ => new GenerationOptions { IgnoreEos = true } };
        int read = 0;
        try
        {
            await foreach (ChatResponseUpdate _ in fixture.Client.GetStreamingResponseAsync("Who are you?", endless, source.Token))
            {
                if (++read == 3)
                {
                    if (!cancel)
                    {
                        break;
                    }
                    source.Cancel();
                }
            }
            Assert.False(cancel);
        }
        catch (OperationCanceledException) when (cancel)
        {
        }
        Assert.Equal(3, read);
        await Idle(fixture.Engine);
        await Assert.ThrowsAnyAsync<OperationCanceledException>(() => fixture.Client.GetResponseAsync("Who are you?", s_greedy, new CancellationToken(canceled: true)));
    }

    [Fact]
    public async Task NothingIsAskedBeforeTheFirstUpdateIs()
    {
        _ = fixture.Client.GetStreamingResponseAsync("Who are you?", new ChatOptions { ConversationId = "7" });
        Assert.Throws<ArgumentNullException>(() => { _ = fixture.Client.GetStreamingResponseAsync((IEnumerable<ChatMessage>)null!); });
        await Assert.ThrowsAsync<ArgumentNullException>(() => fixture.Client.GetResponseAsync((IEnumerable<ChatMessage>)null!));
        Assert.Throws<ArgumentNullException>(() => new Llama4ChatClient(null!));
    }

    /// <summary>Messages and options are the caller's: what becomes of them later is not seen.</summary>
    [Fact]
    public async Task ARequestIsWhatItWasWhenItWasMade()
    {
        List<ChatMessage> messages = [new(ChatRole.User, "How many experts does Scout have?")];
        ChatOptions options = new() { Temperature = 0 };
        IAsyncEnumerable<ChatResponseUpdate> stream = fixture.Client.GetStreamingResponseAsync(messages, options);
        messages.Clear();
        options.Temperature = -1;
        Assert.Equal("Scout has 16 experts.", (await stream.ToChatResponseAsync()).Text);
    }

    [Fact]
    public async Task ADisposedEngineIsAnErrorAndADisposedClientIsNot()
    {
        var engine = new Llama4Engine(fixture.Model);
        IChatClient client = new Llama4ChatClient(engine), other = new Llama4ChatClient(engine);
        client.Dispose();
        client.Dispose();
        Assert.Equal("Scout has 16 experts.", (await other.GetResponseAsync("How many experts does Scout have?", s_greedy)).Text);
        await using IAsyncEnumerator<ChatResponseUpdate> stream = other.GetStreamingResponseAsync("Who are you?", new() { RawRepresentationFactory = _ => new GenerationOptions { IgnoreEos = true } }).GetAsyncEnumerator();
        Assert.True(await stream.MoveNextAsync());
        await engine.DisposeAsync();
        await Assert.ThrowsAsync<ObjectDisposedException>(async () =>
        {
            while (await stream.MoveNextAsync())
            {
            }
        });
        await Assert.ThrowsAsync<ObjectDisposedException>(() => other.GetResponseAsync("Who are you?", s_greedy));
    }

    [Fact]
    public async Task PicturesNeedEyesAndAddressesAFetcher()
    {
        using Llama4Model blind = Llama4Model.Load(GoldenFiles.SampleModel, new ModelOptions { LoadVision = false });
        await using var engine = new Llama4Engine(blind);
        var client = new Llama4ChatClient(engine);
        UnsupportedRequestException error = await Assert.ThrowsAsync<UnsupportedRequestException>(() => client.GetResponseAsync(new ChatMessage(ChatRole.User, [new DataContent(ChatClientFixture.Picture, "image/png")])));
        Assert.Equal(("DataContent", true), (error.Subject, error.Reason.Contains("vision tower", StringComparison.Ordinal)));
        error = await Assert.ThrowsAsync<UnsupportedRequestException>(() => client.GetResponseAsync(new ChatMessage(ChatRole.User, [new UriContent("https://example.org/one.png", "image/png")])));
        Assert.Contains(nameof(IPictureFetcher), error.Reason, StringComparison.Ordinal);
        // What a fetcher throws is the request's error.
        await Assert.ThrowsAsync<FileNotFoundException>(() => fixture.Client.GetResponseAsync(new ChatMessage(ChatRole.User, [new UriContent("https://example.org/absent.png", "image/png")])));
    }

    [Fact]
    public async Task LogProbabilitiesAndTokensAreInTheEnginesUpdates()
    {
        ChatOptions options = new() { RawRepresentationFactory = _ => new GenerationOptions { Temperature = 0, Logprobs = true, TopLogprobs = 2 } };
        List<GenerationUpdate> raw = [];
        await foreach (ChatResponseUpdate update in fixture.Client.GetStreamingResponseAsync("How many experts does Scout have?", options))
        {
            raw.Add(Assert.IsType<GenerationUpdate>(update.RawRepresentation));
        }
        Assert.Equal(7, raw.SkipLast(1).Count(update => update.TopLogprobs.Count == 2));
    }

    [Fact]
    public async Task ResultsFollowInTheOrderOfTheirCalls()
    {
        ChatMessage[] messages =
        [
            new(ChatRole.User, "Both?"),
            new(ChatRole.Assistant, [new TextContent("So"), new FunctionCallContent("a", "f", new Dictionary<string, object?> { ["x"] = 1, ["y"] = null, ["z"] = JsonElement.Parse("[true]") }), new FunctionCallContent("b", "g")]),
            new(ChatRole.Tool, [new FunctionResultContent("b", "of g")]),
            new(ChatRole.Tool, [new FunctionResultContent("a", new Dictionary<string, int> { ["of"] = 1 })]),
        ];
        IReadOnlyList<Llama4Kernels.Engine.Chat.ChatMessage> read = await new RequestMessages(fixture.Model, null).ReadAsync(messages, default);
        Assert.Equal(["Both?", "So", """{"of": 1}""", "of g"], read.Select(message => Assert.IsType<EngineText>(Assert.Single(message.Content)).Text));
        Assert.Equal(["""f {"x":1,"y":null,"z":[true]}""", "g {}"], read[1].ToolCalls.Select(call => $"{call.Name} {call.Arguments.ToJsonString()}"));
    }

    [Theory]
    [InlineData("as it is", "as it is")]
    [InlineData(null, "null")]
    [InlineData(2.5, "2.5")]
    public void ResultsAreTextOrJson(object? result, string text)
    {
        Assert.Equal(text, Text(new FunctionResultContent("1", result)));
        Assert.Equal("Error: the function failed.", Text(new FunctionResultContent("1", null) { Exception = new InvalidOperationException("secret") }));
        Assert.Equal("t", Text(new FunctionResultContent("1", new TextContent("t"))));
        // As AIFunction gives the results of methods, and as the model was taught.
        Assert.Equal("[\"\\u00e9\", {\"a\": 1}]", Text(new FunctionResultContent("1", JsonElement.Parse("""["é",{"a":1}]"""))));

        static string Text(FunctionResultContent content) => Assert.IsType<EngineText>(Assert.Single(ToolContents.Result(content).Content)).Text;
    }

    [Fact]
    public void ACallWithoutNamedArgumentsSaysSo()
    {
        FunctionCallContent call = ToolContents.FromModel(new ToolCall("f", System.Text.Json.Nodes.JsonNode.Parse("[1]")!));
        Assert.Null(call.Arguments);
        Assert.Contains("[1]", call.Exception!.Message, StringComparison.Ordinal);
    }

    [Fact]
    public async Task FunctionsAreInvokedAroundItAndTheResultIsAnswered()
    {
        List<string> asked = [];
        AIFunction weather = AIFunctionFactory.Create(
            (string city) =>
            {
                asked.Add(city);
                return new Dictionary<string, int> { ["temperature"] = 22 };
            },
            "get_weather", "Weather in a city");
        ChatResponse response = await fixture.Wrap("functions").GetResponseAsync("What is the weather in Lima?", new ChatOptions { Temperature = 0, Tools = [weather], AdditionalProperties = new() { [Llama4Properties.Strict] = true } });
        Assert.Equal(["Lima"], asked);
        Assert.Contains("22", response.Text, StringComparison.Ordinal);
        Assert.Equal([ChatRole.Assistant, ChatRole.Tool, ChatRole.Assistant], response.Messages.Select(message => message.Role));
        // Of both requests.
        Assert.True(response.Usage!.InputTokenCount > response.Usage.CachedInputTokenCount && response.Usage.CachedInputTokenCount > 0);
    }

    [Fact]
    public async Task AnswersKeepToATypesSchema()
    {
        ChatResponse<Experts> response = await fixture.Client.GetResponseAsync<Experts>("How many experts does Scout have?", options: new ChatOptions { Temperature = 0, MaxOutputTokens = 200 });
        Assert.Equal(response.Result.Many ? """{"many":true}""" : """{"many":false}""", response.Text);
    }

    [Fact]
    public async Task WhatIsCachedAnswersAgainWithoutTheEngine()
    {
        IDistributedCache cache = ChatClientFixture.NewCache();
        IChatClient client = fixture.Client.AsBuilder().UseDistributedCache(cache).Build();
        string first = (await client.GetResponseAsync("Who are you?", s_greedy)).Text;
        long steps = fixture.Engine.Steps;
        Assert.Equal(first, (await client.GetResponseAsync("Who are you?", s_greedy)).Text);
        Assert.Equal(steps, fixture.Engine.Steps);
    }

    [Fact]
    public async Task ASecondTurnAndATenantOfThatNameReuseWhatIsCached()
    {
        List<ChatMessage> messages = [new(ChatRole.User, "How many experts does Scout have?")];
        ChatOptions tenant = new() { Temperature = 0, AdditionalProperties = new() { [Llama4Properties.CacheSalt] = "one tenant" } };
        ChatResponse first = await fixture.Client.GetResponseAsync(messages, tenant);
        Assert.Equal(0, first.Usage!.CachedInputTokenCount);
        messages.AddMessages(first);
        messages.Add(new ChatMessage(ChatRole.User, "And Maverick?"));
        ChatResponse second = await fixture.Client.GetResponseAsync(messages, tenant);
        Assert.True(second.Usage!.CachedInputTokenCount >= first.Usage.InputTokenCount);
        ChatResponse stranger = await fixture.Client.GetResponseAsync(messages, new ChatOptions { Temperature = 0, AdditionalProperties = new() { [Llama4Properties.CacheSalt] = "another tenant" } });
        Assert.Equal((0, second.Text), (stranger.Usage!.CachedInputTokenCount, stranger.Text));
    }

    [Fact]
    public async Task TelemetryNamesTheModelAndTheTokens()
    {
        List<Activity> spans = [];
        using var listener = new ActivityListener
        {
            ShouldListenTo = source => source.Name == nameof(TelemetryNamesTheModelAndTheTokens),
            Sample = (ref ActivityCreationOptions<ActivityContext> _) => ActivitySamplingResult.AllData,
            ActivityStopped = spans.Add,
        };
        ActivitySource.AddActivityListener(listener);
        IChatClient client = fixture.Client.AsBuilder().UseOpenTelemetry(sourceName: nameof(TelemetryNamesTheModelAndTheTokens)).Build();
        ChatResponse response = await client.GetResponseAsync("Who are you?", s_greedy);
        Activity span = Assert.Single(spans);
        Assert.Equal("llama4kernels", span.GetTagItem("gen_ai.provider.name"));
        Assert.Equal("nano", span.GetTagItem("gen_ai.response.model"));
        Assert.Equal(response.Usage!.OutputTokenCount, Convert.ToInt64(span.GetTagItem("gen_ai.usage.output_tokens"), System.Globalization.CultureInfo.InvariantCulture));
        Assert.DoesNotContain(span.TagObjects, tag => tag.Value is string text && text.Contains("Who are you", StringComparison.Ordinal));
    }

    [Fact]
    public async Task LoggingBelowTraceHasNoPrompt()
    {
        var log = new LogLines();
        using ILoggerFactory factory = LoggerFactory.Create(logging => logging.SetMinimumLevel(LogLevel.Debug).AddProvider(log));
        await fixture.Client.AsBuilder().UseLogging(factory).Build().GetResponseAsync("Who are you?", s_greedy);
        Assert.NotEmpty(log.Lines);
        Assert.DoesNotContain(log.Lines, line => line.Contains("Who are you", StringComparison.Ordinal));
    }

    private static async Task Idle(Llama4Engine engine)
    {
        for (int i = 0; engine is not { Running: 0, Waiting: 0 }; i++)
        {
            Assert.True(i < 500, "The request still runs.");
            await Task.Delay(10);
        }
    }

    [JsonUnmappedMemberHandling(JsonUnmappedMemberHandling.Disallow)]
    private sealed record Experts(bool Many);
}
