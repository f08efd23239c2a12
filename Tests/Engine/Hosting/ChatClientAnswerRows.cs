using System.Text.Json;
using Llama4Kernels.Engine.Generation;
using Llama4Kernels.Hosting;
using Microsoft.Extensions.AI;
using EngineMessage = Llama4Kernels.Engine.Chat.ChatMessage;
using EngineRole = Llama4Kernels.Engine.Chat.ChatRole;

namespace Llama4Kernels.Tests.Engine.Hosting;

/// <summary>A request and what must come of it.</summary>
internal sealed record AnswerRow(ChatOptions? Options, Func<ChatClientFixture, ChatResponse, Task> Check, params IReadOnlyList<ChatMessage> Messages);

/// <summary>Requests that are answered: every option that a client has, every content that the model takes.</summary>
internal static class ChatClientAnswerRows
{
    public const string Question = "How many experts does Scout have?";

    private const string Answer = "Scout has 16 experts.";
    private const string OfOne = """{"type": "object", "properties": {"n": {"enum": [8, 16]}}, "required": ["n"], "additionalProperties": false}""";

    private static readonly GenerationOptions s_greedy = new() { Temperature = 0 };

    public static IReadOnlyDictionary<string, AnswerRow> All { get; } = new Dictionary<string, AnswerRow>
    {
        ["no options"] = Row(null, response => Assert.NotEmpty(response.Text)),
        ["temperature"] = Says(new() { Temperature = 0 }, Answer),
        ["top k"] = Says(new() { Temperature = 5, TopK = 1 }, Answer),
        ["top p"] = Says(new() { Temperature = 1, TopP = 1e-6f }, Answer),
        ["seed"] = AsEngine(new() { Temperature = 2, Seed = 11, MaxOutputTokens = 12 }, new() { Temperature = 2, Seed = 11, MaxTokens = 12 }),
        ["seed below zero"] = AsEngine(new() { Temperature = 2, Seed = -1, MaxOutputTokens = 12 }, new() { Temperature = 2, Seed = ulong.MaxValue, MaxTokens = 12 }),
        ["frequency penalty"] = AsEngine(new() { Temperature = 0, FrequencyPenalty = 3, MaxOutputTokens = 12 }, s_greedy with { FrequencyPenalty = 3, MaxTokens = 12 }),
        ["presence penalty"] = AsEngine(new() { Temperature = 0, PresencePenalty = 30, MaxOutputTokens = 12 }, s_greedy with { PresencePenalty = 30, MaxTokens = 12 }),
        ["min_p"] = Says(new() { Temperature = 1, AdditionalProperties = new() { [Llama4Properties.MinP] = 1.0 } }, Answer),
        ["repetition_penalty"] = AsEngine(
            new() { Temperature = 0, MaxOutputTokens = 12, AdditionalProperties = new() { [Llama4Properties.RepetitionPenalty] = JsonElement.Parse("3") } }, s_greedy with { RepetitionPenalty = 3, MaxTokens = 12 }),
        ["logit_bias"] = AsEngine(
            new() { Temperature = 0, MaxOutputTokens = 5, AdditionalProperties = new() { [Llama4Properties.LogitBias] = new Dictionary<int, float> { [65] = 100 } } },
            s_greedy with { LogitBias = new Dictionary<int, float> { [65] = 100 }, MaxTokens = 5 }),
        ["logit_bias as JSON"] = AsEngine(
            new() { Temperature = 0, MaxOutputTokens = 5, AdditionalProperties = new() { [Llama4Properties.LogitBias] = JsonElement.Parse("""{"65": 100}""") } },
            s_greedy with { LogitBias = new Dictionary<int, float> { [65] = 100 }, MaxTokens = 5 }),
        ["priority and salt"] = Row(
            new() { Temperature = 0, AdditionalProperties = new() { [Llama4Properties.Priority] = 3L, [Llama4Properties.CacheSalt] = "a tenant of whom nobody knew" } },
            response => Assert.Equal(Answer, response.Text)),
        ["most tokens"] = Row(new() { Temperature = 0, MaxOutputTokens = 3 }, response =>
        {
            Assert.Equal((ChatFinishReason.Length, 3), (response.FinishReason!.Value, response.Usage!.OutputTokenCount!.Value));
            Assert.StartsWith(response.Text, Answer, StringComparison.Ordinal);
        }),
        ["stop text over several tokens"] = Says(new() { Temperature = 0, StopSequences = ["nowhere", " 16 ex"] }, "Scout has"),
        ["no stop texts"] = Says(new() { Temperature = 0, StopSequences = [] }, Answer),
        ["its model"] = Says(new() { Temperature = 0, ModelId = "nano" }, Answer),
        ["text asked for"] = Says(new() { Temperature = 0, ResponseFormat = ChatResponseFormat.Text }, Answer),
        ["no reasoning"] = Says(new() { Temperature = 0, Reasoning = new() { Effort = ReasoningEffort.None } }, Answer),
        ["leave to answer in the background"] = Says(new() { Temperature = 0, AllowBackgroundResponses = true }, Answer),
        ["JSON"] = Row(new() { Temperature = 0, ResponseFormat = ChatResponseFormat.Json, MaxOutputTokens = 20 }, response => Assert.StartsWith("{", response.Text, StringComparison.Ordinal)),
        ["a schema"] = Row(new() { Temperature = 0, ResponseFormat = ChatResponseFormat.ForJsonSchema(JsonElement.Parse(OfOne)) }, response =>
            Assert.Contains(JsonElement.Parse(response.Text).GetProperty("n").GetDouble(), new[] { 8.0, 16.0 })),
        ["the engine's options"] = Row(
            new() { Temperature = 0, MaxOutputTokens = 2, RawRepresentationFactory = _ => new GenerationOptions { Temperature = 5, MaxTokens = 9, TopK = 1 } },
            response => Assert.Equal(2, response.Usage!.OutputTokenCount)),
        ["instructions"] = AsEngine(
            new() { Temperature = 0, Instructions = "Answer shortly." }, s_greedy,
            [EngineMessage.FromText(EngineRole.System, "Answer shortly."), EngineMessage.FromText(EngineRole.User, Question)]),
        ["a system message"] = AsEngine(
            new() { Temperature = 0 }, s_greedy,
            [EngineMessage.FromText(EngineRole.System, "Answer shortly."), EngineMessage.FromText(EngineRole.User, Question)],
            new ChatMessage(ChatRole.System, "Answer shortly."), new ChatMessage(ChatRole.User, Question)),
        ["instructions before a system message"] = AsEngine(
            new() { Temperature = 0, Instructions = "First." }, s_greedy,
            [EngineMessage.FromText(EngineRole.System, "First."), EngineMessage.FromText(EngineRole.System, "Second."), EngineMessage.FromText(EngineRole.User, Question)],
            new ChatMessage(ChatRole.System, "Second."), new ChatMessage(ChatRole.User, Question)),
        ["a text in pieces"] = Says(new() { Temperature = 0 }, Answer, new ChatMessage(ChatRole.User, [new TextContent("How many exp"), new TextContent("erts does Scout have?")])),
        ["an earlier answer"] = AsEngine(
            new() { Temperature = 0 }, s_greedy,
            [EngineMessage.FromText(EngineRole.User, Question), EngineMessage.FromText(EngineRole.Assistant, Answer), EngineMessage.FromText(EngineRole.User, "Who are you?")],
            new ChatMessage(ChatRole.User, Question), new ChatMessage(ChatRole.Assistant, Answer), new ChatMessage(ChatRole.User, "Who are you?")),
        ["a picture"] = Picture(new DataContent(ChatClientFixture.Picture, "image/png")),
        ["a picture in an address"] = Picture(new UriContent(new DataContent(ChatClientFixture.Picture, "image/png").Uri, "image/png")),
        ["a picture to fetch"] = Picture(new UriContent("https://example.org/pictures/one.png", "image/png")),
        ["a tool that it may call"] = Calls(new() { Tools = [ChatClientFixture.Time, ChatClientFixture.Weather] }, "get_weather"),
        ["tools, each choice allowed"] = Calls(new() { Tools = [ChatClientFixture.Weather], ToolMode = ChatToolMode.Auto, AllowMultipleToolCalls = true }, "get_weather"),
        ["one call at the most"] = Calls(new() { Tools = [ChatClientFixture.Weather], AllowMultipleToolCalls = false }, "get_weather"),
        ["a tool by its schema"] = Calls(new() { Tools = [ChatClientFixture.Weather], AdditionalProperties = new() { [Llama4Properties.Strict] = true } }, "get_weather"),
        ["a tool that it must call"] = Calls(new() { Tools = [ChatClientFixture.Time, ChatClientFixture.Weather], ToolMode = ChatToolMode.RequireAny, AllowMultipleToolCalls = false }, "get_weather"),
        ["the tool that it must call"] = Calls(new() { Tools = [ChatClientFixture.Time, ChatClientFixture.Weather], ToolMode = ChatToolMode.RequireSpecific("get_time") }, "get_time"),
        ["no calls"] = Row(
            new() { Temperature = 0, MaxOutputTokens = 20, Tools = [ChatClientFixture.Weather], ToolMode = ChatToolMode.None },
            response => Assert.All(Assert.Single(response.Messages).Contents, content => Assert.IsType<TextContent>(content)),
            new ChatMessage(ChatRole.User, "What is the weather in Lima?")),
        ["no tools to choose from"] = Says(new() { Temperature = 0, Tools = [], ToolMode = ChatToolMode.None, AllowMultipleToolCalls = false }, Answer),
        ["a result"] = Row(
            new() { Temperature = 0, Tools = [ChatClientFixture.Weather] },
            response => Assert.Contains("22", response.Text, StringComparison.Ordinal),
            new ChatMessage(ChatRole.User, "What is the weather in Lima?"),
            new ChatMessage(ChatRole.Assistant, [new FunctionCallContent("1", "get_weather", new Dictionary<string, object?> { ["city"] = "Lima" })]),
            new ChatMessage(ChatRole.Tool, [new FunctionResultContent("1", JsonElement.Parse("""{"temperature": 22}"""))])),
    };

