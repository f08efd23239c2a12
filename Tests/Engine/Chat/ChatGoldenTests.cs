using System.Text.Json.Nodes;
using Llama4Kernels.Engine.Chat;
using Llama4Kernels.Engine.Tokenization;
using Llama4Kernels.Tests.Engine.Tokenization;

namespace Llama4Kernels.Tests.Engine.Chat;

/// <summary>Every reference row of the chat format, made with Meta's code.</summary>
public sealed class ChatGoldenTests
{
    [Fact]
    public void ConversationsBecomeMetasIds()
    {
        ChatFormat format = new(TokenizerFiles.Released());
        TokenizerFiles.AssertNone(TokenizerFiles.Rows("chat", "encodings.jsonl"), 80, row =>
            TokenizerFiles.Compare(row, format.EncodePrompt(Messages(row), FormatOf(row)).Ids.ToArray()));
    }

    [Fact]
    public void ToolCallsAreWrittenAsMetaDoes()
    {
        int withCalls = 0;
        TokenizerFiles.AssertNone(TokenizerFiles.Rows("chat", "encodings.jsonl"), 80, row =>
        {
            string[] written =
                [.. Messages(row).SelectMany(message => message.ToolCalls).Select(call => ToolCallWriter.Write(call, FormatOf(row)))];
            withCalls += written.Length > 0 ? 1 : 0;
            string[] expected = [.. (row["rendered"]?.AsArray() ?? []).Select(text => text!.GetValue<string>())];
            return written.SequenceEqual(expected) ? null : $"{row["name"]}: {string.Join(" | ", written)}";
        });
        Assert.True(withCalls > 20);
    }

    [Fact]
    public void AnswersAreTakenApart() =>
        TokenizerFiles.AssertNone(TokenizerFiles.Rows("chat", "parse.jsonl"), 75, row =>
        {
            AssistantAnswer answer = ToolCallParser.Parse(row["text"]!.GetValue<string>());
            if (row["meta_limit"] is not null)
            {
                // Meta's pattern misses these well-formed calls; this parser finds them.
                return answer.ToolCalls is [{ Name: "f" }] && answer.Content.Length == 0 ? null : Describe(row, answer);
            }
            JsonArray expected = (row["all_calls"] ?? row["tool_calls"])!.AsArray();
            bool equal = answer.Content == row["content"]!.GetValue<string>()
                && FinishReasonOf(row["stop_reason"]!) == answer.FinishReason
                && expected.Count == answer.ToolCalls.Count
                && expected.Zip(answer.ToolCalls).All(pair =>
                    pair.First!["name"]!.GetValue<string>() == pair.Second.Name
                    && PythonJson.Dumps(pair.First["arguments"]) == PythonJson.Dumps(pair.Second.Arguments));
            return equal ? null : Describe(row, answer);
        });

    [Fact]
    public void ImageRunsAreAsInTheReference()
    {
        // The same tokens by name, so that the sample tokenizer does.
        Llama4Tokenizer tokenizer = TokenizerFiles.Nano;
        TokenizerFiles.AssertNone(TokenizerFiles.Rows("images", "tokens.jsonl"), 27, row =>
        {
            int rows = row["aspect_ratio"]![0]!.GetValue<int>();
            int columns = row["aspect_ratio"]![1]!.GetValue<int>();
            ImageTokens image = new(tokenizer, row["patches_per_tile"]!.GetValue<int>());
            List<int> ids = [];
            image.Append(ids, rows, columns);
            List<int> expected = [];
            foreach (JsonNode? run in row["runs"]!.AsArray())
            {
                expected.AddRange(Enumerable.Repeat(
                    tokenizer.SpecialTokens[run![0]!.GetValue<string>()], run[1]!.GetValue<int>()));
            }
            return ids.SequenceEqual(expected)
                && ImageTokens.Count(rows, columns, image.TokensPerTile) == ids.Count
                && ids.Count == row["token_count"]!.GetValue<int>()
                && ids.Count(id => id == image.PatchId) == row["tiles"]!.GetValue<int>() * image.TokensPerTile
                ? null
                : TokenizerFiles.Shorten(row);
        });
    }

    private static string Describe(JsonNode row, AssistantAnswer answer) =>
        $"{row.ToJsonString()}: \"{answer.Content}\" {answer.FinishReason} "
        + string.Join(' ', answer.ToolCalls.Select(call => call.Name + PythonJson.Dumps(call.Arguments)));

    private static List<ChatMessage> Messages(JsonNode row) =>
        [.. row["messages"]!.AsArray().Select(message => MessageOf(message!))];

    private static ChatMessage MessageOf(JsonNode message) => new(
        Enum.Parse<ChatRole>(message["role"]!.GetValue<string>(), ignoreCase: true),
        message["content"] is JsonArray parts
            ? [.. parts.Select(part => ContentOf(part!))]
            : [new TextContent(message["content"]!.GetValue<string>())],
        message["tool_calls"]?.AsArray()
            .Select(call => new ToolCall(call!["name"]!.GetValue<string>(), call["arguments"]!.DeepClone())).ToList(),
        message["stop_reason"] is JsonNode reason ? FinishReasonOf(reason) : null);

    private static ChatContent ContentOf(JsonNode part) => part["tiles"] is JsonArray tiles
        ? new ImageContent(tiles[0]!.GetValue<int>(), tiles[1]!.GetValue<int>())
        : new TextContent(part["text"]!.GetValue<string>());

    private static FinishReason FinishReasonOf(JsonNode reason) => reason.GetValue<string>() switch
    {
        "end_of_turn" => FinishReason.EndOfTurn,
        "end_of_message" => FinishReason.EndOfMessage,
        "out_of_tokens" => FinishReason.Length,
        string other => throw new InvalidDataException(other),
    };

    private static ToolPromptFormat FormatOf(JsonNode row) => row["tool_prompt_format"]?.GetValue<string>() switch
    {
        null or "json" => ToolPromptFormat.Json,
        "function_tag" => ToolPromptFormat.FunctionTag,
        "python_list" => ToolPromptFormat.PythonList,
        string other => throw new InvalidDataException(other),
    };
}
