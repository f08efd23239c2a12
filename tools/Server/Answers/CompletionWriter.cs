using System.Text.Json;
using Llama4Kernels.Engine.Generation;
using Llama4Kernels.Engine.Tokenization;

namespace Llama4Kernels.Server.Answers;

/// <summary>Writes completions of texts: whole ones, and chunks of streams, which have the same form.</summary>
/// <param name="model">What clients call the model.</param>
/// <param name="tokenizer">The model's.</param>
/// <param name="logprobs">Whether log-probabilities are wanted.</param>
/// <param name="perPrompt">How many choices a prompt has.</param>
internal sealed class CompletionWriter(string model, Llama4Tokenizer tokenizer, bool logprobs, int perPrompt)
{
    private readonly long _created = DateTimeOffset.UtcNow.ToUnixTimeSeconds();

    /// <summary>The answer's id.</summary>
    public string Id { get; } = Ids.New("cmpl-");

    /// <summary>The whole answer.</summary>
    public void Write(Utf8JsonWriter json, IReadOnlyList<Choice> choices)
    {
        Begin(json);
        for (int i = 0; i < choices.Count; i++)
        {
            WriteChoice(json, i, choices[i].Content, choices[i].Logprobs, 0, choices[i].FinishName);
        }
        json.WriteEndArray();
        UsageWriter.Write(json, choices, perPrompt);
        json.WriteEndObject();
    }

    /// <summary>What came of a choice.</summary>
    /// <param name="json">Takes it.</param>
    /// <param name="choice">Which one.</param>
    /// <param name="update">What came.</param>
    /// <param name="offset">Characters of the choice before it.</param>
    /// <param name="finish">Why it ended; null while it goes on.</param>
    /// <param name="usage">Whether there is a field for the usage, which only the last chunk has.</param>
    public void WriteChunk(Utf8JsonWriter json, int choice, GenerationUpdate update, int offset, string? finish, bool usage)
    {
        Begin(json);
        WriteChoice(json, choice, update.Content, Choice.LogprobOf(update) is { } token ? [token] : [], offset, finish);
        json.WriteEndArray();
        if (usage)
        {
            json.WriteNull("usage"u8);
        }
        json.WriteEndObject();
    }

    /// <summary>The last chunk of a stream, with what it took.</summary>
    public void WriteUsage(Utf8JsonWriter json, IReadOnlyList<Choice> choices)
    {
        Begin(json);
        json.WriteEndArray();
        UsageWriter.Write(json, choices, perPrompt);
        json.WriteEndObject();
    }

    private void Begin(Utf8JsonWriter json)
    {
        json.WriteStartObject();
        json.WriteString("id"u8, Id);
        json.WriteString("object"u8, "text_completion"u8);
        json.WriteNumber("created"u8, _created);
        json.WriteString("model"u8, model);
        json.WriteStartArray("choices"u8);
    }

    private void WriteChoice(Utf8JsonWriter json, int index, string text, IReadOnlyList<GenerationUpdate> tokens, int offset, string? finish)
    {
        json.WriteStartObject();
        json.WriteNumber("index"u8, index);
        json.WriteString("text"u8, text);
        if (logprobs)
        {
            WriteLogprobs(json, tokens, offset);
        }
        else
        {
            json.WriteNull("logprobs"u8);
        }
        json.WriteString("finish_reason"u8, finish);
        json.WriteEndObject();
    }

    private void WriteLogprobs(Utf8JsonWriter json, IReadOnlyList<GenerationUpdate> tokens, int offset)
    {
        string[] texts = [.. tokens.Select(token => LogprobWriter.TextOf(tokenizer, token.TokenId!.Value))];
        json.WriteStartObject("logprobs"u8);
        json.WriteStartArray("tokens"u8);
        foreach (string text in texts)
        {
            json.WriteStringValue(text);
        }
        json.WriteEndArray();
        json.WriteStartArray("token_logprobs"u8);
        foreach (GenerationUpdate token in tokens)
        {
            json.WriteNumberValue(LogprobWriter.Finite(token.Logprob!.Value));
        }
        json.WriteEndArray();
        json.WriteStartArray("top_logprobs"u8);
        foreach (GenerationUpdate token in tokens)
        {
            json.WriteStartObject();
            // Tokens that are parts of characters may have the same text; the likelier one stands for them.
            foreach ((int id, double logprob) in token.TopLogprobs.DistinctBy(one => LogprobWriter.TextOf(tokenizer, one.TokenId)))
            {
                json.WriteNumber(LogprobWriter.TextOf(tokenizer, id), LogprobWriter.Finite(logprob));
            }
            json.WriteEndObject();
        }
        json.WriteEndArray();
        json.WriteStartArray("text_offset"u8);
        foreach (string text in texts)
        {
            json.WriteNumberValue(offset);
            offset += text.Length;
        }
        json.WriteEndArray();
        json.WriteEndObject();
    }
}
