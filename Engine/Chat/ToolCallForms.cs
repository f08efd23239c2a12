using System.Text.Json;
using System.Text.Json.Nodes;

namespace Llama4Kernels.Engine.Chat;

/// <summary>
/// Reads calls of declared tools where they may start in an answer: Python lists, JSON objects and arrays of them, function
/// tags. Literals may be Python's or JSON's. Whatever is not wholly one of these forms is left as text, never guessed at.
/// The work is bounded by the answer's length.
/// </summary>
internal sealed class ToolCallForms
{
    private const string TagStart = "<function=", TagEnd = "</function>";
    private readonly HashSet<string> _tools;
    private readonly int _longestName;
    private string _text = string.Empty;
    private long _budget;
    private bool _noTagEnd;

    public ToolCallForms(IEnumerable<string> tools)
    {
        _tools = new HashSet<string>(tools, StringComparer.Ordinal);
        _longestName = _tools.Select(name => name.Length).DefaultIfEmpty().Max();
    }

    /// <summary>
    /// Whether the end of the text had a say in what was found since this was last set to false: more text could change it.
    /// </summary>
    public bool SawEnd { get; set; }

    /// <summary>Reads in this text from now on.</summary>
    public void Begin(string text)
    {
        _text = text;
        _noTagEnd = false;
        // Failed attempts may read the same text again and again; this is far more than honest answers need.
        _budget = (16L * text.Length) + 4096;
    }

    /// <summary>Whether so many signs may be read in vain once more; past the limit the rest of an answer is text.</summary>
    public bool TryCharge(int signs) => (_budget -= signs) >= 0;

    /// <summary>What was found at a place.</summary>
    public enum Kind
    {
        /// <summary>Calls, up to the end.</summary>
        Calls,

        /// <summary>No call, and nothing up to the end is one.</summary>
        Text,
    }

    /// <summary>Whether a form may start with the sign at this place.</summary>
    public bool IsSign(int at) => at < _text.Length && (_text[at] is '[' or '{' || IsAt(at, TagStart));

    /// <summary>Whether these signs stand at a place.</summary>
    public bool IsAt(int at, string signs)
    {
        SawEnd |= _text.Length - at < signs.Length && signs.AsSpan().StartsWith(_text.AsSpan(at));
        return string.CompareOrdinal(_text, at, signs, 0, signs.Length) == 0;
    }

    /// <summary>Reads the form that starts at a sign.</summary>
    /// <param name="at">The place of a sign.</param>
    /// <param name="calls">Receives the calls.</param>
    public (Kind Kind, int End) Read(int at, List<ToolCall> calls)
    {
        if (_budget < 0)
        {
            return (Kind.Text, _text.Length);
        }
        return _text[at] switch
        {
            '<' => ReadTag(at, calls),
            '[' when IsCallLike(at) => ReadList(at, calls),
            _ => ReadValue(at, calls),
        };
    }

    /// <summary>The end of the bracket at a place, strings left alone; −1 if it is never closed.</summary>
    public int Balanced(int at)
    {
        int depth = 0;
        int i = at;
        for (; i < _text.Length && _budget >= 0; i++)
        {
            char sign = _text[i];
            if (sign is '"' or '\'')
            {
                i = StringEnd(i);
            }
            else if (sign is '[' or '{' or '(')
            {
                depth++;
            }
            else if (sign is ']' or '}' or ')' && --depth == 0)
            {
                break;
            }
        }
        SawEnd |= i >= _text.Length;
        return TryCharge(i - at) && i < _text.Length ? i + 1 : -1;
    }

    /// <summary>The closing quote, or the end of a line that lacks it: then it was an apostrophe.</summary>
    private int StringEnd(int at)
    {
        char quote = _text[at];
        int i = at + 1;
        for (; i < _text.Length && _text[i] != '\n'; i++)
        {
            if (_text[i] == quote)
            {
                return i;
            }
            i += _text[i] == '\\' ? 1 : 0;
        }
        SawEnd |= i >= _text.Length;
        _budget -= i - at;
        return at;
    }

