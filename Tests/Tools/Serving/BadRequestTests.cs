using System.Net;
using System.Text;
using System.Text.Json.Nodes;

namespace Llama4Kernels.Tests.Tools.Serving;

/// <summary>Requests that are not as they must be: each a typed error that names the field, and the server goes on.</summary>
[Collection(SampleServer.Name)]
public sealed class BadRequestTests(SampleServer sample)
{
    private ServedClient Client => sample.Client;

    /// <summary>Case 57.</summary>
    [Theory]
    [InlineData("")]
    [InlineData("not json")]
    [InlineData("{\"messages\": [],}")]
    [InlineData("{\"messages\": [], \"messages\": []}")]
    [InlineData("{\"temperature\": NaN}")]
    [InlineData("{\"messages\": [{\"role\": \"user\", \"content\": \"\\ud800\"}]}")]
    [InlineData("{\"messages\": []} {}")]
    public Task WhatIsNotJsonIsAnError(string body) => FailsAsync(body, 400, "invalid_json", null);

    /// <summary>Case 57.</summary>
    [Fact]
    public async Task DeepAndUndecodableBodiesAreErrors()
    {
        await FailsAsync(new string('[', 100_000), 400, "invalid_json", null);
        using var content = new ByteArrayContent([(byte)'"', 0xFF, 0xFE, (byte)'"']);
        content.Headers.ContentType = new("application/json");
        using HttpResponseMessage response = await Client.Http.PostAsync("v1/chat/completions", content);
        Assert.Equal(HttpStatusCode.BadRequest, response.StatusCode);
    }

    /// <summary>Case 58.</summary>
    [Theory]
    [InlineData("[]", "invalid_type", null)]
    [InlineData("{}", "missing_required_parameter", "messages")]
    [InlineData("{\"messages\": null}", "missing_required_parameter", "messages")]
    [InlineData("{\"messages\": []}", "invalid_value", "messages")]
    [InlineData("{\"messages\": \"a\"}", "invalid_type", "messages")]
    [InlineData("{\"messages\": [1]}", "invalid_type", "messages[0]")]
    [InlineData("{\"messages\": [{\"role\": \"wizard\", \"content\": \"a\"}]}", "invalid_value", "messages[0].role")]
    [InlineData("{\"messages\": [{\"content\": \"a\"}]}", "missing_required_parameter", "messages[0].role")]
    [InlineData("{\"messages\": [{\"role\": \"user\", \"content\": null}]}", "missing_required_parameter", "messages[0].content")]
    [InlineData("{\"messages\": [{\"role\": \"user\", \"content\": []}]}", "invalid_value", "messages[0].content")]
    [InlineData("{\"messages\": [{\"role\": \"user\", \"content\": 7}]}", "invalid_type", "messages[0].content")]
    [InlineData("{\"messages\": [{\"role\": \"user\", \"content\": [{\"type\": \"input_audio\"}]}]}", "unknown_parameter_or_value", "messages[0].content[0].type")]
    [InlineData("{\"messages\": [{\"role\": \"assistant\", \"content\": \"a\"}]}", "invalid_value", "messages")]
    [InlineData("{\"messages\": [{\"role\": \"tool\", \"tool_call_id\": \"x\", \"content\": \"a\"}]}", "invalid_value", "messages[0].tool_call_id")]
    [InlineData("{\"messages\": [{\"role\": \"user\", \"content\": \"a\", \"colour\": 1}]}", "unknown_parameter", "messages[0].colour")]
    public Task MessagesAreChecked(string body, string code, string? param) =>
        FailsAsync(body, 400, code == "unknown_parameter_or_value" ? "unsupported_value" : code, param);

