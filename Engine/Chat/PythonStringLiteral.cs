using System.Globalization;
using System.Text;

namespace Llama4Kernels.Engine.Chat;

/// <summary>Reads one quoted Python string.</summary>
internal static class PythonStringLiteral
{
    /// <summary>Reads from the opening quote past the closing one.</summary>
    /// <param name="text">The source.</param>
    /// <param name="at">The opening quote; then one past the closing one.</param>
    /// <param name="raw">Whether backslashes stand for themselves.</param>
    /// <param name="json">Whether an escaped slash is a slash.</param>
    /// <param name="value">Receives the characters.</param>
    /// <returns>Whether it is a string.</returns>
    public static bool TryRead(string text, ref int at, bool raw, bool json, StringBuilder value)
    {
        char quote = text[at];
        bool triple = at + 2 < text.Length && text[at + 1] == quote && text[at + 2] == quote;
        at += triple ? 3 : 1;
        while (at < text.Length)
        {
            char unit = text[at++];
            if (unit == quote && (!triple || (at + 1 < text.Length && text[at] == quote && text[at + 1] == quote)))
            {
                at += triple ? 2 : 0;
                return true;
            }
            if (unit is '\n' or '\r' && !triple)
            {
                return false;
            }
            if (unit != '\\')
            {
                value.Append(unit);
            }
            else if (at >= text.Length)
            {
                return false;
            }
            else if (raw)
            {
                // In a raw string a backslash keeps the quote after it from closing, and both stay.
                value.Append(unit).Append(text[at++]);
            }
            else if (json && text[at] == '/')
            {
                value.Append(text[at++]);
            }
            else if (!TryReadEscape(text, ref at, value))
            {
                return false;
            }
        }
        return false;
    }

    private static bool TryReadEscape(string text, ref int at, StringBuilder value)
    {
        char kind = text[at++];
        switch (kind)
        {
            case '\n':
                return true;
            case '\\' or '\'' or '"':
                value.Append(kind);
                return true;
            case 'a':
                value.Append('\a');
                return true;
            case 'b':
                value.Append('\b');
                return true;
            case 'f':
                value.Append('\f');
                return true;
            case 'n':
                value.Append('\n');
                return true;
            case 'r':
                value.Append('\r');
                return true;
            case 't':
                value.Append('\t');
                return true;
            case 'v':
                value.Append('\v');
                return true;
            case 'x':
                return TryReadHex(text, ref at, 2, value);
            case 'u':
                return TryReadHex(text, ref at, 4, value);
            case 'U':
                return TryReadHex(text, ref at, 8, value);
            case 'N':
                // Characters by name need a table of all names.
                return false;
            case >= '0' and <= '7':
                int number = kind - '0';
                for (int digits = 1; digits < 3 && at < text.Length && text[at] is >= '0' and <= '7'; digits++)
                {
                    number = (number * 8) + text[at++] - '0';
                }
                value.Append((char)number);
                return true;
            default:
                value.Append('\\').Append(kind);
                return true;
        }
    }

    private static bool TryReadHex(string text, ref int at, int digits, StringBuilder value)
    {
        if (at + digits > text.Length)
        {
            // All was read, in vain.
            at = text.Length;
            return false;
        }
        if (!uint.TryParse(
                text.AsSpan(at, digits), NumberStyles.AllowHexSpecifier, CultureInfo.InvariantCulture, out uint code)
            || code > 0x10FFFF)
        {
            return false;
        }
        at += digits;
        if (code < 0x10000)
        {
            value.Append((char)code);
        }
        else
        {
            value.Append(new Rune(code).ToString());
        }
        return true;
    }
}
