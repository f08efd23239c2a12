using System.Text.Json.Nodes;

namespace Llama4Kernels.Engine.Chat;

/// <summary>
/// Parses <c>[f(x=1), g(y="a")]</c> by Python's grammar, as far as it has literals: calls of plain names with keyword
/// arguments, blanks, line breaks and comments where Python allows them.
/// </summary>
internal ref struct PythonCallList
{
    private static readonly HashSet<string> s_keywords = new(StringComparer.Ordinal)
    {
        "False", "None", "True", "and", "as", "assert", "async", "await", "break", "class", "continue", "def", "del",
        "elif", "else", "except", "finally", "for", "from", "global", "if", "import", "in", "is", "lambda", "nonlocal",
        "not", "or", "pass", "raise", "return", "try", "while", "with", "yield",
    };

    private PythonLiteralReader _reader;

    /// <summary>The calls, at least one, or null if the text is anything else.</summary>
    public static List<ToolCall>? TryParse(string text)
    {
        int start = SkipBlankLines(text);
        if (start >= text.Length || text[start] != '[')
        {
            return null;
        }
        PythonCallList parser = new() { _reader = new PythonLiteralReader(text, start) };
        return parser.TryReadList();
    }

    /// <summary>Where the first line with code starts; an indented one is no program.</summary>
    private static int SkipBlankLines(string text)
    {
        int start = 0;
        for (int at = 0; at < text.Length; at++)
        {
            if (text[at] == '#')
            {
                int end = text.IndexOf('\n', at);
                if (end < 0)
                {
                    return text.Length;
                }
                at = end;
            }
            if (text[at] is '\n' or '\r')
            {
                start = at + 1;
            }
            else if (text[at] is not (' ' or '\t' or '\f'))
            {
                break;
            }
        }
        return start;
    }

    private List<ToolCall>? TryReadList()
    {
        List<ToolCall> calls = [];
        _reader.TryTake('[');
        while (!_reader.TryTake(']'))
        {
            if (!TryReadCall(calls) || (!_reader.TryTake(',') && !_reader.IsNext(']')))
            {
                return null;
            }
        }
        _reader.SkipBlanks();
        return calls.Count > 0 && _reader.AtEnd ? calls : null;
    }

    private bool TryReadCall(List<ToolCall> calls)
    {
        if (!TryReadName(out string name) || !_reader.TryTake('('))
        {
            return false;
        }
        JsonObject arguments = [];
        while (!_reader.TryTake(')'))
        {
            if (!TryReadName(out string parameter) || !_reader.TryTake('=') || !_reader.TryReadValue(out JsonNode? value))
            {
                return false;
            }
            arguments[parameter] = value;
            if (!_reader.TryTake(',') && !_reader.IsNext(')'))
            {
                return false;
            }
        }
        calls.Add(new ToolCall(name, arguments));
        return true;
    }

    private bool TryReadName(out string name)
    {
        name = _reader.ReadWord();
        return name.Length > 0 && !char.IsDigit(name[0]) && !s_keywords.Contains(name);
    }
}
