using System.Text;

namespace Llama4Kernels.Engine.Constraints.Lexing;

/// <summary>
/// Reads the code points of a written text byte by byte. A state is a number: the mode, the kind of quote, and what has been read of
/// a code point.
/// </summary>
internal static class TextDecoder
{
    public const int Dead = -1;
    public const int Content = 0;
    public const int BeforeQuote = 1;
    public const int Closed = 2;

    // One, two, three more bytes of a code point.
    private const int More1 = 3;
    private const int More2 = 4;
    private const int More3 = 5;
    private const int Backslash = 6;

    // \u with none to three digits read.
    private const int Unicode0 = 7;
    private const int Unicode3 = 10;

    // After a high surrogate: the backslash, the u, the four digits.
    private const int LowBackslash = 11;
    private const int LowU = 12;
    private const int Low0 = 13;
    private const int Low3 = 16;

    // \x with none or one digit read.
    private const int Hex0 = 17;
    private const int Hex1 = 18;

    private const int ModeBits = 5;
    private const int Apostrophe = 1 << ModeBits;
    private const int PayloadShift = ModeBits + 1;
    private const string ShortEscapes = "\b\t\n\f\r\"\\";
    private const string ShortNames = "btnfr\"\\";

    public static int Start(TextForm form) => form == TextForm.Raw ? Content : BeforeQuote;

    public static bool IsContent(int state) => Mode(state) == Content;

    /// <summary>Takes a byte.</summary>
    /// <param name="form">How the text is written.</param>
    /// <param name="state">Where the reader stands.</param>
    /// <param name="value">The byte.</param>
    /// <param name="codePoint">The code point that is now complete, or −1.</param>
    /// <returns>The new state: <see cref="Closed"/> after the closing quote, <see cref="Dead"/> if the byte cannot stand here.</returns>
    public static int Step(TextForm form, int state, byte value, out int codePoint)
    {
        codePoint = -1;
        int quote = state & Apostrophe;
        int payload = state >> PayloadShift;
        int mode = Mode(state);
        switch (mode)
        {
            case Content:
                return StepContent(form, quote, value, ref codePoint);
            case BeforeQuote:
                return value == '"' ? Content : value == '\'' && form == TextForm.Python ? Content | Apostrophe : Dead;
            case More1 or More2 or More3:
                if ((value & 0xC0) != 0x80 || !ContinuationFits(mode, payload, value))
                {
                    return Dead;
                }
                payload = (payload << 6) | (value & 0x3F);
                return mode == More1 ? Emit(payload, quote, ref codePoint) : Pack(mode - 1, quote, payload);
            case Backslash:
                return StepEscape(form, quote, value, ref codePoint);
            case >= Unicode0 and <= Unicode3:
                int digit = HexDigit(form, value);
                return digit < 0 ? Dead : StepUnicode(form, mode, quote, (payload << 4) | digit, ref codePoint);
            case LowBackslash:
                return value == '\\' ? Pack(LowU, quote, payload) : Dead;
            case LowU:
                return value == 'u' ? Pack(Low0, quote, payload << 12) : Dead;
            case >= Low0 and <= Low3:
                return StepLow(form, mode, quote, payload, value, ref codePoint);
            case Hex0 or Hex1:
                int nibble = HexDigit(form, value);
                payload = (payload << 4) | nibble;
                return nibble < 0 ? Dead : mode == Hex0 ? Pack(Hex1, quote, payload) : Emit(payload, quote, ref codePoint);
            default:
                return Dead;
        }
    }

    /// <summary>The code points that what has been read of one can become.</summary>
    public static IEnumerable<(int Low, int High)> Pending(TextForm form, int state)
    {
        int payload = state >> PayloadShift;
        int mode = Mode(state);
        switch (mode)
        {
            case More1 or More2 or More3:
                int bits = 6 * (mode - More1 + 1);
                int least = mode == More2 && payload == 0 ? 0x800 : mode == More3 && payload == 0 ? 0x10000 : 0;
                int most = mode == More2 && payload == 0xD ? 0xD7FF : CodePointSet.Last;
                return [(Math.Max(payload << bits, least), Math.Min(((payload + 1) << bits) - 1, most))];
            case Backslash:
                return form == TextForm.JsonWithEscapes ? [(0, CodePointSet.Last)]
                    : [(0, 0x1F), ('"', '"'), ('\\', '\\'), ('\'', form == TextForm.Python ? '\'' : 0)];
            case >= Unicode0 and <= Unicode3:
                int open = 4 * (4 - (mode - Unicode0));
                int low = payload << open;
                int high = ((payload + 1) << open) - 1;
                return form != TextForm.JsonWithEscapes ? [(low, Math.Min(high, 0x1F))]
                    : high < 0xD800 || low > 0xDBFF ? [(low, high)]
                    : [(low, high), Astral(Math.Max(low, 0xD800) - 0xD800, Math.Min(high, 0xDBFF) - 0xD800)];
            case LowBackslash or LowU:
                return [Astral(payload, payload)];
            case >= Low0 and <= Low3:
                int lowOpen = 4 * (4 - (mode - Low0));
                int first = Math.Max((payload & 0xFFF) << lowOpen, 0xDC00);
                int last = Math.Min((((payload & 0xFFF) + 1) << lowOpen) - 1, 0xDFFF);
                int start = 0x10000 + ((payload >> 12) << 10);
                return [(start + first - 0xDC00, start + last - 0xDC00)];
            case Hex0:
                return [(0, 0x1F)];
            case Hex1:
                return [(payload << 4, (payload << 4) | 0xF)];
            default:
                return [(0, CodePointSet.Last)];
        }
    }

