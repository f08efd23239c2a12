using System.Text;
using Llama4Kernels.Engine.Tokenization;

namespace Llama4Kernels.Engine.Chat;

/// <summary>
/// Takes an answer apart in a conversation with declared tools, as it comes: calls, code for an interpreter, and the text around
/// them. Marks, fences around calls and separators go; everything else stays as it was written. How the answer was cut into
/// pieces changes nothing but when a part of it is given out.
/// </summary>
internal sealed class ToolAnswerReader(IEnumerable<string> tools, bool codeInterpreter = false)
{
    private const int MinFence = 3;
    private const string MarkStart = Llama4SpecialTokens.PythonStart, MarkEnd = Llama4SpecialTokens.PythonEnd;

    /// <summary>What is held back is read again when it has grown by this part: a long call costs a few readings, not one a token.</summary>
    private const int GrowthPart = 16;

    private readonly ToolCallForms _forms = new(tools);
    private readonly StringBuilder _content = new();
    private readonly List<ToolCall> _calls = [];
    private readonly List<string> _code = [];
    private readonly StringBuilder _pieces = new();
    private string _text = string.Empty;
    private bool _isWhole;
    private int _nextReading;

    // Where reading goes on, where the text begins that is not yet content, and whether a call ended there.
    private int _at, _from;
    private bool _afterCall;

    // The sign that closes the fence which is open around mere text.
    private string? _openFence;

    // Blanks wait for what follows: next to calls they are no content.
    private string _blanks = string.Empty;
    private bool _gaveContent;
    private int _gaveCalls;

    /// <summary>The code so far, for an interpreter; null if there is none.</summary>
    public string? Code => _code.Count == 0 ? null : string.Join('\n', _code);

    /// <summary>Takes the next piece of the answer.</summary>
    /// <returns>The content and the calls that have become certain, possibly none.</returns>
    public (string Content, IReadOnlyList<ToolCall> Calls) Feed(string piece)
    {
        _pieces.Append(piece);
        return _text.Length + _pieces.Length < _nextReading ? (string.Empty, []) : Read();
    }

    /// <summary>Takes the last piece of the answer and ends it.</summary>
    /// <returns>All that was held back. The content as a whole has no blanks around it if there are calls or code, but those that came before anything else.</returns>
    public (string Content, IReadOnlyList<ToolCall> Calls) End(string piece = "")
    {
        _pieces.Append(piece);
        _isWhole = true;
        return Read();
    }

    private (string Content, IReadOnlyList<ToolCall> Calls) Read()
    {
        _text += _pieces.ToString();
        _pieces.Clear();
        _forms.Begin(_text);
        while (_at < _text.Length && TryStep())
        {
        }
        AddCertain(_openFence is null ? _at : _text.Length);
        _nextReading = _text.Length + ((_text.Length - _at) / GrowthPart);
        Forget();
        List<ToolCall> calls = _calls[_gaveCalls..];
        _gaveCalls = _calls.Count;
        return (TakeContent(), calls);
    }

    /// <summary>Reads on to behind the next sign; false, with nothing changed, where only what follows can tell what it is.</summary>
    private bool TryStep()
    {
        if (_openFence is not null)
        {
            int close = _text.IndexOf(_openFence, _at, StringComparison.Ordinal);
            _at = close >= 0 ? close + _openFence.Length : Math.Max(_at, _text.Length - _openFence.Length + 1);
            _openFence = close >= 0 ? null : _openFence;
            return close >= 0;
        }
        _at = NextSign(_at);
        if (_at == _text.Length)
        {
            return false;
        }
        var before = (_content.Length, _calls.Count, _code.Count, _from, _afterCall);
        _forms.SawEnd = false;
        int next = _text[_at] switch
        {
            '`' or '~' => ReadFence(_at),
            '<' when _forms.IsAt(_at, MarkStart) => ReadMarked(_at),
            '<' when _forms.IsAt(_at, MarkEnd) => Drop(_at, _at + MarkEnd.Length),
            _ when _forms.IsSign(_at) => ReadForm(_at),
            _ => _at + 1,
        };
        if (_forms.SawEnd && !_isWhole)
        {
            (_content.Length, int calls, int code, _from, _afterCall) = before;
            _calls.RemoveRange(calls, _calls.Count - calls);
            _code.RemoveRange(code, _code.Count - code);
            _openFence = null;
            return false;
        }
        _at = next;
        return true;
    }

