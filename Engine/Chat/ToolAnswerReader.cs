using System.Text;
using System.Text.Json.Nodes;
using Llama4Kernels.Engine.Tokenization;

namespace Llama4Kernels.Engine.Chat;

/// <summary>
/// Takes an answer apart in a conversation with declared tools: calls, code for an interpreter, and the text around them. Marks,
/// fences around calls and separators go; everything else stays as it was written.
/// </summary>
internal sealed class ToolAnswerReader(string text, IEnumerable<string> tools, bool codeInterpreter)
{
    private const int MinFence = 3;
    private const string MarkStart = Llama4SpecialTokens.PythonStart, MarkEnd = Llama4SpecialTokens.PythonEnd;
    private readonly ToolCallForms _forms = new(text, tools);
    private readonly StringBuilder _content = new();
    private readonly List<ToolCall> _calls = [];
    private readonly List<string> _code = [];

    // Where the text begins that is not yet content, and whether a call ended there.
    private int _from;
    private bool _afterCall;

    /// <summary>The parts.</summary>
    public (string Content, IReadOnlyList<ToolCall> Calls, string? Code) Read()
    {
        for (int at = NextSign(0); at < text.Length; at = NextSign(at))
        {
            at = text[at] switch
            {
                '`' or '~' => ReadFence(at),
                '<' when IsAt(at, MarkStart) => ReadMarked(at),
                '<' when IsAt(at, MarkEnd) => Drop(at, at + MarkEnd.Length),
                _ when _forms.IsSign(at) => ReadForm(at),
                _ => at + 1,
            };
        }
        AddText(text.Length, beforeCall: false);
        string content = _content.Replace(MarkStart, "").Replace(MarkEnd, "").ToString();
        bool alone = _calls.Count == 0 && _code.Count == 0;
        return (alone ? content : content.Trim(), _calls, _code.Count == 0 ? null : string.Join('\n', _code));
    }

    private bool IsAt(int at, string sign) => string.CompareOrdinal(text, at, sign, 0, sign.Length) == 0;

    private int NextSign(int at)
    {
        int next = at < text.Length ? text.AsSpan(at).IndexOfAny("[{<`~") : -1;
        return next < 0 ? text.Length : at + next;
    }

    private int ReadForm(int at)
    {
        if (!MayStart(at))
        {
            int skipped = text[at] == '<' ? -1 : _forms.Balanced(at);
            return skipped < 0 ? at + 1 : skipped;
        }
        List<ToolCall> calls = [];
        (ToolCallForms.Kind kind, int end) = _forms.Read(at, calls);
        return kind == ToolCallForms.Kind.Calls ? AddCalls(at, end, calls) : end;
    }

    // Behind these signs stands a part of an expression or a quotation, not a call.
    private bool MayStart(int at)
    {
        if (at == 0 || (at == _from && _afterCall))
        {
            return true;
        }
        char before = text[at - 1];
        if (before is '"' or '\'' or '`')
        {
            return false;
        }
        if (text[at] == '<')
        {
            return true;
        }
        if (char.IsAsciiLetterOrDigit(before) || before is '_' or ')' or ']')
        {
            return false;
        }
        return text.AsSpan(0, at).TrimEnd(' ') is not [.., '=' or '(' or '+'];
    }

    /// <summary>A fence around nothing but calls goes with them; any other one is text as a whole.</summary>
    private int ReadFence(int at)
    {
        int length = text.AsSpan(at).IndexOfAnyExcept(text[at]) is >= 0 and var run ? run : text.Length - at;
        if (length < MinFence)
        {
            return at + length;
        }
        List<ToolCall> calls = [];
        if (TryReadFence(at, length, calls, out int end))
        {
            return AddCalls(at, end, calls);
        }
        int close = text.IndexOf(text.Substring(at, length), at + length, StringComparison.Ordinal);
        return close < 0 ? text.Length : close + length;
    }

    private bool TryReadFence(int at, int length, List<ToolCall> calls, out int end)
    {
        int body = at + length;
        while (body < text.Length && (char.IsAsciiLetterOrDigit(text[body]) || text[body] is '_' or '-' or '+' or '.'))
        {
            body++;
        }
        return TryReadCalls(body, text.Substring(at, length), calls, out end) && calls.Count > 0;
    }

    private int ReadMarked(int at)
    {
        int body = at + MarkStart.Length;
        List<ToolCall> calls = [];
        if (TryReadCalls(body, MarkEnd, calls, out int end))
        {
            return calls.Count > 0 ? AddCalls(at, end, calls) : Drop(at, end);
        }
        if (!codeInterpreter)
        {
            return Drop(at, body);
        }
        int close = text.IndexOf(MarkEnd, body, StringComparison.Ordinal);
        Drop(at, close < 0 ? text.Length : close + MarkEnd.Length);
        _code.Add(WithoutFence(text[body..(close < 0 ? text.Length : close)].Trim()));
        return _from;
    }

    private static string WithoutFence(string code)
    {
        int line = code.IndexOf('\n');
        return line > 0 && code.StartsWith("```", StringComparison.Ordinal) && code.EndsWith("\n```", StringComparison.Ordinal) && code.Length > line + 4
            ? code[(line + 1)..^4]
            : code;
    }

    /// <summary>Reads calls and what may stand between them up to a sign that closes them, or the end of the text.</summary>
    private bool TryReadCalls(int at, string closing, List<ToolCall> calls, out int end)
    {
        end = at;
        while (_forms.TryCharge(0))
        {
            while (end < text.Length && (char.IsWhiteSpace(text[end]) || (text[end] is ';' or ',' && calls.Count > 0)))
            {
                end++;
            }
            if (end == text.Length)
            {
                return true;
            }
            if (IsAt(end, closing))
            {
                end += closing.Length;
                return true;
            }
            if (IsAt(end, MarkStart) || IsAt(end, MarkEnd))
            {
                end += IsAt(end, MarkStart) ? MarkStart.Length : MarkEnd.Length;
            }
            else if (_forms.IsSign(end) && _forms.Read(end, calls) is (ToolCallForms.Kind.Calls, var after))
            {
                end = after;
            }
            else if (closing == MarkEnd && IsAt(end, "```") && TryReadFence(end, MinFence, calls, out int fenced))
            {
                end = fenced;
            }
            else
            {
                // What was read so far is read again as text.
                _forms.TryCharge(end - at);
                return false;
            }
        }
        return false;
    }

    private int AddCalls(int at, int end, List<ToolCall> calls)
    {
        AddText(at, beforeCall: true);
        _calls.AddRange(calls);
        (_from, _afterCall) = (end, true);
        return end;
    }

    private int Drop(int at, int end)
    {
        // A mark between two calls leaves them neighbours.
        bool blank = _afterCall && text.AsSpan(_from, at - _from).IsWhiteSpace();
        AddText(at, beforeCall: false);
        (_from, _afterCall) = (end, blank);
        return end;
    }

    /// <summary>Adds the text up to a place to the content, without the signs that separate calls.</summary>
    private void AddText(int end, bool beforeCall)
    {
        ReadOnlySpan<char> added = text.AsSpan(_from, end - _from);
        if (_afterCall)
        {
            ReadOnlySpan<char> trimmed = added.TrimStart();
            if (trimmed is [';', ..])
            {
                added = trimmed[1..];
            }
            else if (beforeCall && trimmed.TrimEnd() is [','])
            {
                added = [];
            }
        }
        _content.Append(added);
        _from = end;
    }
}
