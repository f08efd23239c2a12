using System.Text;
using System.Text.Json;
using Llama4Kernels.Engine.Generation;
using Llama4Kernels.Engine.Tokenization;

namespace Llama4Kernels.Server.Answers;

/// <summary>A part of a response's output: a message, or a call.</summary>
internal sealed class ResponseItem
{
    /// <summary>The call; null for a message.</summary>
    public IdentifiedCall? Call { get; init; }

    public string Id => field ??= Ids.New(Call is null ? "msg_" : "fc_");

    /// <summary>A message's text so far.</summary>
    public StringBuilder Text { get; } = new();

    public List<GenerationUpdate> Logprobs { get; } = [];

    /// <summary>Whether nothing more comes.</summary>
    public bool IsDone { get; set; }

    /// <summary>Whether a limit cut it.</summary>
    public bool IsCut { get; set; }

    /// <summary>Writes the item; a call that is not done has no arguments yet, a message no text.</summary>
    public void Write(Utf8JsonWriter json, Llama4Tokenizer tokenizer)
    {
        json.WriteStartObject();
        json.WriteString("id"u8, Id);
        json.WriteString("type"u8, Call is null ? "message"u8 : "function_call"u8);
        json.WriteString("status"u8, !IsDone ? "in_progress"u8 : IsCut ? "incomplete"u8 : "completed"u8);
        if (Call is null)
        {
            json.WriteString("role"u8, "assistant"u8);
            json.WriteStartArray("content"u8);
            if (IsDone)
            {
                WritePart(json, tokenizer);
            }
            json.WriteEndArray();
        }
        else
        {
            json.WriteString("call_id"u8, Call.Id);
            json.WriteString("name"u8, Call.Call.Name);
            json.WriteString("arguments"u8, IsDone ? Call.Arguments : string.Empty);
        }
        json.WriteEndObject();
    }

    /// <summary>Writes the message's one part; one that is not done has no text yet.</summary>
    public void WritePart(Utf8JsonWriter json, Llama4Tokenizer tokenizer)
    {
        json.WriteStartObject();
        json.WriteString("type"u8, "output_text"u8);
        json.WriteStartArray("annotations"u8);
        json.WriteEndArray();
        WriteLogprobs(json, tokenizer, IsDone ? Logprobs : []);
        json.WriteString("text"u8, IsDone ? Text.ToString() : string.Empty);
        json.WriteEndObject();
    }

    public static void WriteLogprobs(Utf8JsonWriter json, Llama4Tokenizer tokenizer, IReadOnlyList<GenerationUpdate> tokens)
    {
        json.WriteStartArray("logprobs"u8);
        foreach (GenerationUpdate token in tokens)
        {
            LogprobWriter.Write(json, tokenizer, token);
        }
        json.WriteEndArray();
    }
}