    /// <summary>"[name(" begins a list of calls or an expression, and nothing else.</summary>
    private bool IsCallLike(int at)
    {
        const int LongestUndeclared = 128;
        int limit = Math.Max(_longestName + 16, LongestUndeclared);
        int most = Math.Min(_text.Length - at - 1, limit);
        int length = _text.AsSpan(at + 1, most).IndexOf('(');
        string name = _text.Substring(at + 1, length < 0 ? most : length).Trim();
        bool isNameLike = name.All(sign => char.IsLetterOrDigit(sign) || sign is '_' or '.' or '-');
        if (length < 0)
        {
            SawEnd |= most < limit && (isNameLike || _tools.Any(tool => tool.StartsWith(name, StringComparison.Ordinal)));
            return false;
        }
        return length > 0 && (_tools.Contains(name) || (name.Length > 0 && isNameLike));
    }

    private (Kind Kind, int End) ReadList(int at, List<ToolCall> calls)
    {
        PythonLiteralReader reader = new(_text, at, PythonLiteralReader.Dialect.Calls);
        List<ToolCall> found = [];
        bool isList = TryReadList(ref reader, found) && !GoesOnAsExpression(reader.At);
        SawEnd |= reader.SawEnd;
        if (isList)
        {
            calls.AddRange(found);
            return (Kind.Calls, reader.At);
        }
        return Broken(at, reader.At);
    }

    private bool TryReadList(ref PythonLiteralReader reader, List<ToolCall> calls)
    {
        reader.TryTake('[');
        do
        {
            if (reader.IsNext(']') && calls.Count > 0)
            {
                break;
            }
            string name = reader.ReadUpTo('(', _longestName + 16).Trim();
            if (!_tools.Contains(name) || !reader.TryTake('(') || !TryReadParameters(ref reader, out JsonObject arguments) || !IsWritable(arguments))
            {
                return false;
            }
            calls.Add(new ToolCall(name, arguments));
        }
        while (reader.TryTake(','));
        return reader.TryTake(']');
    }

    private static bool TryReadParameters(ref PythonLiteralReader reader, out JsonObject arguments)
    {
        arguments = [];
        while (!reader.TryTake(')'))
        {
            string name = reader.ReadName();
            if (name.Length == 0 || char.IsDigit(name[0]) || !reader.TryTake('=') || !reader.TryReadValue(out JsonNode? value) || !arguments.TryAdd(name, value))
            {
                return false;
            }
            if (!reader.TryTake(',') && !reader.IsNext(')'))
            {
                return false;
            }
        }
        return true;
    }

    // [f()](x) and [f()][0] are expressions; a list may follow a list.
    private bool GoesOnAsExpression(int end) =>
        end < _text.Length && (_text[end] == '(' || (_text[end] == '[' && !IsCallLike(end)));

    private (Kind Kind, int End) ReadValue(int at, List<ToolCall> calls)
    {
        PythonLiteralReader reader = new(_text, at, PythonLiteralReader.Dialect.Json);
        bool isValue = reader.TryReadValue(out JsonNode? value);
        SawEnd |= reader.SawEnd;
        if (isValue)
        {
            List<ToolCall>? found = value switch
            {
                JsonObject members => CallOf(members) is { } call ? [call] : null,
                JsonArray { Count: > 0 } items => CallsOf(items),
                _ => null,
            };
            calls.AddRange(found ?? []);
            return (found is null ? Kind.Text : Kind.Calls, reader.At);
        }
        // An object that was begun and not finished, alone or in an array, is no prose; a bracket without a partner is.
        ReadOnlySpan<char> inside = _text.AsSpan(at + 1).TrimStart();
        bool isArray = _text[at] == '[' && inside is ['{', ..];
        inside = isArray ? inside[1..].TrimStart() : inside;
        SawEnd |= inside.IsEmpty;
        if ((isArray || _text[at] == '{') && inside is ['"' or '\'', ..])
        {
            return Broken(at, reader.At);
        }
        _budget -= reader.At - at;
        int end = Balanced(at);
        return (Kind.Text, end < 0 ? at + 1 : end);
    }