    private static AnswerRow Row(ChatOptions? options, Action<ChatResponse> check, params IReadOnlyList<ChatMessage> messages) => new(
        options,
        (_, response) =>
        {
            check(response);
            return Task.CompletedTask;
        },
        messages.Count > 0 ? messages : [new ChatMessage(ChatRole.User, Question)]);

    private static AnswerRow Says(ChatOptions options, string text, params IReadOnlyList<ChatMessage> messages) =>
        Row(options, response => Assert.Equal((text, ChatFinishReason.Stop), (response.Text, response.FinishReason!.Value)), messages);

    /// <summary>The answer is the engine's to the same prompt with the options that are meant.</summary>
    private static AnswerRow AsEngine(ChatOptions options, GenerationOptions meant, IReadOnlyList<EngineMessage>? prompt = null, params IReadOnlyList<ChatMessage> messages) => new(
        options,
        async (fixture, response) =>
        {
            (string text, Usage usage) = await fixture.AskEngine(meant, prompt ?? [EngineMessage.FromText(EngineRole.User, Question)]);
            Assert.Equal((text, usage.PromptTokens, usage.CompletionTokens), (response.Text, response.Usage!.InputTokenCount, response.Usage.OutputTokenCount));
        },
        messages.Count > 0 ? messages : [new ChatMessage(ChatRole.User, Question)]);

    private static AnswerRow Picture(AIContent picture) => Row(
        new() { Temperature = 0 },
        response =>
        {
            Assert.Equal("a green square and a purple square", response.Text);
            Assert.True(response.Usage!.AdditionalCounts![Llama4ChatClient.ImageTokenCount] > 0);
        },
        new ChatMessage(ChatRole.User, [picture, new TextContent("What is in the picture?")]));

    private static AnswerRow Calls(ChatOptions options, string name)
    {
        options.Temperature = 0;
        return Row(
            options,
            response =>
            {
                FunctionCallContent call = Assert.IsType<FunctionCallContent>(Assert.Single(Assert.Single(response.Messages).Contents));
                Assert.Equal((name, ChatFinishReason.ToolCalls), (call.Name, response.FinishReason!.Value));
                Assert.Equal("Lima", Assert.IsType<JsonElement>(call.Arguments!["city"]).GetString());
                Assert.NotEmpty(call.CallId);
            },
            new ChatMessage(ChatRole.User, "What is the weather in Lima?"));
    }
}
