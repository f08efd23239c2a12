using System.Text.Json;
using Llama4Kernels.Engine;
using Llama4Kernels.Engine.Generation;
using Llama4Kernels.Hosting;
using Microsoft.Extensions.AI;
using EngineConstraint = Llama4Kernels.Engine.Constraints.ITokenConstraint;

namespace Llama4Kernels.Tests.Engine.Hosting;

/// <summary>A request that is refused, with what, what the message names, and whether wrappers that write requests down can write it.</summary>
internal sealed record ErrorRow(ChatOptions? Options, Type Error, string Named, bool WrittenByWrappers, params IReadOnlyList<ChatMessage> Messages);

/// <summary>Requests that are refused: nothing that cannot be honoured is ignored.</summary>
internal static class ChatClientErrorRows
{
    private static readonly ChatMessage s_question = new(ChatRole.User, ChatClientAnswerRows.Question);
    private static readonly ChatMessage s_call = new(ChatRole.Assistant, [new FunctionCallContent("1", "get_weather"), new FunctionCallContent("2", "get_time")]);

    public static IReadOnlyDictionary<string, ErrorRow> All { get; } = new Dictionary<string, ErrorRow>
    {
        ["a conversation's id"] = Unsupported(new() { ConversationId = "7" }, "ConversationId"),
        ["an answer to resume"] = Unsupported(new() { ContinuationToken = ResponseContinuationToken.FromBytes(new byte[] { 1 }) }, "ContinuationToken"),
        ["reasoning"] = Unsupported(new() { Reasoning = new() { Effort = ReasoningEffort.High } }, "Reasoning"),
        ["another model"] = Unsupported(new() { ModelId = "other" }, "'other'"),
        ["a schema and tools"] = Unsupported(new() { ResponseFormat = ChatResponseFormat.Json, Tools = [ChatClientFixture.Weather] }, "ResponseFormat"),
        ["a tool of a service"] = Unsupported(new() { Tools = [new HostedWebSearchTool()] }, "HostedWebSearchTool"),
        ["options of another client"] = Unsupported(new() { RawRepresentationFactory = _ => new object() }, "RawRepresentationFactory"),
        ["two constraints"] = Unsupported(new() { ResponseFormat = ChatResponseFormat.Json, RawRepresentationFactory = _ => new GenerationOptions { Constraint = new AnyConstraint() } }, "ResponseFormat"),
        ["an unknown property"] = Unsupported(new() { AdditionalProperties = new() { ["min-p"] = 0.1 } }, "min-p"),
        ["a call without tools"] = Wrong(new() { ToolMode = ChatToolMode.RequireAny }, "ToolMode"),
        ["a call of no tool"] = Wrong(new() { Tools = [ChatClientFixture.Weather], ToolMode = ChatToolMode.RequireSpecific("get_time") }, "get_time"),
        ["a tool twice"] = Wrong(new() { Tools = [ChatClientFixture.Weather, ChatClientFixture.Weather] }, "get_weather"),
        ["temperature"] = Wrong(new() { Temperature = -1 }, "Temperature"),
        ["top p"] = Wrong(new() { TopP = 2 }, "TopP"),
        ["top k"] = Wrong(new() { TopK = 0 }, "TopK"),
        ["penalty"] = Wrong(new() { FrequencyPenalty = float.PositiveInfinity }, "FrequencyPenalty", written: false),
        ["most tokens"] = Wrong(new() { MaxOutputTokens = 0 }, "MaxTokens"),
        ["an empty stop text"] = Wrong(new() { StopSequences = ["x", ""] }, "stop string"),
        ["min_p as text"] = Wrong(Properties(Llama4Properties.MinP, "0.1"), "min_p"),
        ["min_p out of range"] = Wrong(Properties(Llama4Properties.MinP, 2), "MinP"),
        ["half a priority"] = Wrong(Properties(Llama4Properties.Priority, 1.5), "priority"),
        ["a large priority"] = Wrong(Properties(Llama4Properties.Priority, 1L << 40), "priority"),
        ["a salt that is no text"] = Wrong(Properties(Llama4Properties.CacheSalt, 3), "cache_salt"),
        ["strict as text"] = Wrong(Properties(Llama4Properties.Strict, "yes"), "strict"),
        ["logit_bias of words"] = Wrong(Properties(Llama4Properties.LogitBias, JsonElement.Parse("""{"the": 1}""")), "logit_bias"),
        ["logit_bias of texts"] = Wrong(Properties(Llama4Properties.LogitBias, JsonElement.Parse("""{"1": "2"}""")), "logit_bias"),
        ["logit_bias beyond the vocabulary"] = Wrong(Properties(Llama4Properties.LogitBias, new Dictionary<int, float> { [1 << 20] = 1 }), "1048576"),
        ["a schema that cannot be kept to"] = new(
            new() { ResponseFormat = ChatResponseFormat.ForJsonSchema(JsonElement.Parse("""{"type": "nothing"}""")) }, typeof(ConstraintException), "type", true, s_question),
        ["a long prompt"] = new(null, typeof(ContextOverflowException), "tokens", true, new ChatMessage(ChatRole.User, string.Concat(Enumerable.Repeat("word ", 20_000)))),
        ["no picture"] = new(null, typeof(ImageFormatException), "not an image", true, new ChatMessage(ChatRole.User, [new DataContent(new byte[] { 1, 2, 3 }, "image/png")])),
        ["a sound"] = Unsupported(null, "audio/wav", new ChatMessage(ChatRole.User, [new DataContent(new byte[] { 1 }, "audio/wav")])),
        ["the address of a film"] = Unsupported(null, "video/mp4", new ChatMessage(ChatRole.User, [new UriContent("https://example.org/a.mp4", "video/mp4")])),
        ["a picture of the system"] = Unsupported(null, "DataContent", new ChatMessage(ChatRole.System, [new DataContent(ChatClientFixture.Picture, "image/png")]), s_question),
        ["a picture of the assistant"] = Unsupported(null, "DataContent", s_question, new ChatMessage(ChatRole.Assistant, [new DataContent(ChatClientFixture.Picture, "image/png")]), s_question),
        ["thoughts"] = Unsupported(null, "TextReasoningContent", s_question, new ChatMessage(ChatRole.Assistant, [new TextReasoningContent("hm")]), s_question),
        ["a call of the user"] = Unsupported(null, "FunctionCallContent", new ChatMessage(ChatRole.User, [new FunctionCallContent("1", "f")])),
        ["a tool that talks"] = Unsupported(null, "TextContent", s_question, s_call, new ChatMessage(ChatRole.Tool, "sunny")),
        ["another role"] = Unsupported(null, "judge", new ChatMessage(new ChatRole("judge"), "guilty")),
        ["a result that is a picture"] = Unsupported(null, "DataContent", s_question, s_call, new ChatMessage(ChatRole.Tool, [new FunctionResultContent("1", new DataContent(ChatClientFixture.Picture, "image/png"))])),
        ["a result that is not JSON"] = Unsupported(null, "FunctionResultContent.Result", s_question, s_call, new ChatMessage(ChatRole.Tool, [new FunctionResultContent("1", typeof(string))])) with { WrittenByWrappers = false },
        ["an argument that is not JSON"] = Unsupported(
            null, "Arguments[\"x\"]", s_question, new ChatMessage(ChatRole.Assistant, [new FunctionCallContent("1", "f", new Dictionary<string, object?> { ["x"] = typeof(string) })]), s_question) with
        { WrittenByWrappers = false },
        ["no messages"] = new(null, typeof(ArgumentException), "nothing to answer", true),
        ["an answer at the end"] = Wrong(null, "nothing to answer", s_question, new ChatMessage(ChatRole.Assistant, "Yes.")),
        ["the system alone"] = Wrong(null, "nothing to answer", new ChatMessage(ChatRole.System, "Be kind.")),
        ["a call without result"] = Wrong(null, "'2' has no result", s_question, s_call, new ChatMessage(ChatRole.Tool, [new FunctionResultContent("1", "x")]), s_question),
        ["calls at the end"] = Wrong(null, "'1' has no result", s_question, s_call),
        ["a result without call"] = Wrong(null, "'1' belongs to no call", s_question, new ChatMessage(ChatRole.Tool, [new FunctionResultContent("1", "x")])),
        ["two results of a call"] = Wrong(null, "'1' has two results", s_question, s_call, new ChatMessage(ChatRole.Tool, [new FunctionResultContent("1", "x"), new FunctionResultContent("1", "y")])),
        ["two calls of an id"] = Wrong(null, "same id", s_question, new ChatMessage(ChatRole.Assistant, [new FunctionCallContent("1", "f"), new FunctionCallContent("1", "g")]), s_question),
    };

    private static ChatOptions Properties(string name, object value) => new() { AdditionalProperties = new() { [name] = value } };

    private static ErrorRow Unsupported(ChatOptions? options, string named, params IReadOnlyList<ChatMessage> messages) =>
        new(options, typeof(UnsupportedRequestException), named, true, messages.Count > 0 ? messages : [s_question]);

    private static ErrorRow Wrong(ChatOptions? options, string named, params IReadOnlyList<ChatMessage> messages) =>
        new(options, typeof(ArgumentException), named, true, messages.Count > 0 ? messages : [s_question]);

    private static ErrorRow Wrong(ChatOptions options, string named, bool written) => Wrong(options, named) with { WrittenByWrappers = written };

    /// <summary>Stands for a constraint; nothing asks it.</summary>
    private sealed class AnyConstraint : EngineConstraint
    {
        public ReadOnlySpan<int> ForcedTokens => throw new InvalidOperationException();

        public bool MayEnd => throw new InvalidOperationException();

        public void Accept(int id) => throw new InvalidOperationException();

        public void Allow(Llama4Kernels.Engine.Constraints.TokenMask mask) => throw new InvalidOperationException();

        public EngineConstraint Fork() => throw new InvalidOperationException();
    }
}
