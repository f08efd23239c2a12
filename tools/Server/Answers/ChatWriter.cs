using System.Text.Json;
using Llama4Kernels.Engine.Generation;
using Llama4Kernels.Engine.Tokenization;

namespace Llama4Kernels.Server.Answers;

/// <summary>Writes chat completions: whole ones, and chunks of streams.</summary>
/// <param name="model">What clients call the model.</param>
/// <param name="tokenizer">The model's.</param>
/// <param name="logprobs">Whether log-probabilities are wanted.</param>
/// <param name="usage">Whether chunks have a field for the usage, which only the last one has.</param>
internal sealed class ChatWriter(string model, Llama4Tokenizer tokenizer, bool logprobs, bool usage)
{
    private readonly long _created = DateTimeOffset.UtcNow.ToUnixTimeSeconds();

    /// <summary>The answer's id.</summary>
    public string Id { get; } = Ids.New("chatcmpl-");

    /// <summary>The whole answer.</summary>
    public void Write(Utf8JsonWriter json, IReadOnlyList<Choice> choices)
    {
        Begin(json, "chat.completion"u8);
        for (int i = 0; i < choices.Count; i++)
        {
            Choice choice = choices[i];
            json.WriteStartObject();
            json.WriteNumber("index"u8, i);
            json.WriteStartObject("message"u8);
            json.WriteString("role"u8, "assistant"u8);
            WriteContent(json, choice.Calls.Count > 0 && choice.Content.Length == 0 ? null : choice.Content);
            json.WriteNull("refusal"u8);
            if (choice.Calls.Count > 0)
            {
                WriteCalls(json, choice.Calls, null);
            }
            json.WriteEndObject();
            WriteLogprobs(json, choice.Logprobs);
            json.WriteString("finish_reason"u8, choice.FinishName);
            json.WriteEndObject();
        }
        json.WriteEndArray();
        UsageWriter.Write(json, choices);
        json.WriteEndObject();
    }

    /// <summary>The first chunk of a choice: who speaks.</summary>
    public void WriteRole(Utf8JsonWriter json, int choice)
    {
        BeginChunk(json, choice);
        json.WriteString("role"u8, "assistant"u8);
        json.WriteString("content"u8, ""u8);
        json.WriteNull("refusal"u8);
        EndChunk(json, null, null);
    }

    /// <summary>What came of a choice.</summary>
    /// <param name="json">Takes it.</param>
    /// <param name="choice">Which one.</param>
    /// <param name="update">What came.</param>
    /// <param name="calls">The calls of it.</param>
    /// <param name="before">Calls that came before.</param>
    public void WriteDelta(Utf8JsonWriter json, int choice, GenerationUpdate update, IReadOnlyList<IdentifiedCall> calls, int before)
    {
        BeginChunk(json, choice);
        if (update.Content.Length > 0 || calls.Count == 0)
        {
            json.WriteString("content"u8, update.Content);
        }
        if (calls.Count > 0)
        {
            WriteCalls(json, calls, before);
        }
        EndChunk(json, null, Choice.LogprobOf(update));
    }

    /// <summary>The last chunk of a choice: why it ended.</summary>
    public void WriteFinish(Utf8JsonWriter json, int choice, string reason)
    {
        BeginChunk(json, choice);
        EndChunk(json, reason, null);
    }

    /// <summary>The last chunk of a stream, with what it took.</summary>
    public void WriteUsage(Utf8JsonWriter json, IReadOnlyList<Choice> choices)
    {
        Begin(json, "chat.completion.chunk"u8);
        json.WriteEndArray();
        UsageWriter.Write(json, choices);
        json.WriteEndObject();
    }

    private void Begin(Utf8JsonWriter json, ReadOnlySpan<byte> kind)
    {
        json.WriteStartObject();
        json.WriteString("id"u8, Id);
        json.WriteString("object"u8, kind);
        json.WriteNumber("created"u8, _created);
        json.WriteString("model"u8, model);
        json.WriteStartArray("choices"u8);
    }

    private void BeginChunk(Utf8JsonWriter json, int choice)
    {
        Begin(json, "chat.completion.chunk"u8);
        json.WriteStartObject();
        json.WriteNumber("index"u8, choice);
        json.WriteStartObject("delta"u8);
    }

    private void EndChunk(Utf8JsonWriter json, string? reason, GenerationUpdate? logprob)
    {
        json.WriteEndObject();
        if (logprob is not null)
        {
            WriteLogprobs(json, [logprob]);
        }
        json.WriteString("finish_reason"u8, reason);
        json.WriteEndObject();
        json.WriteEndArray();
        if (usage)
        {
            json.WriteNull("usage"u8);
        }
        json.WriteEndObject();
    }

    private static void WriteContent(Utf8JsonWriter json, string? content) => json.WriteString("content"u8, content);

    private static void WriteCalls(Utf8JsonWriter json, IReadOnlyList<IdentifiedCall> calls, int? firstIndex)
    {
        json.WriteStartArray("tool_calls"u8);
        for (int i = 0; i < calls.Count; i++)
        {
            json.WriteStartObject();
            if (firstIndex is int first)
            {
                json.WriteNumber("index"u8, first + i);
            }
            json.WriteString("id"u8, calls[i].Id);
            json.WriteString("type"u8, "function"u8);
            json.WriteStartObject("function"u8);
            json.WriteString("name"u8, calls[i].Call.Name);
            json.WriteString("arguments"u8, calls[i].Arguments);
            json.WriteEndObject();
            json.WriteEndObject();
        }
        json.WriteEndArray();
    }

    private void WriteLogprobs(Utf8JsonWriter json, IReadOnlyList<GenerationUpdate> tokens)
    {
        if (!logprobs)
        {
            json.WriteNull("logprobs"u8);
            return;
        }
        json.WriteStartObject("logprobs"u8);
        json.WriteStartArray("content"u8);
        foreach (GenerationUpdate token in tokens)
        {
            LogprobWriter.Write(json, tokenizer, token);
        }
        json.WriteEndArray();
        json.WriteNull("refusal"u8);
        json.WriteEndObject();
    }
}
