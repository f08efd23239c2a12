using System.Globalization;
using System.Numerics;
using System.Text;
using System.Text.Json.Nodes;
using Llama4Kernels.Engine.Constraints.JsonSchema;

namespace Llama4Kernels.Engine.Chat;

/// <summary>
/// Reads Python literals as JSON values: strings with their prefixes, escapes and juxtaposition, integers, floats,
/// True, False, None, lists, tuples (as arrays) and dictionaries. What JSON cannot say (bytes, sets, complex
/// numbers, infinities) is refused. Inside brackets, line breaks and comments are blanks.
/// </summary>
internal ref struct PythonLiteralReader(string text, int start, PythonLiteralReader.Dialect dialect = PythonLiteralReader.Dialect.Python)
{
    /// <summary>What counts as a literal.</summary>
    public enum Dialect
    {
        /// <summary>Python's literals; of repeated names the last counts.</summary>
        Python,

        /// <summary>Also true, false and null; repeated names are refused.</summary>
        Calls,

        /// <summary>As <see cref="Calls"/>, with JSON's "\/" in strings.</summary>
        Json,
    }

    /// <summary>Python itself gives up at about 100; the limit keeps the stack shallow.</summary>
    private const int MaxDepth = 60;

    /// <summary>Python's own limit for converting integers, which is quadratic.</summary>
    private const int MaxDigits = 4300;

    private int _at = start;
    private int _depth;
    private bool _sawEnd;

    /// <summary>Whether nothing is left.</summary>
    public readonly bool AtEnd => _at >= text.Length;

    /// <summary>Whether the end of the text had a say in what was read: more text could change it.</summary>
    public readonly bool SawEnd => _sawEnd || AtEnd;

    /// <summary>The place that is read next.</summary>
    public readonly int At => _at;

    private readonly char Current => _at < text.Length ? text[_at] : '\0';

    /// <summary>Skips blanks, line breaks and comments.</summary>
    public void SkipBlanks()
    {
        while (_at < text.Length)
        {
            if (text[_at] == '#')
            {
                int end = text.IndexOf('\n', _at);
                _at = end < 0 ? text.Length : end;
            }
            else if (text[_at] is ' ' or '\t' or '\n' or '\r' or '\f')
            {
                _at++;
            }
            else
            {
                return;
            }
        }
    }

    /// <summary>Whether the next sign is this one.</summary>
    public bool IsNext(char sign)
    {
        SkipBlanks();
        return Current == sign && !AtEnd;
    }

    /// <summary>Takes the next sign if it is this one.</summary>
    public bool TryTake(char sign)
    {
        bool found = IsNext(sign);
        _at += found ? 1 : 0;
        return found;
    }

    /// <summary>Reads what stands before a sign, which must follow soon; empty and nothing read if it does not.</summary>
    public string ReadUpTo(char sign, int most)
    {
        int length = text.AsSpan(_at, Math.Min(most, text.Length - _at)).IndexOf(sign);
        _sawEnd |= length < 0 && text.Length - _at < most;
        string found = text.Substring(_at, Math.Max(0, length));
        _at += found.Length;
        return found;
    }

    /// <summary>Reads letters, digits and underscores; empty if there are none.</summary>
    public string ReadWord()
    {
        SkipBlanks();
        int from = _at;
        while (_at < text.Length && (char.IsLetterOrDigit(text[_at]) || text[_at] == '_'))
        {
            _at++;
        }
        return text[from.._at];
    }

    /// <summary>Reads a parameter's name, which need not be Python's; empty if there is none.</summary>
    public string ReadName()
    {
        SkipBlanks();
        int from = _at;
        while (_at < text.Length && PythonName.IsParameterSign(text[_at]))
        {
            _at++;
        }
        return text[from.._at];
    }

    /// <summary>Reads a literal; null stands for None.</summary>
    public bool TryReadValue(out JsonNode? value)
    {
        value = null;
        SkipBlanks();
        switch (Current)
        {
            case '[':
                return TryReadItems(']', out value, out _);
            case '(':
                // One value in parentheses without a comma is that value.
                if (!TryReadItems(')', out value, out bool comma))
                {
                    return false;
                }
                if (value is JsonArray { Count: 1 } single && !comma)
                {
                    value = single[0];
                    single.RemoveAt(0);
                }
                return true;
            case '{':
                return TryReadDictionary(out value);
            case '"' or '\'':
                return TryReadStrings(out value);
            case '-' or '+' or '.' or (>= '0' and <= '9'):
                return TryReadNumber(out value);
            default:
                return TryReadWordValue(out value);
        }
    }

    private bool TryReadWordValue(out JsonNode? value)
    {
        value = null;
        int from = _at;
        switch (ReadWord())
        {
            case "None":
            case "null" when dialect != Dialect.Python:
                return true;
            case "True":
            case "true" when dialect != Dialect.Python:
                value = true;
                return true;
            case "False":
            case "false" when dialect != Dialect.Python:
                value = false;
                return true;
            case "r" or "R" or "u" or "U" when Current is '"' or '\'':
                _at = from;
                return TryReadStrings(out value);
            default:
                return false;
        }
    }

    private bool TryReadItems(char close, out JsonNode? value, out bool comma)
    {
        JsonArray items = [];
        value = items;
        comma = false;
        _at++;
        if (++_depth > MaxDepth)
        {
            return false;
        }
        while (!TryTake(close))
        {
            if (!TryReadValue(out JsonNode? item))
            {
                return false;
            }
            items.Add(item);
            comma = TryTake(',');
            if (!comma && !IsNext(close))
            {
                return false;
            }
        }
        _depth--;
        return true;
    }

    private bool TryReadDictionary(out JsonNode? value)
    {
        JsonObject members = [];
        value = members;
        _at++;
        if (++_depth > MaxDepth)
        {
            return false;
        }
        while (!TryTake('}'))
        {
            if (!TryReadValue(out JsonNode? key) || key is JsonArray or JsonObject || !TryTake(':')
                || !TryReadValue(out JsonNode? member) || (!TryTake(',') && !IsNext('}')))
            {
                return false;
            }
            // Names that are no strings become what json.dumps makes of them.
            string name = key is JsonValue word && word.TryGetValue(out string? given) ? given : PythonJson.Dumps(key);
            if (dialect != Dialect.Python && members.ContainsKey(name))
            {
                return false;
            }
            members[name] = member;
        }
        _depth--;
        return true;
    }

    private bool TryReadNumber(out JsonNode? value)
    {
        value = null;
        bool negative = Current == '-';
        if (Current is '-' or '+')
        {
            _at++;
            SkipBlanks();
        }
        int from = _at;
        while (_at < text.Length && (char.IsAsciiLetterOrDigit(text[_at]) || text[_at] is '.' or '_'
            || (text[_at] is '+' or '-' && text[_at - 1] is 'e' or 'E' && _at > from && !IsPrefixed(from))))
        {
            _at++;
        }
        string raw = text[from.._at];
        if (raw.Length is 0 or > MaxDigits || HasStrayUnderscore(raw))
        {
            return false;
        }
        string? json = IsPrefixed(from) ? Radix(raw) : Decimal(raw.Replace("_", string.Empty, StringComparison.Ordinal));
        if (json is null)
        {
            return false;
        }
        value = JsonNode.Parse(negative && json != "0" ? "-" + json : json);
        return true;
    }

    private readonly bool IsPrefixed(int from) =>
        from + 1 < text.Length && text[from] == '0' && text[from + 1] is 'x' or 'X' or 'o' or 'O' or 'b' or 'B';

    /// <summary>Underscores may only stand between digits, or after the base's letter.</summary>
    private static bool HasStrayUnderscore(string raw)
    {
        for (int i = 0; i < raw.Length; i++)
        {
            if (raw[i] == '_' && (i == 0 || i + 1 == raw.Length
                || !char.IsAsciiLetterOrDigit(raw[i - 1]) || !char.IsAsciiHexDigit(raw[i + 1])))
            {
                return true;
            }
        }
        return false;
    }

    private static string? Radix(string raw)
    {
        int bits = char.ToLowerInvariant(raw[1]) switch { 'x' => 4, 'o' => 3, _ => 1 };
        BigInteger number = BigInteger.Zero;
        string digits = raw[2..].Replace("_", string.Empty, StringComparison.Ordinal);
        foreach (char digit in digits)
        {
            int part = char.IsAsciiHexDigit(digit) ? System.Convert.ToInt32(digit.ToString(), 16) : 16;
            if (part >= 1 << bits)
            {
                return null;
            }
            number = (number << bits) | part;
        }
        return digits.Length > 0 ? number.ToString(CultureInfo.InvariantCulture) : null;
    }

    private static string? Decimal(string digits)
    {
        if (digits.All(char.IsAsciiDigit))
        {
            string trimmed = digits.TrimStart('0');
            // 00 is zero, 07 is an error.
            return trimmed.Length == digits.Length ? digits : trimmed.Length == 0 ? "0" : null;
        }
        const NumberStyles Float = NumberStyles.AllowDecimalPoint | NumberStyles.AllowExponent;
        return double.TryParse(digits, Float, CultureInfo.InvariantCulture, out double number) && double.IsFinite(number)
            ? PythonJson.Repr(number)
            : null;
    }

    private bool TryReadStrings(out JsonNode? value)
    {
        value = null;
        StringBuilder joined = new();
        do
        {
            bool raw = Current is 'r' or 'R';
            if (Current is not ('"' or '\''))
            {
                _at++;
            }
            if (!PythonStringLiteral.TryRead(text, ref _at, raw, dialect == Dialect.Json, joined))
            {
                return false;
            }
            SkipBlanks();
            _sawEnd |= _at + 1 == text.Length;
        }
        while (Current is '"' or '\''
            || (Current is 'r' or 'R' or 'u' or 'U' && _at + 1 < text.Length && text[_at + 1] is '"' or '\''));
        value = joined.ToString();
        return true;
    }
}
