using Llama4Kernels.Engine.Chat;
using Llama4Kernels.Engine.Model;
using Llama4Kernels.Server.Errors;

namespace Llama4Kernels.Server.Requests;

/// <summary>
/// A conversation as it is read. Results of tools are put in the order of the calls, by their ids: the model knows calls by their
/// places only.
/// </summary>
/// <param name="model">Whose way of writing calls it is.</param>
internal sealed class Transcript(Llama4Model model)
{
    private readonly List<ChatMessage> _messages = [];
    private readonly List<string> _calls = [];
    private readonly Dictionary<string, ChatMessage> _results = new(StringComparer.Ordinal);

    /// <summary>Adds what the system, the user or the model said.</summary>
    /// <param name="message">The message.</param>
    /// <param name="path">Its place.</param>
    public void Add(ChatMessage message, string path)
    {
        CloseCalls(path);
        _messages.Add(message);
    }

    /// <summary>Adds a call, to the model's message if that is the last one.</summary>
    /// <param name="id">By which its result is given.</param>
    /// <param name="call">The call.</param>
    /// <param name="path">Its place.</param>
    public void AddCall(string id, ToolCall call, string path)
    {
        if (_results.Count > 0)
        {
            // They answer calls of before: this one begins another turn.
            CloseCalls(path);
        }
        if (_calls.Contains(id))
        {
            throw ApiException.Invalid(path, "Two calls have the same id.");
        }
        ChatMessage caller = _messages is [.., { Role: ChatRole.Assistant } last] ? last : new ChatMessage(ChatRole.Assistant, []);
        ChatMessage written = caller with { ToolCalls = [.. caller.ToolCalls, call] };
        // Whether the model's way of writing calls can write it.
        ErrorTable.At(path, () => model.EncodePrompt([written]));
        if (ReferenceEquals(_messages.LastOrDefault(), caller))
        {
            _messages.RemoveAt(_messages.Count - 1);
        }
        _messages.Add(written);
        _calls.Add(id);
    }

    /// <summary>Adds what a call gave.</summary>
    /// <param name="id">The call's id.</param>
    /// <param name="content">What it gave.</param>
    /// <param name="path">The id's place.</param>
    public void AddResult(string id, IReadOnlyList<ChatContent> content, string path)
    {
        if (!_calls.Contains(id))
        {
            throw ApiException.Invalid(path, "No call before has this id.");
        }
        if (!_results.TryAdd(id, new ChatMessage(ChatRole.Tool, content)))
        {
            throw ApiException.Invalid(path, "The call has two results.");
        }
    }

    /// <summary>All messages, the last one to be answered.</summary>
    /// <param name="path">The field that has them.</param>
    public IReadOnlyList<ChatMessage> End(string path)
    {
        CloseCalls(path);
        return _messages is [.., { Role: ChatRole.User or ChatRole.Tool }]
            ? _messages
            : throw ApiException.Invalid(path, _messages.Count == 0
                ? $"'{path}' is empty: there is nothing to answer."
                : "The last message must be the user's or a tool's: there is nothing to answer after the model's own or the system's.");
    }

    /// <summary>Calls are over: every one has its result.</summary>
    private void CloseCalls(string path)
    {
        if (_calls.Exists(id => !_results.ContainsKey(id)))
        {
            throw ApiException.Invalid(path, "A call before has no result: give one for each.");
        }
        _messages.AddRange(_calls.Select(id => _results[id]));
        _calls.Clear();
        _results.Clear();
    }
}
