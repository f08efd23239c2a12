using System.Text.Json.Nodes;
using Llama4Kernels.Engine.Chat;
using Llama4Kernels.Engine.Generation;
using Llama4Kernels.Engine.Serving;

namespace Llama4Kernels.Tests.Tools.Serving;

/// <summary>Chats over HTTP give what the engine gives, whole and streamed.</summary>
[Collection(SampleServer.Name)]
public sealed class ChatCompletionTests(SampleServer sample)
{
    private ServedClient Client => sample.Client;

    [Fact]
    public async Task AnAnswerIsTheEngines()
    {
        string expected = await EngineAnswer(Bodies.Question, new GenerationOptions { Temperature = 0 });
        Reply reply = (await Client.ChatAsync(Bodies.Chat())).Ok();
        Assert.Contains("16", expected, StringComparison.Ordinal);
        Assert.Equal(expected, reply.Text);
        JsonNode json = reply.Json;
        Assert.Equal("chat.completion", json["object"]!.GetValue<string>());
        Assert.Equal("sample-model", json["model"]!.GetValue<string>());
        Assert.Equal("assistant", json["choices"]![0]!["message"]!["role"]!.GetValue<string>());
        Assert.Equal("stop", json["choices"]![0]!["finish_reason"]!.GetValue<string>());
        JsonNode usage = json["usage"]!;
        Assert.True(usage["prompt_tokens"]!.GetValue<int>() > 5);
        Assert.Equal(usage["total_tokens"]!.GetValue<int>(), usage["prompt_tokens"]!.GetValue<int>() + usage["completion_tokens"]!.GetValue<int>());
    }

    [Fact]
    public async Task AStreamIsTheAnswerInPieces()
    {
        string whole = (await Client.ChatAsync(Bodies.Chat())).Ok().Text;
        Reply reply = await Client.ChatAsync(Bodies.Chat(more: "\"temperature\": 0, \"stream\": true, \"stream_options\": {\"include_usage\": true}"));
        JsonNode[] events = reply.Events;
        JsonNode[] deltas = reply.Deltas();
        Assert.Equal("assistant", deltas[0]["role"]!.GetValue<string>());
        Assert.Equal(whole, string.Concat(deltas.Select(delta => delta["content"]?.GetValue<string>())));
        Assert.True(deltas.Length > 4);
        Assert.Single(events.Select(one => one["id"]!.GetValue<string>()).Distinct());
        Assert.All(events[..^1], one => Assert.True(one.AsObject().ContainsKey("usage") && one["usage"] is null));
        Assert.Equal(["stop"], events.SelectMany(one => one["choices"]!.AsArray()).Select(one => one!["finish_reason"]?.GetValue<string>()).OfType<string>());
        Assert.Empty(events[^1]["choices"]!.AsArray());
        Assert.True(events[^1]["usage"]!["completion_tokens"]!.GetValue<int>() > 4);
    }

    [Theory]
    [InlineData("\"tool_choice\": \"auto\"")]
    [InlineData("\"tool_choice\": \"required\"")]
    [InlineData("\"tool_choice\": {\"type\": \"function\", \"function\": {\"name\": \"get_time\"}}")]
    [InlineData("\"parallel_tool_calls\": false")]
    public async Task AToolIsCalledAndItsResultTaken(string choice)
    {
        JsonNode message = (await Client.ChatAsync(Bodies.Tools(choice))).Ok().Json["choices"]![0]!;
        Assert.Equal("tool_calls", message["finish_reason"]!.GetValue<string>());
        message = message["message"]!;
        Assert.Null(message["content"]);
        JsonNode call = Assert.Single(message["tool_calls"]!.AsArray())!;
        Assert.Equal("get_time", call["function"]!["name"]!.GetValue<string>());
        Assert.Equal("""{"city":"Oslo"}""", call["function"]!["arguments"]!.GetValue<string>());

        JsonNode next = JsonNode.Parse(Bodies.Tools("\"tool_choice\": \"none\""))!;
        next["messages"]!.AsArray().Add(message.DeepClone());
        next["messages"]!.AsArray().Add(new JsonObject { ["role"] = "tool", ["tool_call_id"] = call["id"]!.DeepClone(), ["content"] = """{"time": "14:05"}""" });
        Assert.Contains("14:05", (await Client.ChatAsync(next.ToJsonString())).Ok().Text, StringComparison.Ordinal);
    }