    /// <summary>Adds the text up to a place to the content, but for what may yet turn out a separator of calls or a mark.</summary>
    private void AddCertain(int end)
    {
        if (_isWhole)
        {
            AddText(_text.Length, beforeCall: false);
            return;
        }
        if (end == _from)
        {
            return;
        }
        int mark = _text.LastIndexOf('<', end - 1, Math.Min(end - _from, MarkStart.Length - 1));
        if (mark >= 0 && (MarkStart.AsSpan().StartsWith(_text.AsSpan(mark, end - mark)) || MarkEnd.AsSpan().StartsWith(_text.AsSpan(mark, end - mark))))
        {
            end = mark;
        }
        if (end > _from && !(_afterCall && _text.AsSpan(_from, end - _from).Trim() is [] or [';'] or [',']))
        {
            AddText(end, beforeCall: false);
            _afterCall = false;
        }
    }

    private string TakeContent()
    {
        string text = _blanks + _content.Replace(MarkStart, "").Replace(MarkEnd, "");
        _content.Clear();
        bool isAlone = _calls.Count == 0 && _code.Count == 0;
        if (!_gaveContent && !isAlone)
        {
            text = text.TrimStart();
        }
        string given = _isWhole && isAlone ? text : text.TrimEnd();
        _blanks = text[given.Length..];
        _gaveContent |= given.Length > 0;
        return given;
    }

    /// <summary>Lets go of what is read, but for the signs that say whether a call may start behind them.</summary>
    private void Forget()
    {
        int read = Math.Min(_at, _from);
        int gone = Math.Max(0, _text.AsSpan(0, read).TrimEnd(' ').Length - 1);
        _text = _text[gone..];
        (_at, _from, _nextReading) = (_at - gone, _from - gone, _nextReading - gone);
    }

    private int NextSign(int at)
    {
        int next = _text.AsSpan(at).IndexOfAny("[{<`~");
        return next < 0 ? _text.Length : at + next;
    }

    private int ReadForm(int at)
    {
        if (!MayStart(at))
        {
            int skipped = _text[at] == '<' ? -1 : _forms.Balanced(at);
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
        char before = _text[at - 1];
        if (before is '"' or '\'' or '`')
        {
            return false;
        }
        if (_text[at] == '<')
        {
            return true;
        }
        if (char.IsAsciiLetterOrDigit(before) || before is '_' or ')' or ']')
        {
            return false;
        }
        return _text.AsSpan(0, at).TrimEnd(' ') is not [.., '=' or '(' or '+'];
    }

    /// <summary>A fence around nothing but calls goes with them; any other one is text as a whole.</summary>
    private int ReadFence(int at)
    {
        int length = _text.AsSpan(at).IndexOfAnyExcept(_text[at]) is >= 0 and var run ? run : _text.Length - at;
        _forms.SawEnd |= at + length == _text.Length;
        if (length < MinFence)
        {
            return at + length;
        }
        List<ToolCall> calls = [];
        if (TryReadFence(at, length, calls, out int end))
        {
            return AddCalls(at, end, calls);
        }
        _openFence = _text.Substring(at, length);
        return at + length;
    }

    private bool TryReadFence(int at, int length, List<ToolCall> calls, out int end)
    {
        int body = at + length;
        while (body < _text.Length && (char.IsAsciiLetterOrDigit(_text[body]) || _text[body] is '_' or '-' or '+' or '.'))
        {
            body++;
        }
        return TryReadCalls(body, _text.Substring(at, length), calls, out end) && calls.Count > 0;
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
        int close = _text.IndexOf(MarkEnd, body, StringComparison.Ordinal);
        _forms.SawEnd |= close < 0;
        Drop(at, close < 0 ? _text.Length : close + MarkEnd.Length);
        _code.Add(WithoutFence(_text[body..(close < 0 ? _text.Length : close)].Trim()));
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
            while (end < _text.Length && (char.IsWhiteSpace(_text[end]) || (_text[end] is ';' or ',' && calls.Count > 0)))
            {
                end++;
            }
            if (end == _text.Length)
            {
                _forms.SawEnd = true;
                return true;
            }
            if (_forms.IsAt(end, closing))
            {
                end += closing.Length;
                return true;
            }
            if (_forms.IsAt(end, MarkStart) || _forms.IsAt(end, MarkEnd))
            {
                end += _forms.IsAt(end, MarkStart) ? MarkStart.Length : MarkEnd.Length;
            }
            else if (_forms.IsSign(end) && _forms.Read(end, calls) is (ToolCallForms.Kind.Calls, var after))
            {
                end = after;
            }
            else if (closing == MarkEnd && _forms.IsAt(end, "```") && TryReadFence(end, MinFence, calls, out int fenced))
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
        bool blank = _afterCall && _text.AsSpan(_from, at - _from).IsWhiteSpace();
        AddText(at, beforeCall: false);
        (_from, _afterCall) = (end, blank);
        return end;
    }

    /// <summary>Adds the text up to a place to the content, without the signs that separate calls.</summary>
    private void AddText(int end, bool beforeCall)
    {
        ReadOnlySpan<char> added = _text.AsSpan(_from, end - _from);
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
