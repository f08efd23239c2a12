using System.Text.Json.Nodes;

namespace Llama4Kernels.Tests.Tools.Serving;

/// <summary>Responses say what chats say, in their own form, whole and as events.</summary>
[Collection(SampleServer.Name)]
public sealed class ResponsesTests(SampleServer sample)
{
    private const string Path = "v1/responses";
    private const string FlatTool = """{"type": "function", "name": "get_time", "description": "Time in a city", "parameters": {"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]}}""";

    private ServedClient Client => sample.Client;

    [Fact]
    public async Task AResponseIsTheChatsAnswer()
    {
        string expected = (await Client.ChatAsync(Bodies.Chat())).Ok().Text;
        JsonNode response = (await Client.PostAsync(Path, $$$"""{"model": "sample-model", "input": "{{{Bodies.Question}}}", "temperature": 0, "metadata": {"a": "b"}}""")).Ok().Json;
        Assert.Equal("completed", response["status"]!.GetValue<string>());
        JsonNode message = Assert.Single(response["output"]!.AsArray())!;
        Assert.Equal(expected, message["content"]![0]!["text"]!.GetValue<string>());
        Assert.Equal("b", response["metadata"]!["a"]!.GetValue<string>());
        Assert.Equal(response["usage"]!["total_tokens"]!.GetValue<int>(), response["usage"]!["input_tokens"]!.GetValue<int>() + response["usage"]!["output_tokens"]!.GetValue<int>());
        JsonNode parts = (await Client.PostAsync(Path, $$"""{"input": [{"role": "user", "content": [{"type": "input_text", "text": "{{Bodies.Question}}"}]}], "temperature": 0}""")).Ok().Json;
        Assert.Equal(expected, parts["output"]![0]!["content"]![0]!["text"]!.GetValue<string>());
    }

    [Fact]
    public async Task EventsTellOfEveryPart()
    {
        JsonNode[] events = Events(await Client.PostAsync(Path, $$"""{"input": "{{Bodies.Question}}", "temperature": 0, "stream": true}"""));
        string[] kinds = [.. events.Select(Kind)];
        Assert.Equal(["response.created", "response.in_progress", "response.output_item.added", "response.content_part.added", "response.output_text.delta"], kinds[..5]);
        Assert.Equal(["response.output_text.done", "response.content_part.done", "response.output_item.done", "response.completed"], kinds[^4..]);
        Assert.All(kinds[5..^4], kind => Assert.Equal("response.output_text.delta", kind));
        Assert.Equal(Enumerable.Range(0, events.Length), events.Select(one => one["sequence_number"]!.GetValue<int>()));
        string text = string.Concat(events.Where(one => Kind(one) == "response.output_text.delta").Select(one => one["delta"]!.GetValue<string>()));
        Assert.Equal(text, events[^4]["text"]!.GetValue<string>());
        Assert.Equal(text, events[^1]["response"]!["output"]![0]!["content"]![0]!["text"]!.GetValue<string>());
    }

    [Fact]
    public async Task AToolIsCalledAndItsResultTaken()
    {
        string Body(string input, string more) => $$"""{"input": {{input}}, "temperature": 0, "tools": [{{FlatTool}}], {{more}}}""";
        JsonNode[] events = Events(await Client.PostAsync(Path, Body("\"What time is it in Oslo?\"", "\"stream\": true")));
        JsonNode done = Assert.Single(events, one => Kind(one) == "response.function_call_arguments.done");
        Assert.Equal("""{"city":"Oslo"}""", done["arguments"]!.GetValue<string>());
        JsonNode call = Assert.Single(events[^1]["response"]!["output"]!.AsArray())!;
        Assert.Equal("function_call", call["type"]!.GetValue<string>());
        JsonArray input = [JsonNode.Parse("""{"role": "user", "content": "What time is it in Oslo?"}"""), call.DeepClone(), new JsonObject { ["type"] = "function_call_output", ["call_id"] = call["call_id"]!.DeepClone(), ["output"] = """{"time": "14:05"}""" }];
        JsonNode response = (await Client.PostAsync(Path, Body(input.ToJsonString(), "\"tool_choice\": \"none\""))).Ok().Json;
        Assert.Contains("14:05", response["output"]![0]!["content"]![0]!["text"]!.GetValue<string>(), StringComparison.Ordinal);
        input.RemoveAt(2);
        (await Client.PostAsync(Path, Body(input.ToJsonString(), "\"tool_choice\": \"none\""))).Fails(400, "invalid_value", "input");
    }

