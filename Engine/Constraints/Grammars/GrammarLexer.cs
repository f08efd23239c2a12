using System.Globalization;
using System.Text;

namespace Llama4Kernels.Engine.Constraints.Grammars;

/// <summary>Cuts a grammar's text into words and signs.</summary>
internal sealed class GrammarLexer(string text)
{
    private static readonly string[] s_signs = ["->", "..", ":", "|", "(", ")", "[", "]", "{", "}", "*", "+", "?", "~", ",", ".", "!", "-"];

    private int _at;
    private int _line = 1;
    private int _lineStart;
    private bool _isFirst = true;

    /// <summary>All tokens; the last one is the end.</summary>
    public static List<GrammarToken> Read(string text)
    {
        GrammarLexer lexer = new(text);
        List<GrammarToken> tokens = [];
        do
        {
            tokens.Add(lexer.Next());
        }
        while (tokens[^1].Kind != GrammarTokenKind.End);
        return tokens;
    }

    private string Place => string.Create(CultureInfo.InvariantCulture, $"line {_line}, column {_at - _lineStart + 1}");

    private GrammarToken Next()
    {
        SkipBlanks();
        (string place, bool first) = (Place, _isFirst);
        _isFirst = false;
        if (_at >= text.Length)
        {
            return new GrammarToken(GrammarTokenKind.End, string.Empty, place, true);
        }
        char c = text[_at];
        if (char.IsAsciiLetter(c) || c == '_')
        {
            return new GrammarToken(GrammarTokenKind.Name, Word(), place, first);
        }
        if (char.IsAsciiDigit(c))
        {
            return new GrammarToken(GrammarTokenKind.Number, Word(), place, first);
        }
        switch (c)
        {
            case '"':
                string value = Quoted(place);
                bool ignoresCase = _at < text.Length && text[_at] == 'i';
                _at += ignoresCase ? 1 : 0;
                return new GrammarToken(GrammarTokenKind.String, value, place, first, ignoresCase);
            case '/':
                return new GrammarToken(GrammarTokenKind.Expression, Expression(place), place, first);
            case '%':
                _at++;
                string name = Word();
                return name == "json"
                    ? new GrammarToken(GrammarTokenKind.Schema, Json(place), place, first)
                    : new GrammarToken(GrammarTokenKind.Directive, name, place, first);
            case '<':
                throw new ConstraintException("grammar", place, "special tokens cannot be part of a grammar.");
        }
        foreach (string sign in s_signs)
        {
            if (string.CompareOrdinal(text, _at, sign, 0, sign.Length) == 0)
            {
                _at += sign.Length;
                return new GrammarToken(GrammarTokenKind.Sign, sign, place, first);
            }
        }
        throw new ConstraintException("grammar", place, $"'{c}' has no meaning here.");
    }

    private void SkipBlanks()
    {
        while (_at < text.Length)
        {
            if (text[_at] == '\n')
            {
                _at++;
                _line++;
                _lineStart = _at;
                _isFirst = true;
            }
            else if (text[_at] is ' ' or '\t' or '\r' or '\uFEFF')
            {
                _at++;
            }
            else if (text[_at] == '#' || (text[_at] == '/' && _at + 1 < text.Length && text[_at + 1] == '/'))
            {
                int end = text.IndexOf('\n', _at);
                _at = end < 0 ? text.Length : end;
            }
            else
            {
                return;
            }
        }
    }

    private string Word()
    {
        int start = _at;
        while (_at < text.Length && (char.IsAsciiLetterOrDigit(text[_at]) || text[_at] is '_' or '-') && (text[_at] != '-' || IsInside()))
        {
            _at++;
        }
        return text[start.._at];

        // A hyphen belongs to a name, as in first-part, but not in name->alias.
        bool IsInside() => _at + 1 < text.Length && char.IsAsciiLetter(text[_at + 1]);
    }

    private string Quoted(string place)
    {
        StringBuilder value = new();
        for (_at++; _at < text.Length && text[_at] != '\n'; _at++)
        {
            if (text[_at] == '"')
            {
                _at++;
                return value.ToString().EnumerateRunes().Any(rune => rune == Rune.ReplacementChar) && HasLoneSurrogate(value.ToString())
                    ? throw new ConstraintException("grammar", place, "a lone surrogate is no character.")
                    : value.ToString();
            }
            if (text[_at] != '\\')
            {
                value.Append(text[_at]);
                continue;
            }
            char kind = ++_at < text.Length ? text[_at] : '\0';
            int digits = kind switch { 'x' => 2, 'u' => 4, 'U' => 8, _ => 0 };
            if (digits > 0)
            {
                if (_at + digits >= text.Length
                    || !uint.TryParse(text.AsSpan(_at + 1, digits), NumberStyles.AllowHexSpecifier, CultureInfo.InvariantCulture, out uint code)
                    || !Rune.IsValid(code))
                {
                    throw new ConstraintException("grammar", Place, $"\\{kind} needs {digits} hexadecimal digits that are a character.");
                }
                value.Append(new Rune(code).ToString());
                _at += digits;
                continue;
            }
            value.Append(kind switch
            {
                'n' => '\n',
                'r' => '\r',
                't' => '\t',
                'f' => '\f',
                'v' => '\v',
                'b' => '\b',
                '0' => '\0',
                '\\' or '"' or '\'' or '/' => kind,
                _ => throw new ConstraintException("grammar", Place, "this escape is unknown; \\n \\r \\t \\f \\v \\b \\0 \\\\ \\\" \\x \\u and \\U are known."),
            });
        }
        throw new ConstraintException("grammar", place, "a string does not end on its line.");
    }

    private static bool HasLoneSurrogate(string value)
    {
        for (int i = 0; i < value.Length; i++)
        {
            if (char.IsSurrogate(value[i]))
            {
                if (!char.IsSurrogatePair(value, i))
                {
                    return true;
                }
                i++;
            }
        }
        return false;
    }

    private string Expression(string place)
    {
        int start = ++_at;
        bool inClass = false;
        for (; _at < text.Length && text[_at] != '\n'; _at++)
        {
            if (text[_at] == '\\')
            {
                _at++;
            }
            else if (text[_at] == '/' && !inClass)
            {
                string pattern = text[start.._at];
                _at++;
                if (_at < text.Length && char.IsAsciiLetter(text[_at]))
                {
                    throw new ConstraintException("grammar", Place, $"the flag {text[_at]} of an expression is not supported; write what it means into the expression.");
                }
                return pattern;
            }
            else
            {
                inClass = text[_at] == '[' || (inClass && text[_at] != ']');
            }
        }
        throw new ConstraintException("grammar", place, "an expression does not end on its line.");
    }

    private string Json(string place)
    {
        SkipBlanks();
        int start = _at;
        int depth = 0;
        bool quoted = false;
        for (; _at < text.Length; _at++)
        {
            char c = text[_at];
            if (c == '\n')
            {
                _line++;
                _lineStart = _at + 1;
            }
            if (quoted)
            {
                quoted = c != '"';
                _at += c == '\\' ? 1 : 0;
                continue;
            }
            quoted = c == '"';
            depth += c is '{' or '[' ? 1 : c is '}' or ']' ? -1 : 0;
            if (depth <= 0)
            {
                break;
            }
        }
        if (_at >= text.Length || text[start] != '{')
        {
            throw new ConstraintException("grammar", place, "%json needs a schema in braces after it.");
        }
        return text[start..++_at];
    }
}
