using System.Text.Json;
using Llama4Kernels.Engine.Generation;
using Llama4Kernels.Engine.Tokenization;
using Llama4Kernels.Server.Errors;
using Llama4Kernels.Server.Requests;

namespace Llama4Kernels.Server.Answers;

/// <summary>
/// A response as it comes: takes updates, makes items of them and, where one is streamed, writes the events that say so.
/// </summary>
/// <param name="model">What clients call the model.</param>
/// <param name="tokenizer">The model's.</param>
/// <param name="request">What was asked.</param>
internal sealed class ResponseWriter(string model, Llama4Tokenizer tokenizer, ResponseRequest request)
{
    private readonly long _created = DateTimeOffset.UtcNow.ToUnixTimeSeconds();
    private readonly List<ResponseItem> _items = [];
    private readonly Choice _choice = new();
    private int _sequence;

    /// <summary>The response's id.</summary>
    public string Id { get; } = Ids.New("resp_");

    /// <summary>What it took, and why it ended; complete with the last update.</summary>
    public Choice Choice => _choice;

    /// <summary>The first events of a stream.</summary>
    public void Begin(EventStream stream)
    {
        WriteWhole(stream, "response.created");
        WriteWhole(stream, "response.in_progress");
    }

    /// <summary>Takes an update. The last one ends the response.</summary>
    /// <param name="update">What came.</param>
    /// <param name="stream">Takes events; null for an answer that is whole.</param>
    public void Take(GenerationUpdate update, EventStream? stream)
    {
        IReadOnlyList<IdentifiedCall> calls = _choice.Take(update);
        GenerationUpdate? logprob = Choice.LogprobOf(update);
        if (update.Content.Length > 0)
        {
            ResponseItem message = Open(stream);
            message.Text.Append(update.Content);
            if (logprob is not null)
            {
                message.Logprobs.Add(logprob);
            }
            WriteDelta(stream, message, update.Content, logprob);
        }
        foreach (IdentifiedCall call in calls)
        {
            CloseMessage(stream);
            var item = new ResponseItem { Call = call };
            _items.Add(item);
            WriteItem(stream, "response.output_item.added", item);
            WriteArguments(stream, item, isDone: false);
            item.IsDone = true;
            WriteArguments(stream, item, isDone: true);
            WriteItem(stream, "response.output_item.done", item);
        }
        if (update.FinishReason is null)
        {
            return;
        }
        if (_items.Count == 0)
        {
            Open(stream);
        }
        CloseMessage(stream);
        if (stream is not null)
        {
            WriteWhole(stream, _choice.IsCut ? "response.incomplete" : "response.completed");
        }
    }

    /// <summary>The last event of a stream that failed.</summary>
    public ValueTask FailAsync(EventStream stream, ApiError error)
    {
        Utf8JsonWriter json = BeginEvent(stream, "error");
        json.WriteString("code"u8, error.Code);
        json.WriteString("message"u8, error.Message);
        json.WriteString("param"u8, error.Param);
        EndEvent(stream, json);
        return stream.SendAsync(CancellationToken.None);
    }

    /// <summary>The response as far as it is.</summary>
    public void Write(Utf8JsonWriter json)
    {
        bool isDone = _choice.Usage is not null;
        json.WriteStartObject();
        json.WriteString("id"u8, Id);
        json.WriteString("object"u8, "response"u8);
        json.WriteNumber("created_at"u8, _created);
        json.WriteString("status"u8, !isDone ? "in_progress"u8 : _choice.IsCut ? "incomplete"u8 : "completed"u8);
        json.WriteBoolean("background"u8, false);
        json.WriteNull("error"u8);
        if (_choice.IsCut)
        {
            json.WriteStartObject("incomplete_details"u8);
            json.WriteString("reason"u8, "max_output_tokens"u8);
            json.WriteEndObject();
        }
        else
        {
            json.WriteNull("incomplete_details"u8);
        }
        json.WriteString("instructions"u8, request.Instructions);
        if (request.MaxTokens is int most)
        {
            json.WriteNumber("max_output_tokens"u8, most);
        }
        else
        {
            json.WriteNull("max_output_tokens"u8);
        }
        json.WriteString("model"u8, model);
        json.WriteStartArray("output"u8);
        foreach (ResponseItem item in _items)
        {
            item.Write(json, tokenizer);
        }
        json.WriteEndArray();
        json.WriteBoolean("parallel_tool_calls"u8, request.Talk.Tools.AllowsSeveral);
        json.WriteNull("previous_response_id"u8);
        json.WriteNull("reasoning"u8);
        json.WriteBoolean("store"u8, false);
        json.WriteNumber("temperature"u8, request.Talk.Generation.Temperature);
        json.WriteNumber("top_p"u8, request.Talk.Generation.TopP);
        json.WriteNumber("top_logprobs"u8, request.Talk.Generation.TopLogprobs);
        json.WriteString("truncation"u8, "disabled"u8);
        Echo(json, "text", """{"format":{"type":"text"}}""");
        Echo(json, "tools", "[]");
        Echo(json, "tool_choice", "\"auto\"");
        Echo(json, "metadata", "{}");
        WriteUsage(json);
        json.WriteEndObject();
    }

