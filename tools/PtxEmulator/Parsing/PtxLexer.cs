using System.Globalization;

namespace Llama4Kernels.PtxEmulator.Parsing;

/// <summary>Cuts PTX text into tokens.</summary>
internal sealed class PtxLexer(string text)
{
    private int _at;
    private int _line = 1;
    private int _lineStart;

    private char Current => _at < text.Length ? text[_at] : '\0';

    public static List<PtxToken> Tokens(string text)
    {
        var lexer = new PtxLexer(text);
        var tokens = new List<PtxToken>();
        do
        {
            tokens.Add(lexer.Next());
        }
        while (tokens[^1].Kind != TokenKind.End);
        return tokens;
    }

    private static bool IsWord(char c) => char.IsAsciiLetterOrDigit(c) || c is '_' or '$';

    private char Ahead(int count) => _at + count < text.Length ? text[_at + count] : '\0';

    private PtxToken Next()
    {
        SkipBlanks();
        int start = _at;
        int column = start - _lineStart + 1;
        char c = Current;
        if (c == '\0' && _at >= text.Length)
        {
            return new PtxToken(TokenKind.End, "end of text", 0, _line, column);
        }
        if (char.IsAsciiDigit(c))
        {
            return Number(start, column);
        }
        if (char.IsAsciiLetter(c) || (c is '_' or '$' or '%' && IsWord(Ahead(1))) || c == '_')
        {
            _at++;
            SkipWord();
            return new PtxToken(TokenKind.Identifier, text[start.._at], 0, _line, column);
        }
        if (c == '.' && IsWord(Ahead(1)))
        {
            _at++;
            SkipWord();
            return new PtxToken(TokenKind.Directive, text[start.._at], 0, _line, column);
        }
        if (c == '"')
        {
            int end = text.IndexOf('"', start + 1);
            if (end < 0)
            {
                throw new PtxSyntaxException("The text in quotes has no end.", _line, column);
            }
            _at = end + 1;
            return new PtxToken(TokenKind.Text, text[(start + 1)..end], 0, _line, column);
        }
        if (!"{}[]()<>,;:+-=!|@*/&^~%".Contains(c, StringComparison.Ordinal))
        {
            throw new PtxSyntaxException($"Unexpected character '{c}'.", _line, column);
        }
        _at++;
        return new PtxToken(TokenKind.Punctuation, text[start.._at], 0, _line, column);
    }

    private void SkipWord()
    {
        while (IsWord(Current) || (Current == ':' && Ahead(1) == ':' && IsWord(Ahead(2))))
        {
            _at += Current == ':' ? 2 : 1;
        }
    }

    private void SkipBlanks()
    {
        while (_at < text.Length)
        {
            if (Current == '\n')
            {
                _at++;
                _line++;
                _lineStart = _at;
            }
            else if (char.IsWhiteSpace(Current))
            {
                _at++;
            }
            else if (Current == '/' && Ahead(1) == '/')
            {
                while (_at < text.Length && Current != '\n')
                {
                    _at++;
                }
            }
            else if (Current == '/' && Ahead(1) == '*')
            {
                SkipComment();
            }
            else
            {
                return;
            }
        }
    }

    private void SkipComment()
    {
        int column = _at - _lineStart + 1;
        int line = _line;
        int end = text.IndexOf("*/", _at, StringComparison.Ordinal);
        if (end < 0)
        {
            throw new PtxSyntaxException("The comment has no end.", line, column);
        }
        for (; _at < end; _at++)
        {
            if (Current == '\n')
            {
                _line++;
                _lineStart = _at + 1;
            }
        }
        _at += 2;
    }

    private PtxToken Number(int start, int column)
    {
        char second = char.ToLowerInvariant(Ahead(1));
        if (Current == '0' && second is 'f' or 'd' or 'x' or 'b')
        {
            _at += 2;
            while (char.IsAsciiHexDigit(Current))
            {
                _at++;
            }
            string digits = text[(start + 2).._at];
            SkipSuffix();
            int needed = second == 'f' ? 8 : 16;
            NumberStyles style = second == 'b' ? NumberStyles.BinaryNumber : NumberStyles.HexNumber;
            if ((second is 'f' or 'd' && digits.Length != needed) || !ulong.TryParse(digits, style, CultureInfo.InvariantCulture, out ulong bits))
            {
                throw new PtxSyntaxException($"'{text[start.._at]}' is no number.", _line, column);
            }
            return second switch
            {
                'f' => Real(BitConverter.UInt64BitsToDouble(PtxTypes.ToDouble((uint)bits)), start, column),
                'd' => Real(BitConverter.UInt64BitsToDouble(bits), start, column),
                _ => new PtxToken(TokenKind.Integer, text[start.._at], bits, _line, column),
            };
        }
        while (char.IsAsciiDigit(Current))
        {
            _at++;
        }
        bool real = false;
        if (Current == '.' && char.IsAsciiDigit(Ahead(1)))
        {
            real = true;
            _at++;
            while (char.IsAsciiDigit(Current))
            {
                _at++;
            }
        }
        if (Current is 'e' or 'E' && (char.IsAsciiDigit(Ahead(1)) || (Ahead(1) is '+' or '-' && char.IsAsciiDigit(Ahead(2)))))
        {
            real = true;
            _at += 2;
            while (char.IsAsciiDigit(Current))
            {
                _at++;
            }
        }
        string word = text[start.._at];
        if (real)
        {
            return Real(double.Parse(word, CultureInfo.InvariantCulture), start, column);
        }
        SkipSuffix();
        if (IsWord(Current))
        {
            throw new PtxSyntaxException($"'{text[start..(_at + 1)]}' is no number.", _line, column);
        }
        // A leading zero makes a number octal.
        ulong value = 0;
        bool octal = word.Length > 1 && word[0] == '0';
        if (octal && word.AsSpan().IndexOfAnyExceptInRange('0', '7') >= 0)
        {
            throw new PtxSyntaxException($"'{word}' is no number.", _line, column);
        }
        if (octal ? !TryOctal(word, out value) : !ulong.TryParse(word, NumberStyles.None, CultureInfo.InvariantCulture, out value))
        {
            throw new PtxSyntaxException($"{word} does not fit 64 bits.", _line, column);
        }
        return new PtxToken(TokenKind.Integer, text[start.._at], value, _line, column);
    }

    private static bool TryOctal(string digits, out ulong value)
    {
        value = 0;
        foreach (char digit in digits)
        {
            if (value >> 61 != 0)
            {
                return false;
            }
            value = value << 3 | (uint)(digit - '0');
        }
        return true;
    }

    private void SkipSuffix()
    {
        if (Current is 'U' or 'u')
        {
            _at++;
        }
    }

    private PtxToken Real(double value, int start, int column) =>
        new(TokenKind.Float, text[start.._at], BitConverter.DoubleToUInt64Bits(value), _line, column);
}