    /// <summary>Case 58.</summary>
    [Fact]
    public Task TooManyMessagesAreAnError() =>
        FailsAsync($"{{\"messages\": [{string.Join(",", Enumerable.Repeat("{\"role\": \"user\", \"content\": \"a\"}", 100_000))}]}}", 400, "too_many_items", "messages");

    /// <summary>Cases 59 and 60.</summary>
    [Theory]
    [InlineData("\"max_tokens\": 0", "invalid_value", "max_tokens")]
    [InlineData("\"max_tokens\": -1", "invalid_value", "max_tokens")]
    [InlineData("\"max_tokens\": 1099511627776", "invalid_value", "max_tokens")]
    [InlineData("\"max_tokens\": 1.5", "invalid_type", "max_tokens")]
    [InlineData("\"max_tokens\": 1, \"max_completion_tokens\": 2", "invalid_value", "max_tokens")]
    [InlineData("\"n\": 0", "invalid_value", "n")]
    [InlineData("\"n\": 1000000", "invalid_value", "n")]
    [InlineData("\"temperature\": \"NaN\"", "invalid_type", "temperature")]
    [InlineData("\"temperature\": 1e999", "invalid_type", "temperature")]
    [InlineData("\"temperature\": -1", "invalid_value", "temperature")]
    [InlineData("\"temperature\": 2.1", "invalid_value", "temperature")]
    [InlineData("\"top_p\": 0", "invalid_value", "top_p")]
    [InlineData("\"top_p\": 2", "invalid_value", "top_p")]
    [InlineData("\"min_p\": 2", "invalid_value", "min_p")]
    [InlineData("\"presence_penalty\": 3", "invalid_value", "presence_penalty")]
    [InlineData("\"repetition_penalty\": 0", "invalid_value", "repetition_penalty")]
    [InlineData("\"seed\": \"a\"", "invalid_type", "seed")]
    [InlineData("\"logit_bias\": {\"99999999\": 1}", "invalid_value", "logit_bias.99999999")]
    [InlineData("\"logit_bias\": {\"-1\": 1}", "invalid_value", "logit_bias.-1")]
    [InlineData("\"logit_bias\": {\"a\": 1}", "invalid_value", "logit_bias.a")]
    [InlineData("\"logit_bias\": {\"1\": 101}", "invalid_value", "logit_bias.1")]
    [InlineData("\"logit_bias\": [1]", "invalid_type", "logit_bias")]
    [InlineData("\"top_logprobs\": 2", "invalid_value", "top_logprobs")]
    [InlineData("\"logprobs\": true, \"top_logprobs\": 21", "invalid_value", "top_logprobs")]
    [InlineData("\"logprobs\": 3", "invalid_type", "logprobs")]
    [InlineData("\"stop\": \"\"", "invalid_value", "stop")]
    [InlineData("\"stop\": [\"a\", \"\"]", "invalid_value", "stop")]
    [InlineData("\"stop\": [1]", "invalid_type", "stop[0]")]
    [InlineData("\"stream\": 1", "invalid_type", "stream")]
    [InlineData("\"stream_options\": {}", "invalid_value", "stream_options")]
    [InlineData("\"stream\": true, \"stream_options\": {\"a\": 1}", "unknown_parameter", "stream_options.a")]
    [InlineData("\"colour\": 1", "unknown_parameter", "colour")]
    [InlineData("\"modalities\": [\"text\", \"audio\"]", "unsupported_value", "modalities")]
    [InlineData("\"reasoning_effort\": \"high\"", "unsupported_value", "reasoning_effort")]
    [InlineData("\"functions\": []", "unsupported_value", "functions")]
    [InlineData("\"store\": true", "unsupported_value", "store")]
    public Task OptionsAreChecked(string more, string code, string param) => FailsAsync(Bodies.Chat(more: more), 400, code, param);

    /// <summary>Case 60.</summary>
    [Fact]
    public async Task TooManyOrTooLongStopStringsAreErrors()
    {
        await FailsAsync(Bodies.Chat(more: $"\"stop\": [{string.Join(",", Enumerable.Repeat("\"a\"", 10_000))}]"), 400, "too_many_items", "stop");
        await FailsAsync(Bodies.Chat(more: $"\"stop\": \"{new string('a', 5000)}\""), 400, "invalid_value", "stop");
    }

    /// <summary>What asks for nothing that there is not is taken, null too.</summary>
    [Fact]
    public async Task FieldsThatChangeNothingAreTaken() =>
        (await Client.ChatAsync(Bodies.Chat(more: """
            "temperature": 0, "max_tokens": 2, "user": "u", "metadata": {"a": "b"}, "store": false, "service_tier": "auto", "modalities": ["text"], "tools": null, "stop": null,
            "prompt_cache_key": "k", "safety_identifier": "s", "logit_bias": {}, "tool_choice": "auto", "response_format": {"type": "text"}, "verbosity": "medium", "audio": null, "seed": -4, "top_k": 0
            """))).Ok();

    /// <summary>Case 61.</summary>
    [Fact]
    public async Task APromptMustLeaveRoomInTheContext()
    {
        // One token each.
        int context = sample.Engine.MaxContext;
        string Ids(int count) => $$"""{"prompt": [{{string.Join(",", Enumerable.Repeat("100", count))}}], "max_tokens": 1}""";
        await FailsAsync(Ids(context), 400, "context_length_exceeded", "prompt", "v1/completions");
        await FailsAsync(Ids(context + 1), 400, "context_length_exceeded", "prompt", "v1/completions");
        await FailsAsync(Ids(context * 100), 400, "context_length_exceeded", "prompt", "v1/completions");
        await FailsAsync(Bodies.Chat(string.Join(' ', Enumerable.Repeat("word", context * 2))), 400, "context_length_exceeded", "messages");
    }

    /// <summary>Case 62.</summary>
    [Theory]
    [InlineData("""{"$ref": "https://example.org/schema"}""")]
    [InlineData("""{"type": "string", "pattern": "(a+"}""")]
    [InlineData("""{"type": "object", "unevaluatedProperties": {"$dynamicRef": "#x"}}""")]
    [InlineData("""{"type": "string", "minLength": 100000000}""")]
    [InlineData("""{"allOf": [{"type": "string"}, {"type": "integer"}]}""")]
    [InlineData("""{"type": "object", "properties": {"next": {"$ref": "#"}}, "required": ["next"], "additionalProperties": false}""")]
    [InlineData("7")]
    public Task SchemasThatCannotBeKeptToAreErrors(string schema) => FailsAsync(
        Bodies.Chat(more: $"\"max_tokens\": 2, \"response_format\": {{\"type\": \"json_schema\", \"json_schema\": {{\"name\": \"a\", \"schema\": {schema}}}}}"), 400, "invalid_schema", "response_format.json_schema.schema");

    /// <summary>Case 62.</summary>
    [Fact]
    public async Task ASchemaWithoutAnEndIsCutByTheLimit() => Assert.Equal("length", (await Client.ChatAsync(Bodies.Chat(more:
        $"\"max_tokens\": 12, \"response_format\": {{\"type\": \"json_schema\", \"json_schema\": {{\"name\": \"a\", \"schema\": {{\"$ref\": \"#\"}}}}}}"))).Ok().Json["choices"]![0]!["finish_reason"]!.GetValue<string>());

    /// <summary>Case 62.</summary>
    [Fact]
    public Task ADeepSchemaIsAnError() => FailsAsync(Bodies.Chat(more:
        $"\"response_format\": {{\"type\": \"json_schema\", \"json_schema\": {{\"name\": \"a\", \"schema\": {string.Concat(Enumerable.Repeat("{\"not\":", 1000))}{{}}{new string('}', 1000)}}}}}"), 400, "invalid_json", null);

    /// <summary>Case 62: a pattern that backtracking takes long for is a pattern like any other.</summary>
    [Fact]
    public async Task APatternOfRepeatedRepeatsIsKeptTo()
    {
        string text = (await Client.ChatAsync(Bodies.Chat(more: """
            "temperature": 0, "max_tokens": 100, "response_format": {"type": "json_schema", "json_schema": {"name": "a", "schema": {"type": "string", "pattern": "^(a+)+$", "maxLength": 5}}}
            """))).Ok().Text;
        Assert.Matches("^a+$", JsonNode.Parse(text)!.GetValue<string>());
    }

    /// <summary>Case 63.</summary>
    [Theory]
    [InlineData("a\\\"b")]
    [InlineData("a\\nb")]
    [InlineData("")]
    [InlineData("a b")]
    [InlineData("aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa")]
    public Task NamesOfToolsAreChecked(string name) =>
        FailsAsync(Bodies.Chat(more: $"\"tools\": [{{\"type\": \"function\", \"function\": {{\"name\": \"{name}\"}}}}]"), 400, "invalid_value", "tools[0].function.name");

    /// <summary>Case 63.</summary>
    [Theory]
    [InlineData("{")]
    [InlineData("[1]")]
    [InlineData("{\\\"a\\\": 1, \\\"a\\\": 2}")]
    public Task ArgumentsOfPastCallsAreChecked(string arguments) => FailsAsync(
        $$$"""
        {"messages": [{"role": "user", "content": "a"}, {"role": "assistant", "tool_calls": [{"id": "x", "type": "function", "function": {"name": "f", "arguments": "{{{arguments}}}"}}]},
        {"role": "tool", "tool_call_id": "x", "content": "b"}]}
        """,
        400, "invalid_value", "messages[1].tool_calls[0].function.arguments");

    /// <summary>Case 63.</summary>
    [Fact]
    public async Task ACallThatIsCutIsNone()
    {
        JsonNode choice = (await Client.ChatAsync(Bodies.Tools("\"max_tokens\": 4"))).Ok().Json["choices"]![0]!;
        Assert.Equal("length", choice["finish_reason"]!.GetValue<string>());
        Assert.Null(choice["message"]!["tool_calls"]);
    }

    [Theory]
    [InlineData("\"tool_choice\": \"required\"", "invalid_value", "tool_choice")]
    [InlineData("\"tools\": [{\"type\": \"function\", \"function\": {\"name\": \"f\"}}], \"tool_choice\": {\"type\": \"function\", \"function\": {\"name\": \"g\"}}", "invalid_value", "tool_choice.function.name")]
    [InlineData("\"tools\": [{\"type\": \"function\", \"function\": {\"name\": \"f\"}}, {\"type\": \"function\", \"function\": {\"name\": \"f\"}}]", "invalid_value", "tools[1].function.name")]
    [InlineData("\"tools\": [{\"type\": \"function\", \"function\": {\"name\": \"f\", \"parameters\": {\"$ref\": \"#/nowhere\"}}}], \"tool_choice\": \"required\"", "invalid_schema", "tools")]
    public Task ChoicesOfToolsAreChecked(string more, string code, string param) => FailsAsync(Bodies.Chat(more: more), 400, code, param);

    /// <summary>Case 69. Nothing is fetched: the error comes without a connection, whatever the address.</summary>
    [Theory]
    [InlineData("file:///etc/passwd", "unsupported_image_url")]
    [InlineData("http://169.254.169.254/latest/meta-data", "unsupported_image_url")]
    [InlineData("https://example.org/redirects.png", "unsupported_image_url")]
    [InlineData("data:image/png;base64,%%%", "invalid_image")]
    [InlineData("data:image/png;base64,QUJD", "invalid_image")]
    [InlineData("data:image/png;base64,", "invalid_image")]
    [InlineData("data:image/png,rawbytes", "invalid_image")]
    [InlineData("data:text/html;base64,QUJD", "invalid_image")]
    [InlineData("data:image/svg+xml;base64,PHN2Zy8+", "invalid_image")]
    public Task AddressesOfPicturesAreData(string url, string code) => FailsAsync(Bodies.AboutPicture(url), 400, code, "messages[0].content[0].image_url.url");

    [Fact]
    public async Task PicturesAreBounded()
    {
        await using ServedClient client = await ServedClient.StartAsync(sample.Engine, options => options with { Limits = options.Limits with { MaxPictures = 1, MaxPicturePixels = 1000 } });
        (await client.ChatAsync(Bodies.AboutPicture(Bodies.Picture("one.png")))).Fails(400, "invalid_image", "messages[0].content[0].image_url.url");
        string two = Bodies.AboutPicture(Tiny).Replace("[{\"type\": \"image_url\"", $"[{{\"type\": \"image_url\", \"image_url\": {{\"url\": \"{Tiny}\"}}}}, {{\"type\": \"image_url\"", StringComparison.Ordinal);
        (await client.ChatAsync(two)).Fails(400, "too_many_items", "messages[0].content[1].image_url.url");
    }

    /// <summary>One more than a list may have, and schemas longer than they may be.</summary>
    [Fact]
    public async Task ListsAndSchemasAreBounded()
    {
        await using ServedClient client = await ServedClient.StartAsync(sample.Engine, options => options with
        {
            Limits = options.Limits with { MaxTools = 2, MaxLogitBias = 2, MaxPrompts = 2, MaxStopStrings = 2, MaxChoices = 2, MaxSchemaLength = 100 },
        });
        string Tools(int count) => $"\"max_tokens\": 1, \"tools\": [{string.Join(",", Enumerable.Range(0, count).Select(i => $"{{\"type\": \"function\", \"function\": {{\"name\": \"f{i}\"}}}}"))}]";
        string Schema(int letters) => $"{{\"type\": \"object\", \"description\": \"{new string('a', letters)}\"}}";
        string Format(int letters) => $"\"max_tokens\": 1, \"response_format\": {{\"type\": \"json_schema\", \"json_schema\": {{\"name\": \"a\", \"schema\": {Schema(letters)}}}}}";
        string Parameters(int letters) => $"\"max_tokens\": 1, \"tools\": [{{\"type\": \"function\", \"function\": {{\"name\": \"f\", \"parameters\": {Schema(letters)}}}}}]";
        foreach (string fits in (string[])[Tools(2), Format(10), Parameters(10), "\"max_tokens\": 1, \"logit_bias\": {\"1\": 1, \"2\": 1}", "\"max_tokens\": 1, \"n\": 2", "\"max_tokens\": 1, \"stop\": [\"a\", \"b\"]"])
        {
            (await client.ChatAsync(Bodies.Chat(more: fits))).Ok();
        }
        (await client.ChatAsync(Bodies.Chat(more: Tools(3)))).Fails(400, "too_many_items", "tools");
        (await client.ChatAsync(Bodies.Chat(more: Format(200)))).Fails(400, "invalid_value", "response_format.json_schema.schema");
        (await client.ChatAsync(Bodies.Chat(more: Parameters(200)))).Fails(400, "invalid_value", "tools[0].function.parameters");
        (await client.ChatAsync(Bodies.Chat(more: "\"logit_bias\": {\"1\": 1, \"2\": 1, \"3\": 1}"))).Fails(400, "too_many_items", "logit_bias");
        (await client.ChatAsync(Bodies.Chat(more: "\"n\": 3"))).Fails(400, "invalid_value", "n");
        (await client.ChatAsync(Bodies.Chat(more: "\"stop\": [\"a\", \"b\", \"c\"]"))).Fails(400, "too_many_items", "stop");
        (await client.PostAsync("v1/completions", """{"prompt": ["a", "b"], "max_tokens": 1}""")).Ok();
        (await client.PostAsync("v1/completions", """{"prompt": ["a", "b", "c"], "max_tokens": 1}""")).Fails(400, "too_many_items", "prompt");
    }

    private const string Tiny = "data:image/png;base64,iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg==";

    private async Task FailsAsync(string body, int status, string code, string? param, string path = "v1/chat/completions")
    {
        (await Client.PostAsync(path, body)).Fails(status, code, param == string.Empty ? null : param);
        Assert.Equal(HttpStatusCode.OK, (await Client.GetAsync("health/ready")).Status);
    }
}
