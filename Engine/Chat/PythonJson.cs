using System.Globalization;
using System.Text;
using System.Text.Json;
using System.Text.Json.Nodes;

namespace Llama4Kernels.Engine.Chat;

/// <summary>
/// JSON as Python's <c>json.dumps</c> writes it, because the models were trained on that: ", " and ": ", ASCII only,
/// floats by <c>repr</c>.
/// </summary>
internal static class PythonJson
{
    /// <summary>The JSON text of a value.</summary>
    public static string Dumps(JsonNode? node)
    {
        StringBuilder text = new();
        Write(text, node);
        return text.ToString();
    }

    /// <summary>Python's <c>repr</c> of a float: shortest digits that read back the same, always with "." or "e".</summary>
    public static string Repr(double value)
    {
        if (!double.IsFinite(value))
        {
            return double.IsNaN(value) ? "nan" : value > 0 ? "inf" : "-inf";
        }
        // "R" gives the shortest digits too, as 123.45 or 1.2E-05.
        string[] parts = Math.Abs(value).ToString("R", CultureInfo.InvariantCulture).Split('E');
        int point = parts[0].IndexOf('.', StringComparison.Ordinal);
        string mantissa = parts[0].Replace(".", string.Empty, StringComparison.Ordinal);
        int leadingZeros = mantissa.Length - mantissa.TrimStart('0').Length;
        int exponent = (point < 0 ? parts[0].Length : point) - 1 - leadingZeros
            + (parts.Length > 1 ? int.Parse(parts[1], CultureInfo.InvariantCulture) : 0);
        string digits = mantissa.Trim('0');
        if (digits.Length == 0)
        {
            (digits, exponent) = ("0", 0);
        }
        string sign = double.IsNegative(value) ? "-" : string.Empty;
        if (exponent is < -4 or >= 16)
        {
            string fraction = digits.Length > 1 ? "." + digits[1..] : string.Empty;
            return $"{sign}{digits[0]}{fraction}e{(exponent < 0 ? '-' : '+')}{Math.Abs(exponent):00}";
        }
        if (exponent < 0)
        {
            return $"{sign}0.{new string('0', -exponent - 1)}{digits}";
        }
        digits = digits.PadRight(exponent + 1, '0');
        string rest = digits.Length > exponent + 1 ? digits[(exponent + 1)..] : "0";
        return $"{sign}{digits[..(exponent + 1)]}.{rest}";
    }

    /// <summary>A number as Python prints it after reading it from JSON: integers exactly, the rest by repr.</summary>
    public static string Number(JsonValue value)
    {
        if (value.TryGetValue(out JsonElement element))
        {
            string raw = element.GetRawText();
            return raw.AsSpan().IndexOfAny('.', 'e', 'E') >= 0 ? Repr(element.GetDouble()) : raw == "-0" ? "0" : raw;
        }
        if (value.TryGetValue(out double real))
        {
            return Repr(real);
        }
        if (value.TryGetValue(out float single))
        {
            return Repr(single);
        }
        if (value.TryGetValue(out decimal money))
        {
            return Repr((double)money);
        }
        return value.ToJsonString();
    }

    private static void Write(StringBuilder text, JsonNode? node)
    {
        switch (node)
        {
            case null:
                text.Append("null");
                break;
            case JsonObject members:
                string separator = "{";
                foreach ((string name, JsonNode? member) in members)
                {
                    text.Append(separator);
                    separator = ", ";
                    WriteString(text, name);
                    text.Append(": ");
                    Write(text, member);
                }
                text.Append(members.Count == 0 ? "{}" : "}");
                break;
            case JsonArray items:
                text.Append('[');
                for (int i = 0; i < items.Count; i++)
                {
                    text.Append(i == 0 ? string.Empty : ", ");
                    Write(text, items[i]);
                }
                text.Append(']');
                break;
            case JsonValue value:
                WriteValue(text, value);
                break;
        }
    }

    private static void WriteValue(StringBuilder text, JsonValue value)
    {
        switch (value.GetValueKind())
        {
            case JsonValueKind.String:
                WriteString(text, value.GetValue<string>());
                break;
            case JsonValueKind.Number:
                string number = Number(value);
                text.Append(number switch { "inf" => "Infinity", "-inf" => "-Infinity", "nan" => "NaN", _ => number });
                break;
            default:
                text.Append(value.GetValueKind() switch
                {
                    JsonValueKind.True => "true",
                    JsonValueKind.False => "false",
                    _ => "null",
                });
                break;
        }
    }

    private static void WriteString(StringBuilder text, string value)
    {
        text.Append('"');
        foreach (char unit in value)
        {
            switch (unit)
            {
                case '"' or '\\':
                    text.Append('\\').Append(unit);
                    break;
                case '\n':
                    text.Append("\\n");
                    break;
                case '\r':
                    text.Append("\\r");
                    break;
                case '\t':
                    text.Append("\\t");
                    break;
                case '\b':
                    text.Append("\\b");
                    break;
                case '\f':
                    text.Append("\\f");
                    break;
                case >= ' ' and <= '~':
                    text.Append(unit);
                    break;
                default:
                    text.Append(CultureInfo.InvariantCulture, $"\\u{(int)unit:x4}");
                    break;
            }
        }
        text.Append('"');
    }
}