    [Fact]
    public async Task CallsAreStreamedWhole()
    {
        Reply reply = await Client.ChatAsync(Bodies.Tools("\"stream\": true"));
        JsonNode call = Assert.Single(reply.Deltas().Where(delta => delta["tool_calls"] is not null).SelectMany(delta => delta["tool_calls"]!.AsArray()))!;
        Assert.Equal(0, call["index"]!.GetValue<int>());
        Assert.StartsWith("call_", call["id"]!.GetValue<string>(), StringComparison.Ordinal);
        Assert.Equal("""{"city":"Oslo"}""", call["function"]!["arguments"]!.GetValue<string>());
        Assert.Equal(string.Empty, string.Concat(reply.Deltas().Select(delta => delta["content"]?.GetValue<string>())));
        Assert.Equal("tool_calls", reply.Events[^1]["choices"]![0]!["finish_reason"]!.GetValue<string>());
    }

    [Fact]
    public async Task ResultsOfToolsComeInTheOrderOfTheCalls()
    {
        string Ask(string first, string second) => $$$"""
            {"temperature": 0, "tools": [{{{Bodies.TimeTool}}}], "messages": [
            {"role": "user", "content": "What time is it in Oslo and in Lima?"},
            {"role": "assistant", "content": null, "tool_calls": [
              {"id": "a", "type": "function", "function": {"name": "get_time", "arguments": "{\"city\": \"Oslo\"}"}},
              {"id": "b", "type": "function", "function": {"name": "get_time", "arguments": "{\"city\": \"Lima\"}"}}]},
            {{{first}}}, {{{second}}}]}
            """;
        const string A = """{"role": "tool", "tool_call_id": "a", "content": "{\"time\": \"14:05\"}"}""", B = """{"role": "tool", "tool_call_id": "b", "content": "{\"time\": \"08:05\"}"}""";
        Assert.Equal((await Client.ChatAsync(Ask(A, B))).Ok().Text, (await Client.ChatAsync(Ask(B, A))).Ok().Text);
        (await Client.ChatAsync(Ask(A, A))).Fails(400, "invalid_value", "messages[3].tool_call_id");
    }

    [Fact]
    public async Task APictureIsSeen()
    {
        JsonNode reply = (await Client.ChatAsync(Bodies.AboutPicture(Bodies.Picture("one.png")))).Ok().Json;
        Assert.NotEmpty(reply["choices"]![0]!["message"]!["content"]!.GetValue<string>());
        Assert.True(reply["usage"]!["prompt_tokens_details"]!["image_tokens"]!.GetValue<int>() >= 16);
    }

    [Fact]
    public async Task ChoicesAreSeveralWithSeedsOfTheirOwn()
    {
        const string More = "\"temperature\": 1.5, \"top_p\": 1, \"seed\": 7, \"n\": 3, \"max_tokens\": 12";
        string[] Texts(Reply reply) => [.. reply.Ok().Json["choices"]!.AsArray().Select(choice => choice!["message"]!["content"]!.GetValue<string>())];
        string[] first = Texts(await Client.ChatAsync(Bodies.Chat("Tell me a story of a dog and a cat.", More)));
        Assert.Equal(3, first.Distinct().Count());
        Assert.Equal(first, Texts(await Client.ChatAsync(Bodies.Chat("Tell me a story of a dog and a cat.", More))));
        Assert.Equal(first[1], (await Client.ChatAsync(Bodies.Chat("Tell me a story of a dog and a cat.", More.Replace("\"seed\": 7, \"n\": 3", "\"seed\": 8", StringComparison.Ordinal)))).Ok().Text);
        Reply streamed = await Client.ChatAsync(Bodies.Chat("Tell me a story of a dog and a cat.", More + ", \"stream\": true"));
        Assert.Equal(first, Enumerable.Range(0, 3).Select(choice => string.Concat(streamed.Deltas(choice).Select(delta => delta["content"]?.GetValue<string>()))));
    }

