using System.Text;
using System.Text.Json;
using Llama4Kernels.Engine.Chat;
using Llama4Kernels.Engine.Generation;

namespace Llama4Kernels.Server.Answers;

/// <summary>A call of a tool, with the id by which its result is given back.</summary>
internal sealed record IdentifiedCall(string Id, ToolCall Call)
{
    /// <summary>Its arguments as JSON text.</summary>
    public string Arguments => Call.Arguments.ToJsonString(s_json);

    private static readonly JsonSerializerOptions s_json = new() { Encoder = JsonAnswer.Options.Encoder };
}

/// <summary>One answer as far as it has come.</summary>
internal sealed class Choice
{
    private readonly StringBuilder _content = new();

    public string Content => _content.ToString();

    public List<IdentifiedCall> Calls { get; } = [];

    public List<GenerationUpdate> Logprobs { get; } = [];

    public FinishReason? Finish { get; private set; }

    public Usage? Usage { get; private set; }

    /// <summary>Whether a limit cut it.</summary>
    public bool IsCut => Finish == FinishReason.Length;

    /// <summary>Why it ended, in OpenAI's words.</summary>
    public string FinishName => IsCut ? "length" : Calls.Count > 0 ? "tool_calls" : "stop";

    /// <summary>The update, if it has the log-probability of a token that is part of the text: terminators are none of a client's tokens.</summary>
    public static GenerationUpdate? LogprobOf(GenerationUpdate update) =>
        update.FinishReason is FinishReason.EndOfTurn or FinishReason.EndOfMessage or FinishReason.EndOfText || update.Logprob is null ? null : update;

    /// <summary>Takes what has come, and keeps it.</summary>
    /// <returns>The calls that came with it.</returns>
    public IReadOnlyList<IdentifiedCall> Take(GenerationUpdate update)
    {
        _content.Append(update.Content);
        if (LogprobOf(update) is { } logprob)
        {
            Logprobs.Add(logprob);
        }
        (Finish, Usage) = (update.FinishReason ?? Finish, update.Usage ?? Usage);
        if (update.ToolCalls.Count == 0)
        {
            return [];
        }
        IdentifiedCall[] calls = [.. update.ToolCalls.Select(call => new IdentifiedCall(Ids.New("call_"), call))];
        Calls.AddRange(calls);
        return calls;
    }
}
