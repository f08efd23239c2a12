using System.Globalization;
using System.Net;
using System.Text;
using System.Text.Json.Nodes;
using Llama4Kernels.Tests.Engine.Serving;

namespace Llama4Kernels.Tests.Tools.Serving;

/// <summary>Real requests with parts changed at random: each is answered or refused, none is a fault of the server.</summary>
[Collection(SampleServer.Name)]
public sealed class RequestFuzzTests(SampleServer sample)
{
    private static readonly (string Path, string Body)[] s_seeds =
    [
        ("v1/chat/completions", Bodies.Chat(more: """
            "temperature": 0.5, "top_p": 0.9, "n": 2, "seed": 1, "stop": ["x", "yz"], "logprobs": true, "top_logprobs": 2, "logit_bias": {"5": 1.5}, "max_tokens": 3,
            "presence_penalty": 0.1, "frequency_penalty": 0.2, "stream": true, "stream_options": {"include_usage": true}, "user": "u", "metadata": {"a": "b"}
            """)),
        ("v1/chat/completions", Bodies.Tools("\"max_tokens\": 3, \"tool_choice\": {\"type\": \"function\", \"function\": {\"name\": \"get_time\"}}")),
        ("v1/chat/completions", $$$"""
            {"max_tokens": 3, "tools": [{{{Bodies.TimeTool}}}], "messages": [{"role": "system", "content": "a"}, {"role": "user", "content": [{"type": "text", "text": "b"}]},
            {"role": "assistant", "content": null, "tool_calls": [{"id": "a", "type": "function", "function": {"name": "get_time", "arguments": "{\"city\": \"Oslo\"}"}}]},
            {"role": "tool", "tool_call_id": "a", "content": "c"}]}
            """),
        ("v1/chat/completions", Bodies.AboutPicture(Bodies.Picture("one.png"), "\"max_tokens\": 2")),
        ("v1/chat/completions", Bodies.Chat(more: """
            "max_tokens": 3, "response_format": {"type": "json_schema", "json_schema": {"name": "a", "strict": true, "schema": {"type": "object", "properties": {"a": {"type": "string", "pattern": "^a+$"}, "b": {"enum": [1, 2]}}, "required": ["a"]}}}
            """)),
        ("v1/responses", $$$"""
            {"input": [{"role": "user", "content": [{"type": "input_text", "text": "a"}]}, {"type": "function_call", "call_id": "c", "name": "get_time", "arguments": "{}"}, {"type": "function_call_output", "call_id": "c", "output": "d"}],
            "instructions": "e", "max_output_tokens": 3, "stream": true, "tools": [{"type": "function", "name": "get_time", "parameters": {"type": "object"}}], "tool_choice": "auto", "text": {"format": {"type": "text"}}, "include": ["message.output_text.logprobs"]}
            """),
        ("v1/completions", """{"prompt": ["a", "b"], "max_tokens": 3, "n": 2, "logprobs": 2, "stream": false, "echo": false, "best_of": 2}"""),
        ("v1/completions", """{"prompt": [[1, 2], [3]], "max_tokens": 3, "stream": true}"""),
        ("tokenize", """{"prompt": "a b c", "add_special_tokens": true}"""),
        ("detokenize", """{"tokens": [1, 2, 3]}"""),
    ];

    private static readonly string[] s_values =
    [
        "null", "true", "false", "0", "-1", "1.5", "1e308", "-1e308", "9223372036854775807", "18446744073709551616", "\"\"", "\"a\"", "\"auto\"", "\"\\u0000\"", "\"\\ud83d\\ude00\"", "[]", "{}", "[[]]", "[{}]", "{\"type\": \"function\"}",
        "{\"type\": \"text\"}", "\"data:image/png;base64,QUJD\"", "\"http://127.0.0.1:1/\"",
    ];