    private void Echo(Utf8JsonWriter json, string name, string usual)
    {
        json.WritePropertyName(name);
        json.WriteRawValue(request.Echoes.GetValueOrDefault(name, usual));
    }

    private void WriteUsage(Utf8JsonWriter json)
    {
        if (_choice.Usage is not Usage usage)
        {
            json.WriteNull("usage"u8);
            return;
        }
        json.WriteStartObject("usage"u8);
        json.WriteNumber("input_tokens"u8, usage.PromptTokens);
        json.WriteStartObject("input_tokens_details"u8);
        json.WriteNumber("cached_tokens"u8, usage.CachedTokens);
        json.WriteNumber("image_tokens"u8, usage.ImageTokens);
        json.WriteEndObject();
        json.WriteNumber("output_tokens"u8, usage.CompletionTokens);
        json.WriteStartObject("output_tokens_details"u8);
        json.WriteNumber("reasoning_tokens"u8, 0);
        json.WriteEndObject();
        json.WriteNumber("total_tokens"u8, usage.TotalTokens);
        json.WriteEndObject();
    }

    /// <summary>The message that text goes to: the last item, or a new one.</summary>
    private ResponseItem Open(EventStream? stream)
    {
        if (_items is [.., { Call: null, IsDone: false } open])
        {
            return open;
        }
        var message = new ResponseItem();
        _items.Add(message);
        WriteItem(stream, "response.output_item.added", message);
        WritePart(stream, "response.content_part.added", message);
        return message;
    }

    private void CloseMessage(EventStream? stream)
    {
        if (_items is not [.., { Call: null, IsDone: false } message])
        {
            return;
        }
        message.IsDone = true;
        message.IsCut = _choice.IsCut;
        if (stream is not null)
        {
            Utf8JsonWriter json = BeginItemEvent(stream, "response.output_text.done", message);
            json.WriteNumber("content_index"u8, 0);
            json.WriteString("text"u8, message.Text.ToString());
            ResponseItem.WriteLogprobs(json, tokenizer, message.Logprobs);
            EndEvent(stream, json);
        }
        WritePart(stream, "response.content_part.done", message);
        WriteItem(stream, "response.output_item.done", message);
    }

    private void WriteDelta(EventStream? stream, ResponseItem message, string text, GenerationUpdate? logprob)
    {
        if (stream is not null)
        {
            Utf8JsonWriter json = BeginItemEvent(stream, "response.output_text.delta", message);
            json.WriteNumber("content_index"u8, 0);
            json.WriteString("delta"u8, text);
            ResponseItem.WriteLogprobs(json, tokenizer, logprob is null ? [] : [logprob]);
            EndEvent(stream, json);
        }
    }

    private void WriteArguments(EventStream? stream, ResponseItem item, bool isDone)
    {
        if (stream is not null)
        {
            Utf8JsonWriter json = BeginItemEvent(stream, isDone ? "response.function_call_arguments.done" : "response.function_call_arguments.delta", item);
            if (isDone)
            {
                json.WriteString("name"u8, item.Call!.Call.Name);
            }
            json.WriteString(isDone ? "arguments"u8 : "delta"u8, item.Call!.Arguments);
            EndEvent(stream, json);
        }
    }

    private void WritePart(EventStream? stream, string type, ResponseItem message)
    {
        if (stream is not null)
        {
            Utf8JsonWriter json = BeginItemEvent(stream, type, message);
            json.WriteNumber("content_index"u8, 0);
            json.WritePropertyName("part"u8);
            message.WritePart(json, tokenizer);
            EndEvent(stream, json);
        }
    }

    private void WriteItem(EventStream? stream, string type, ResponseItem item)
    {
        if (stream is not null)
        {
            Utf8JsonWriter json = BeginEvent(stream, type);
            json.WriteNumber("output_index"u8, _items.IndexOf(item));
            json.WritePropertyName("item"u8);
            item.Write(json, tokenizer);
            EndEvent(stream, json);
        }
    }

    private void WriteWhole(EventStream stream, string type)
    {
        Utf8JsonWriter json = BeginEvent(stream, type);
        json.WritePropertyName("response"u8);
        Write(json);
        EndEvent(stream, json);
    }

    private Utf8JsonWriter BeginItemEvent(EventStream stream, string type, ResponseItem item)
    {
        Utf8JsonWriter json = BeginEvent(stream, type);
        json.WriteString("item_id"u8, item.Id);
        json.WriteNumber("output_index"u8, _items.IndexOf(item));
        return json;
    }

    private Utf8JsonWriter BeginEvent(EventStream stream, string type)
    {
        Utf8JsonWriter json = stream.Begin(type);
        json.WriteStartObject();
        json.WriteString("type"u8, type);
        json.WriteNumber("sequence_number"u8, _sequence++);
        return json;
    }

    private static void EndEvent(EventStream stream, Utf8JsonWriter json)
    {
        json.WriteEndObject();
        stream.End();
    }
}
