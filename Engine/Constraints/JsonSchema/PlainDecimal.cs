using System.Globalization;

namespace Llama4Kernels.Engine.Constraints.JsonSchema;

/// <summary>Numbers of JSON written plainly: a sign if negative, digits, and a fraction that does not end in zero, if any.</summary>
internal static class PlainDecimal
{
    private const int MaxDigits = 400;

    /// <summary>The plain form, or null where it would have more than 400 digits.</summary>
    public static string? Of(string json)
    {
        int e = json.AsSpan().IndexOfAny('e', 'E');
        ReadOnlySpan<char> mantissa = e < 0 ? json : json.AsSpan(0, e);
        int exponent = 0;
        if (e >= 0 && !int.TryParse(json.AsSpan(e + 1), NumberStyles.AllowLeadingSign, CultureInfo.InvariantCulture, out exponent))
        {
            return null;
        }
        bool negative = mantissa[0] == '-';
        mantissa = negative ? mantissa[1..] : mantissa;
        int point = mantissa.IndexOf('.');
        string digits = point < 0 ? mantissa.ToString() : $"{mantissa[..point]}{mantissa[(point + 1)..]}";
        int whole = (point < 0 ? mantissa.Length : point) + exponent;
        int leading = digits.Length - digits.TrimStart('0').Length;
        digits = digits[leading..].TrimEnd('0');
        if (digits.Length == 0)
        {
            return "0";
        }
        whole -= leading;
        if (Math.Abs((long)whole) + digits.Length > MaxDigits)
        {
            return null;
        }
        string left = whole <= 0 ? "0" : digits.Length >= whole ? digits[..whole] : digits.PadRight(whole, '0');
        string right = whole >= digits.Length ? string.Empty : whole >= 0 ? digits[whole..] : new string('0', -whole) + digits;
        return (negative ? "-" : string.Empty) + left + (right.Length > 0 ? "." + right : string.Empty);
    }

    /// <summary>Splits a plain form.</summary>
    public static (bool Negative, string Whole, string Fraction) Split(string plain)
    {
        bool negative = plain[0] == '-';
        string rest = negative ? plain[1..] : plain;
        int point = rest.IndexOf('.', StringComparison.Ordinal);
        return point < 0 ? (negative, rest, string.Empty) : (negative, rest[..point], rest[(point + 1)..]);
    }
}