    [Fact]
    public async Task LogprobsAreThoseOfTheTextsTokens()
    {
        const string More = "\"temperature\": 0, \"logprobs\": true, \"top_logprobs\": 2";
        Reply reply = (await Client.ChatAsync(Bodies.Chat(more: More))).Ok();
        JsonNode[] tokens = [.. reply.Json["choices"]![0]!["logprobs"]!["content"]!.AsArray().Select(token => token!)];
        Assert.Equal(reply.Text, string.Concat(tokens.Select(token => token["token"]!.GetValue<string>())));
        Assert.All(tokens, token => Assert.Equal(2, token["top_logprobs"]!.AsArray().Count));
        Assert.All(tokens, token => Assert.Equal(token["logprob"]!.GetValue<double>(), token["top_logprobs"]![0]!["logprob"]!.GetValue<double>()));
        Reply streamed = await Client.ChatAsync(Bodies.Chat(more: More + ", \"stream\": true"));
        Assert.Equal(
            tokens.Select(token => token.ToJsonString()),
            streamed.Events.SelectMany(one => one["choices"]!.AsArray()).SelectMany(one => one!["logprobs"]?["content"]?.AsArray() ?? []).Select(token => token!.ToJsonString()));
    }

    [Fact]
    public async Task LimitsStopsAndBiasesAreKept()
    {
        string whole = (await Client.ChatAsync(Bodies.Chat())).Ok().Text;
        JsonNode cut = (await Client.ChatAsync(Bodies.Chat(more: "\"temperature\": 0, \"max_completion_tokens\": 3"))).Ok().Json;
        Assert.Equal("length", cut["choices"]![0]!["finish_reason"]!.GetValue<string>());
        Assert.Equal(3, cut["usage"]!["completion_tokens"]!.GetValue<int>());
        string stop = whole.Split(' ')[2];
        Reply stopped = await Client.ChatAsync(Bodies.Chat(more: $"\"temperature\": 0, \"stop\": [\"{stop}\"]"));
        Assert.Equal(whole[..whole.IndexOf(stop, StringComparison.Ordinal)], stopped.Ok().Text);
        int[] ids = sample.Engine.Model.Tokenizer.Encode(whole);
        string other = (await Client.ChatAsync(Bodies.Chat(more: $"\"temperature\": 0, \"max_tokens\": 1, \"logit_bias\": {{\"{ids[0]}\": -100}}"))).Ok().Text;
        Assert.NotEqual(ids[0], sample.Engine.Model.Tokenizer.Encode(other)[0]);
    }

    [Fact]
    public async Task AnAnswerKeepsToASchema()
    {
        const string Schema = """{"type": "object", "properties": {"experts": {"type": "integer", "enum": [16, 128]}}, "required": ["experts"], "additionalProperties": false}""";
        const string Format = "\"temperature\": 0, \"response_format\": {\"type\": \"json_schema\", \"json_schema\": {\"name\": \"count\", \"strict\": true, \"schema\": " + Schema + "}}";
        JsonNode answer = JsonNode.Parse((await Client.ChatAsync(Bodies.Chat(more: Format))).Ok().Text)!;
        Assert.Contains(answer["experts"]!.GetValue<double>(), new[] { 16.0, 128.0 });
        (await Client.ChatAsync(Bodies.Chat(more: $"{Format}, \"tools\": [{Bodies.TimeTool}], \"tool_choice\": \"none\""))).Ok();
        (await Client.ChatAsync(Bodies.Chat(more: $"{Format}, \"tools\": [{Bodies.TimeTool}]"))).Fails(400, "unsupported_value", "response_format");
    }

    private async Task<string> EngineAnswer(string question, GenerationOptions options)
    {
        Conversation conversation = sample.Engine.CreateConversation(new ConversationOptions { Generation = options });
        conversation.Add(ChatMessage.FromText(ChatRole.User, question));
        await foreach (GenerationUpdate _ in conversation.AnswerAsync())
        {
        }
        return conversation.Answer!.Text;
    }
}