    private (Kind Kind, int End) ReadTag(int at, List<ToolCall> calls)
    {
        int start = at + TagStart.Length;
        PythonLiteralReader reader = new(_text, start, PythonLiteralReader.Dialect.Json);
        string name = reader.ReadUpTo('>', _longestName + 16).Trim();
        if (_tools.Contains(name) && reader.TryTake('>') && reader.IsNext('{') && reader.TryReadValue(out JsonNode? value)
            && value is JsonObject arguments && IsWritable(arguments))
        {
            reader.SkipBlanks();
            if (IsAt(reader.At, TagEnd))
            {
                calls.Add(new ToolCall(name, arguments));
                return (Kind.Calls, reader.At + TagEnd.Length);
            }
        }
        SawEnd |= reader.SawEnd;
        _budget -= reader.At - at;
        int close = _noTagEnd ? -1 : _text.IndexOf(TagEnd, start, StringComparison.Ordinal);
        _noTagEnd |= close < 0;
        SawEnd |= close < 0;
        return (Kind.Text, close < 0 ? start : close + TagEnd.Length);
    }

    private (Kind Kind, int End) Broken(int at, int reached)
    {
        _budget -= reached - at;
        int end = Balanced(at);
        return (Kind.Text, end < 0 ? _text.Length : end);
    }

    private List<ToolCall>? CallsOf(JsonArray items)
    {
        List<ToolCall> calls = [];
        foreach (JsonNode? item in items)
        {
            if (item is not JsonObject members || CallOf(members) is not { } call)
            {
                return null;
            }
            calls.Add(call);
        }
        return calls;
    }

    /// <summary>The call that an object is: a name, its arguments, perhaps the type, and nothing else.</summary>
    private ToolCall? CallOf(JsonObject members)
    {
        if (!TryGetText(members["name"], out string name) || !_tools.Contains(name)
            || (members.ContainsKey("type") && !(TryGetText(members["type"], out string type) && type == "function"))
            || (members.ContainsKey("parameters") && members.ContainsKey("arguments"))
            || members.Any(member => member.Key is not ("name" or "type" or "parameters" or "arguments")))
        {
            return null;
        }
        string key = members.ContainsKey("parameters") ? "parameters" : "arguments";
        JsonNode? value = members[key];
        members.Remove(key);
        JsonObject? arguments = value switch
        {
            null => [],
            JsonObject given => given,
            _ when TryGetText(value, out string text) => ObjectOf(text),
            _ => null,
        };
        return arguments is not null && IsWritable(arguments) ? new ToolCall(name, arguments) : null;
    }

    private static JsonObject? ObjectOf(string text)
    {
        PythonLiteralReader reader = new(text, 0, PythonLiteralReader.Dialect.Json);
        if (!reader.IsNext('{') || !reader.TryReadValue(out JsonNode? value))
        {
            return null;
        }
        reader.SkipBlanks();
        return reader.AtEnd ? value as JsonObject : null;
    }

    private static bool TryGetText(JsonNode? node, out string text)
    {
        text = node is JsonValue value && value.GetValueKind() == JsonValueKind.String ? value.GetValue<string>() : "";
        return node is JsonValue && node.GetValueKind() == JsonValueKind.String;
    }

    /// <summary>Half a surrogate pair is no text: nobody could write such arguments down.</summary>
    private static bool IsWritable(JsonNode? node) => node switch
    {
        JsonObject members => members.All(member => IsText(member.Key) && IsWritable(member.Value)),
        JsonArray items => items.All(IsWritable),
        JsonValue when TryGetText(node, out string text) => IsText(text),
        _ => true,
    };

    private static bool IsText(string text)
    {
        for (int i = 0; i < text.Length; i++)
        {
            if (char.IsSurrogate(text[i]))
            {
                if (i + 1 >= text.Length || !char.IsSurrogatePair(text[i], text[i + 1]))
                {
                    return false;
                }
                i++;
            }
        }
        return true;
    }
}
