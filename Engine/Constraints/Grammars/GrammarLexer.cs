using System.Globalization;
using System.Text;

namespace Llama4Kernels.Engine.Constraints.Grammars;

/// <summary>Cuts a grammar's text into words and signs.</summary>
internal sealed class GrammarLexer(string text)
{
    private static readonly string[] Signs = ["->", "..", ":", "|", "(", ")", "[", "]", "{", "}", "*", "+", "?", "~", ",", ".", "!", "-"];

    private int at;
    private int line = 1;
    private int lineStart;
    private bool isFirst = true;

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

    private string Place => string.Create(CultureInfo.InvariantCulture, $"line {line}, column {at - lineStart + 1}");

    private GrammarToken Next()
    {
        SkipBlanks();
        (string place, bool first) = (Place, isFirst);
        isFirst = false;
        if (at >= text.Length)
        {
            return new GrammarToken(GrammarTokenKind.End, string.Empty, place, true);
        }
        char c = text[at];
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
                bool ignoresCase = at < text.Length && text[at] == 'i';
                at += ignoresCase ? 1 : 0;
                return new GrammarToken(GrammarTokenKind.String, value, place, first, ignoresCase);
            case '/':
                return new GrammarToken(GrammarTokenKind.Expression, Expression(place), place, first);
            case '%':
                at++;
                string name = Word();
                return name == "json"
                    ? new GrammarToken(GrammarTokenKind.Schema, Json(place), place, first)
                    : new GrammarToken(GrammarTokenKind.Directive, name, place, first);
            case '<':
                throw new ConstraintException("grammar", place, "special tokens cannot be part of a grammar.");
        }
        foreach (string sign in Signs)
        {
            if (string.CompareOrdinal(text, at, sign, 0, sign.Length) == 0)
            {
                at += sign.Length;
                return new GrammarToken(GrammarTokenKind.Sign, sign, place, first);
            }
        }
        throw new ConstraintException("grammar", place, $"'{c}' has no meaning here.");
    }

    private void SkipBlanks()
    {
        while (at < text.Length)
        {
            if (text[at] == '\n')
            {
                at++;
                line++;
                lineStart = at;
                isFirst = true;
            }
            else if (text[at] is ' ' or '\t' or '\r' or '\uFEFF')
            {
                at++;
            }
            else if (text[at] == '#' || (text[at] == '/' && at + 1 < text.Length && text[at + 1] == '/'))
            {
                int end = text.IndexOf('\n', at);
                at = end < 0 ? text.Length : end;
            }
            else
            {
                return;
            }
        }
    }

    private string Word()
    {
        int start = at;
        while (at < text.Length && (char.IsAsciiLetterOrDigit(text[at]) || text[at] is '_' or '-') && (text[at] != '-' || IsInside()))
        {
            at++;
        }
        return text[start..at];

        // A hyphen belongs to a name, as in first-part, but not in name->alias.
        bool IsInside() => at + 1 < text.Length && char.IsAsciiLetter(text[at + 1]);
    }

    private string Quoted(string place)
    {
        StringBuilder value = new();
        for (at++; at < text.Length && text[at] != '\n'; at++)
        {
            if (text[at] == '"')
            {
                at++;
                return value.ToString().EnumerateRunes().Any(rune => rune == Rune.ReplacementChar) && HasLoneSurrogate(value.ToString())
                    ? throw new ConstraintException("grammar", place, "a lone surrogate is no character.")
                    : value.ToString();
            }
            if (text[at] != '\\')
            {
                value.Append(text[at]);
                continue;
            }
            char kind = ++at < text.Length ? text[at] : '\0';
            int digits = kind switch { 'x' => 2, 'u' => 4, 'U' => 8, _ => 0 };
            if (digits > 0)
            {
                if (at + digits >= text.Length
                    || !uint.TryParse(text.AsSpan(at + 1, digits), NumberStyles.AllowHexSpecifier, CultureInfo.InvariantCulture, out uint code)
                    || !Rune.IsValid(code))
                {
                    throw new ConstraintException("grammar", Place, $"\\{kind} needs {digits} hexadecimal digits that are a character.");
                }
                value.Append(new Rune(code).ToString());
                at += digits;
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
        int start = ++at;
        bool inClass = false;
        for (; at < text.Length && text[at] != '\n'; at++)
        {
            if (text[at] == '\\')
            {
                at++;
            }
            else if (text[at] == '/' && !inClass)
            {
                string pattern = text[start..at];
                at++;
                if (at < text.Length && char.IsAsciiLetter(text[at]))
                {
                    throw new ConstraintException("grammar", Place, $"the flag {text[at]} of an expression is not supported; write what it means into the expression.");
                }
                return pattern;
            }
            else
            {
                inClass = text[at] == '[' || (inClass && text[at] != ']');
            }
        }
        throw new ConstraintException("grammar", place, "an expression does not end on its line.");
    }

    private string Json(string place)
    {
        SkipBlanks();
        int start = at;
        int depth = 0;
        bool quoted = false;
        for (; at < text.Length; at++)
        {
            char c = text[at];
            if (c == '\n')
            {
                line++;
                lineStart = at + 1;
            }
            if (quoted)
            {
                quoted = c != '"';
                at += c == '\\' ? 1 : 0;
                continue;
            }
            quoted = c == '"';
            depth += c is '{' or '[' ? 1 : c is '}' or ']' ? -1 : 0;
            if (depth <= 0)
            {
                break;
            }
        }
        if (at >= text.Length || text[start] != '{')
        {
            throw new ConstraintException("grammar", place, "%json needs a schema in braces after it.");
        }
        return text[start..++at];
    }
}