    [Fact]
    public async Task NoRequestIsAFaultOfTheServer()
    {
        await using ServedClient served = await ServedClient.StartAsync(sample.Engine, options => options with { Limits = options.Limits with { MaxNewTokens = 4, MaxChoices = 4 } });
        long count = Fuzzing.Iterations(200);
        Dictionary<HttpStatusCode, int> statuses = [];
        await Parallel.ForAsync(0, count, new ParallelOptions { MaxDegreeOfParallelism = 4 }, async (seed, _) =>
        {
            var random = new Random((int)seed);
            (string path, string body) = s_seeds[seed % s_seeds.Length];
            string changed = Change(body, random);
            Reply reply = await served.PostAsync(path, changed);
            bool isTyped = (int)reply.Status < 500 && !reply.Body.Contains("internal_error", StringComparison.Ordinal)
                && (reply.Status == HttpStatusCode.OK || reply.Json["error"]?["code"] is not null);
            Assert.True(isTyped, $"{seed}: {path} {(int)reply.Status}\n{changed}\n{reply.Body}");
            lock (statuses)
            {
                statuses[reply.Status] = statuses.GetValueOrDefault(reply.Status) + 1;
            }
        });
        await sample.Engine.IsIdle();
        (await served.ChatAsync(Bodies.Chat())).Ok();
        // It would find nothing if all were refused at the first look.
        Assert.Contains(HttpStatusCode.OK, statuses);
        Assert.Contains(HttpStatusCode.BadRequest, statuses);
        TestContext.Current.TestOutputHelper!.WriteLine(string.Join(", ", statuses.Select(one => string.Create(CultureInfo.InvariantCulture, $"{one.Value} × {(int)one.Key}"))));
    }

    private static string Change(string body, Random random)
    {
        if (random.Next(4) == 0)
        {
            return ChangeText(body, random);
        }
        JsonNode root = JsonNode.Parse(body)!;
        for (int changes = random.Next(1, 3); changes > 0; changes--)
        {
            List<JsonNode> containers = [.. Containers(root).Where(node => node is JsonObject { Count: > 0 } or JsonArray { Count: > 0 })];
            if (containers.Count == 0)
            {
                break;
            }
            ChangeIn(containers[random.Next(containers.Count)], random);
        }
        return root.ToJsonString();
    }

    private static void ChangeIn(JsonNode container, Random random)
    {
        JsonNode? value = JsonNode.Parse(s_values[random.Next(s_values.Length)]);
        if (container is JsonArray array)
        {
            int index = random.Next(array.Count);
            switch (random.Next(3))
            {
                case 0:
                    array[index] = value;
                    break;
                case 1:
                    array.RemoveAt(index);
                    break;
                default:
                    array.Add(array[index]?.DeepClone());
                    break;
            }
            return;
        }
        JsonObject fields = container.AsObject();
        string name = fields.ElementAt(random.Next(fields.Count)).Key;
        switch (random.Next(4))
        {
            case 0 or 1:
                fields[name] = value;
                break;
            case 2:
                fields.Remove(name);
                break;
            default:
                JsonNode? moved = fields[name]?.DeepClone();
                fields.Remove(name);
                fields[name + (random.Next(2) == 0 ? "x" : "\u0001")] = moved;
                break;
        }
    }

    private static string ChangeText(string body, Random random)
    {
        var text = new StringBuilder(body);
        for (int changes = random.Next(1, 5); changes > 0 && text.Length > 1; changes--)
        {
            int at = random.Next(text.Length);
            switch (random.Next(4))
            {
                case 0:
                    text.Length = at;
                    break;
                case 1:
                    text.Remove(at, Math.Min(random.Next(1, 8), text.Length - at));
                    break;
                case 2:
                    text.Insert(at, "{}[]\",:0\\\ud83d\u0000"[random.Next(11)]);
                    break;
                default:
                    text[at] = (char)random.Next(1, 0x250);
                    break;
            }
        }
        return text.ToString();
    }

    private static IEnumerable<JsonNode> Containers(JsonNode? node) => node switch
    {
        JsonObject fields => fields.SelectMany(field => Containers(field.Value)).Prepend(fields),
        JsonArray items => items.SelectMany(Containers).Prepend(items),
        _ => [],
    };
}
