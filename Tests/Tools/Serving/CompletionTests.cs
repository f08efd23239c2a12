using System.Text.Json.Nodes;
using Llama4Kernels.Engine.Chat;
using Llama4Kernels.Engine.Generation;
using Llama4Kernels.Engine.Serving;
using Llama4Kernels.Tests.Engine.Serving;

namespace Llama4Kernels.Tests.Tools.Serving;

/// <summary>Completions of texts, and texts as tokens.</summary>
[Collection(SampleServer.Name)]
public sealed class CompletionTests(SampleServer sample)
{
    private const string Path = "v1/completions";
    private const string Text = "The quick brown fox";

    private ServedClient Client => sample.Client;

    [Fact]
    public async Task ACompletionIsTheEnginesForEveryFormOfAPrompt()
    {
        Prompt prompt = sample.Engine.Model.Chat.EncodeCompletion([new TextContent(Text)]);
        Outcome expected = await sample.Engine.Ask(new GenerationRequest(prompt, new GenerationOptions { Temperature = 0, MaxTokens = 16 }));
        string ids = "[" + string.Join(",", prompt.Ids.ToArray()) + "]";
        foreach (string form in new[] { $"\"{Text}\"", $"[\"{Text}\"]", ids, $"[{ids}]" })
        {
            JsonNode reply = (await Client.PostAsync(Path, $$"""{"prompt": {{form}}, "temperature": 0}""")).Ok().Json;
            Assert.Equal("text_completion", reply["object"]!.GetValue<string>());
            Assert.Equal(expected.Text, reply["choices"]![0]!["text"]!.GetValue<string>());
            Assert.Equal(prompt.Ids.Length, reply["usage"]!["prompt_tokens"]!.GetValue<int>());
        }
    }

    [Fact]
    public async Task SeveralPromptsHaveSeveralChoices()
    {
        const string Body = """{"prompt": ["Hello", "How"], "n": 2, "temperature": 1, "seed": 3, "max_tokens": 6""";
        JsonNode reply = (await Client.PostAsync(Path, Body + "}")).Ok().Json;
        string[] texts = [.. reply["choices"]!.AsArray().Select(choice => choice!["text"]!.GetValue<string>())];
        Assert.Equal(4, texts.Length);
        JsonNode second = (await Client.PostAsync(Path, """{"prompt": "How", "n": 2, "temperature": 1, "seed": 3, "max_tokens": 6}""")).Ok().Json;
        Assert.Equal(texts[2..], second["choices"]!.AsArray().Select(choice => choice!["text"]!.GetValue<string>()));
        JsonNode[] events = (await Client.PostAsync(Path, Body + ", \"stream\": true, \"stream_options\": {\"include_usage\": true}}")).Events;
        Assert.Equal(texts, Enumerable.Range(0, 4).Select(index => string.Concat(events.SelectMany(one => one["choices"]!.AsArray())
            .Where(choice => choice!["index"]!.GetValue<int>() == index).Select(choice => choice!["text"]!.GetValue<string>()))));
        Assert.Equal(reply["usage"]!["prompt_tokens"]!.GetValue<int>(), events[^1]["usage"]!["prompt_tokens"]!.GetValue<int>());
        Assert.Equal(4, events.SelectMany(one => one["choices"]!.AsArray()).Count(choice => choice!["finish_reason"] is not null));
    }

    [Fact]
    public async Task LogprobsHaveOffsetsIntoTheText()
    {
        JsonNode choice = (await Client.PostAsync(Path, $$"""{"prompt": "{{Text}}", "temperature": 0, "logprobs": 3, "max_tokens": 5}""")).Ok().Json["choices"]![0]!;
        JsonNode logprobs = choice["logprobs"]!;
        string[] tokens = [.. logprobs["tokens"]!.AsArray().Select(token => token!.GetValue<string>())];
        Assert.Equal(choice["text"]!.GetValue<string>(), string.Concat(tokens));
        Assert.Equal(tokens.Select((_, i) => tokens[..i].Sum(token => token.Length)), logprobs["text_offset"]!.AsArray().Select(offset => offset!.GetValue<int>()));
        Assert.All(logprobs["top_logprobs"]!.AsArray(), top => Assert.InRange(top!.AsObject().Count, 1, 3));
        Assert.Equal(tokens.Length, logprobs["token_logprobs"]!.AsArray().Count);
    }

    [Theory]
    [InlineData("\"prompt\": []", "invalid_value", "prompt")]
    [InlineData("\"prompt\": [[]]", "invalid_value", "prompt[0]")]
    [InlineData("\"prompt\": [1, -1]", "invalid_value", "prompt[1]")]
    [InlineData("\"prompt\": [1, 99999999]", "invalid_value", "prompt[1]")]
    [InlineData("\"prompt\": {}", "invalid_type", "prompt")]
    [InlineData("\"max_tokens\": 1", "missing_required_parameter", "prompt")]
    [InlineData("\"prompt\": \"a\", \"echo\": true", "unsupported_value", "echo")]
    [InlineData("\"prompt\": \"a\", \"suffix\": \"b\"", "unsupported_value", "suffix")]
    [InlineData("\"prompt\": \"a\", \"best_of\": 3", "unsupported_value", "best_of")]
    public async Task WhatThereIsNotIsRefused(string fields, string code, string param) => (await Client.PostAsync(Path, $"{{{fields}}}")).Fails(400, code, param);

    [Fact]
    public async Task TextsBecomeTokensAndBack()
    {
        JsonNode reply = (await Client.PostAsync("tokenize", $$"""{"prompt": "{{Text}}"}""")).Ok().Json;
        int[] ids = sample.Engine.Model.Tokenizer.Encode(Text, bos: true);
        Assert.Equal(ids, reply["tokens"]!.AsArray().Select(id => id!.GetValue<int>()));
        Assert.Equal(ids.Length, reply["count"]!.GetValue<int>());
        JsonNode bare = (await Client.PostAsync("tokenize", $$"""{"prompt": "{{Text}}", "add_special_tokens": false}""")).Ok().Json;
        Assert.Equal(Text, (await Client.PostAsync("detokenize", new JsonObject { ["tokens"] = bare["tokens"]!.DeepClone() }.ToJsonString())).Ok().Json["prompt"]!.GetValue<string>());
        JsonNode chat = (await Client.PostAsync("tokenize", $$"""{"messages": [{"role": "user", "content": "{{Bodies.Question}}"}]}""")).Ok().Json;
        Assert.Equal((await Client.ChatAsync(Bodies.Chat())).Ok().Json["usage"]!["prompt_tokens"]!.GetValue<int>(), chat["count"]!.GetValue<int>());
        (await Client.PostAsync("detokenize", """{"tokens": [-1]}""")).Fails(400, "invalid_value", "tokens[0]");
        (await Client.PostAsync("tokenize", "{}")).Fails(400, "missing_required_parameter", "prompt");
    }
}
