using System.Text;
using Llama4Kernels.Engine.Chat;
using Llama4Kernels.Engine.Generation;

namespace Llama4Kernels.Engine.Serving;

/// <summary>An answer of a conversation while it comes: its content and its calls apart. Without tools all of it is content.</summary>
internal sealed class OpenAnswer(IReadOnlyList<ToolDefinition> tools)
{
    private readonly ToolAnswerReader? _reader = tools.Count > 0 ? new ToolAnswerReader(tools.Select(tool => tool.Name)) : null;
    private readonly StringBuilder _content = new();
    private readonly List<ToolCall> _calls = [];
    private bool _isEnded;

    /// <summary>The update with what has become certain; nothing is held back once it has a finish reason.</summary>
    public GenerationUpdate Take(GenerationUpdate update)
    {
        if (_reader is null)
        {
            _content.Append(update.Text);
            return update;
        }
        _isEnded = update.FinishReason is not null;
        (string content, IReadOnlyList<ToolCall> calls) = Add(_isEnded ? _reader.End(update.Text) : _reader.Feed(update.Text));
        return update with { Content = content, ToolCalls = calls };
    }

    /// <summary>All that came. Around calls there are no blanks.</summary>
    public ChatMessage ToAnswer(FinishReason finish)
    {
        if (_reader is not null && !_isEnded)
        {
            _isEnded = true;
            Add(_reader.End());
        }
        string content = _content.ToString();
        return new ChatMessage(ChatRole.Assistant, [new TextContent(_calls.Count > 0 ? content.Trim() : content)], _calls, finish);
    }

    private (string Content, IReadOnlyList<ToolCall> Calls) Add((string Content, IReadOnlyList<ToolCall> Calls) part)
    {
        _content.Append(part.Content);
        _calls.AddRange(part.Calls);
        return part;
    }
}