    [Fact]
    public async Task APictureIsSeenAndALimitSaysSo()
    {
        JsonNode response = (await Client.PostAsync(Path, $$"""
            {"input": [{"role": "user", "content": [{"type": "input_image", "image_url": "{{Bodies.Picture("one.png")}}"}, {"type": "input_text", "text": "What is in the picture?"}]}],
             "temperature": 0, "max_output_tokens": 1, "top_logprobs": 2, "include": ["message.output_text.logprobs"]}
            """)).Ok().Json;
        Assert.Equal("incomplete", response["status"]!.GetValue<string>());
        Assert.Equal("max_output_tokens", response["incomplete_details"]!["reason"]!.GetValue<string>());
        Assert.True(response["usage"]!["input_tokens_details"]!["image_tokens"]!.GetValue<int>() >= 16);
        Assert.Equal(2, response["output"]![0]!["content"]![0]!["logprobs"]![0]!["top_logprobs"]!.AsArray().Count);
    }

    [Fact]
    public async Task TextKeepsToASchema()
    {
        JsonNode response = (await Client.PostAsync(Path, $$$$$"""
            {"input": "{{{{{Bodies.Question}}}}}", "instructions": "Answer in JSON.", "temperature": 0,
             "text": {"format": {"type": "json_schema", "name": "count", "schema": {"enum": [16, 128]}}}}
            """)).Ok().Json;
        Assert.Contains(response["output"]![0]!["content"]![0]!["text"]!.GetValue<string>(), new[] { "16", "128" });
        Assert.Equal("Answer in JSON.", response["instructions"]!.GetValue<string>());
    }

    [Theory]
    [InlineData("\"previous_response_id\": \"resp_1\"", "unsupported_value", "previous_response_id")]
    [InlineData("\"background\": true", "unsupported_value", "background")]
    [InlineData("\"store\": true", "unsupported_value", "store")]
    [InlineData("\"truncation\": \"auto\"", "unsupported_value", "truncation")]
    [InlineData("\"include\": [\"reasoning.encrypted_content\"]", "unsupported_value", "include[0]")]
    [InlineData("\"max_output_tokens\": 0", "invalid_value", "max_output_tokens")]
    [InlineData("\"tools\": [{\"type\": \"web_search\"}]", "unsupported_value", "tools[0].type")]
    [InlineData("\"max_tokens\": 4", "unknown_parameter", "max_tokens")]
    public async Task WhatThereIsNotIsRefused(string more, string code, string param) =>
        (await Client.PostAsync(Path, $$"""{"input": "Hello", {{more}}}""")).Fails(400, code, param);

    private static string Kind(JsonNode one) => one["type"]!.GetValue<string>();

    /// <summary>The events, whose names are their types.</summary>
    private static JsonNode[] Events(Reply reply)
    {
        List<JsonNode> events = [];
        foreach (string block in reply.Ok().Body.Split("\n\n", StringSplitOptions.RemoveEmptyEntries))
        {
            string[] lines = block.Split('\n');
            JsonNode one = JsonNode.Parse(lines[1]["data: ".Length..])!;
            Assert.Equal($"event: {Kind(one)}", lines[0]);
            events.Add(one);
        }
        return [.. events];
    }
}