    /// <summary>A text in all the ways that the form writes it: in Python in either quotes, else one.</summary>
    public static IEnumerable<byte[]> Writings(TextForm form, string text) =>
        form == TextForm.Python ? [Write(form, text, '\''), Write(form, text, '"')] : [Write(form, text)];

    /// <summary>A text as the form writes it in its one way; Python in single quotes.</summary>
    public static byte[] Write(TextForm form, string text) =>
        form == TextForm.Raw ? Encoding.UTF8.GetBytes(text) : Write(form, text, form == TextForm.Python ? '\'' : '"');

    private static byte[] Write(TextForm form, string text, char quote)
    {
        StringBuilder written = new();
        written.Append(quote);
        foreach (char c in text)
        {
            int index = ShortEscapes.IndexOf(c, StringComparison.Ordinal);
            if (c == quote || c == '\\')
            {
                written.Append('\\').Append(c);
            }
            else if (c < ' ')
            {
                bool hasName = index >= 0 && (form != TextForm.Python || c is '\n' or '\r' or '\t');
                _ = hasName ? written.Append('\\').Append(ShortNames[index])
                    : written.Append(form == TextForm.Python ? "\\x" : "\\u00").Append(((int)c).ToString("x2", null));
            }
            else
            {
                written.Append(c);
            }
        }
        return Encoding.UTF8.GetBytes(written.Append(quote).ToString());
    }

    private static int StepContent(TextForm form, int quote, byte value, ref int codePoint)
    {
        if (form != TextForm.Raw)
        {
            if (value == (quote != 0 ? '\'' : '"'))
            {
                return Closed;
            }
            if (value == '\\')
            {
                return Pack(Backslash, quote, 0);
            }
            if (value < ' ')
            {
                return Dead;
            }
        }
        return value switch
        {
            < 0x80 => Emit(value, quote, ref codePoint),
            < 0xC2 => Dead,
            < 0xE0 => Pack(More1, quote, value & 0x1F),
            < 0xF0 => Pack(More2, quote, value & 0x0F),
            < 0xF5 => Pack(More3, quote, value & 0x07),
            _ => Dead,
        };
    }

    // Keeps out overlong forms, surrogates and what lies beyond Unicode.
    private static bool ContinuationFits(int mode, int payload, byte value) => (mode, payload) switch
    {
        (More2, 0) => value >= 0xA0,
        (More2, 0xD) => value < 0xA0,
        (More3, 0) => value >= 0x90,
        (More3, 4) => value < 0x90,
        _ => true,
    };

    private static int StepEscape(TextForm form, int quote, byte value, ref int codePoint)
    {
        int index = ShortNames.IndexOf((char)value, StringComparison.Ordinal);
        if (form == TextForm.Python)
        {
            return (char)value switch
            {
                'n' or 'r' or 't' or '\\' => Emit(ShortEscapes[index], quote, ref codePoint),
                '\'' when quote != 0 => Emit('\'', quote, ref codePoint),
                '"' when quote == 0 => Emit('"', quote, ref codePoint),
                'x' => Pack(Hex0, quote, 0),
                _ => Dead,
            };
        }
        return index >= 0 ? Emit(ShortEscapes[index], quote, ref codePoint)
            : value == 'u' ? Pack(Unicode0, quote, 0)
            : value == '/' && form == TextForm.JsonWithEscapes ? Emit('/', quote, ref codePoint)
            : Dead;
    }

    private static int StepUnicode(TextForm form, int mode, int quote, int payload, ref int codePoint)
    {
        if (mode < Unicode3)
        {
            bool fits = form == TextForm.JsonWithEscapes || payload <= (mode == Unicode3 - 1 ? 1 : 0);
            // A lone low surrogate is no character.
            bool low = mode == Unicode0 + 1 && payload is >= 0xDC and <= 0xDF;
            return fits && !low ? Pack(mode + 1, quote, payload) : Dead;
        }
        if (payload is >= 0xD800 and <= 0xDBFF)
        {
            return Pack(LowBackslash, quote, payload - 0xD800);
        }
        return form == TextForm.JsonWithEscapes || (payload < ' ' && !ShortEscapes.Contains((char)payload, StringComparison.Ordinal))
            ? Emit(payload, quote, ref codePoint)
            : Dead;
    }

    private static int StepLow(TextForm form, int mode, int quote, int payload, byte value, ref int codePoint)
    {
        int digit = HexDigit(form, value);
        if (digit < 0 || (mode == Low0 && digit != 0xD) || (mode == Low0 + 1 && digit < 0xC))
        {
            return Dead;
        }
        int read = ((payload & 0xFFF) << 4) | digit;
        int high = payload >> 12;
        return mode == Low3
            ? Emit(0x10000 + (high << 10) + (read - 0xDC00), quote, ref codePoint)
            : Pack(mode + 1, quote, (high << 12) | read);
    }

    private static int HexDigit(TextForm form, byte value) => value switch
    {
        >= (byte)'0' and <= (byte)'9' => value - '0',
        >= (byte)'a' and <= (byte)'f' => value - 'a' + 10,
        >= (byte)'A' and <= (byte)'F' when form == TextForm.JsonWithEscapes => value - 'A' + 10,
        _ => -1,
    };

    private static (int, int) Astral(int firstHigh, int lastHigh) =>
        (0x10000 + (firstHigh << 10), 0x10000 + (lastHigh << 10) + 0x3FF);

    private static int Emit(int value, int quote, ref int codePoint)
    {
        codePoint = value;
        return Content | quote;
    }

    private static int Pack(int mode, int quote, int payload) => mode | quote | (payload << PayloadShift);

    private static int Mode(int state) => state & ((1 << ModeBits) - 1);
}
