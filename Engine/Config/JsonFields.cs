using System.Text.Json;

namespace Llama4Kernels.Engine.Config;

/// <summary>The fields of one JSON object, read with checks; errors name the file and the field's path.</summary>
internal readonly struct JsonFields(string file, string prefix, JsonElement element)
{
    /// <summary>An error about one field.</summary>
    public ModelFormatException Fault(string name, string reason) => new(file, prefix + name, reason);

    /// <summary>The field's value, or false when it is absent or null.</summary>
    public bool TryGet(string name, out JsonElement value) =>
        element.TryGetProperty(name, out value) && value.ValueKind != JsonValueKind.Null;

    /// <summary>Names of all fields.</summary>
    public IEnumerable<string> Names => element.EnumerateObject().Select(property => property.Name);

    /// <summary>Whether the field is there, even as null.</summary>
    public bool Contains(string name) => element.TryGetProperty(name, out _);

    /// <summary>An integer within bounds; absent or null gives the fallback, or is an error if there is none.</summary>
    public int Int(string name, int minimum, int maximum, int? fallback = null)
    {
        if (!TryGet(name, out JsonElement value))
        {
            return fallback ?? throw Fault(name, "is missing.");
        }
        return ToInt(name, value, minimum, maximum);
    }

    /// <summary>An integer within bounds, or null when absent or null.</summary>
    public int? OptionalInt(string name, int minimum, int maximum) =>
        TryGet(name, out JsonElement value) ? ToInt(name, value, minimum, maximum) : null;

    /// <summary>A finite number in (exclusive minimum, maximum]; absent or null gives the fallback, or is an error.</summary>
    public double Number(string name, double above, double maximum, double? fallback = null)
    {
        if (!TryGet(name, out JsonElement value))
        {
            return fallback ?? throw Fault(name, "is missing.");
        }
        if (value.ValueKind != JsonValueKind.Number || !value.TryGetDouble(out double number) || !double.IsFinite(number))
        {
            throw Fault(name, $"must be a finite number, is {Show(value)}.");
        }
        return number > above && number <= maximum
            ? number
            : throw Fault(name, $"must be above {above} and at most {maximum}, is {Show(value)}.");
    }

    /// <summary>A boolean; absent or null gives the fallback.</summary>
    public bool Bool(string name, bool fallback)
    {
        if (!TryGet(name, out JsonElement value))
        {
            return fallback;
        }
        return value.ValueKind switch
        {
            JsonValueKind.True => true,
            JsonValueKind.False => false,
            _ => throw Fault(name, $"must be true or false, is {Show(value)}."),
        };
    }

    /// <summary>A boolean that older files write as a number: any non-zero is true.</summary>
    public bool Flag(string name, bool fallback)
    {
        if (TryGet(name, out JsonElement value) && value.ValueKind == JsonValueKind.Number && value.TryGetInt64(out long number))
        {
            return number != 0;
        }
        return Bool(name, fallback);
    }

    /// <summary>A string, or null when absent or null.</summary>
    public string? Text(string name)
    {
        if (!TryGet(name, out JsonElement value))
        {
            return null;
        }
        return value.ValueKind == JsonValueKind.String ? value.GetString() : throw Fault(name, $"must be a string, is {Show(value)}.");
    }

    /// <summary>A nested object, or null when absent or null.</summary>
    public JsonFields? Object(string name)
    {
        if (!TryGet(name, out JsonElement value))
        {
            return null;
        }
        return value.ValueKind == JsonValueKind.Object
            ? new JsonFields(file, $"{prefix}{name}.", value)
            : throw Fault(name, $"must be an object, is {Show(value)}.");
    }

    /// <summary>An array of integers within bounds, or null when absent or null. With <paramref name="orSingle"/> one integer counts as an array of one.</summary>
    public int[]? Ints(string name, int minimum, int maximum, bool orSingle = false)
    {
        if (!TryGet(name, out JsonElement value))
        {
            return null;
        }
        if (orSingle && value.ValueKind == JsonValueKind.Number)
        {
            return [ToInt(name, value, minimum, maximum)];
        }
        if (value.ValueKind != JsonValueKind.Array)
        {
            throw Fault(name, $"must be an array of integers, is {Show(value)}.");
        }
        int[] result = new int[value.GetArrayLength()];
        for (int i = 0; i < result.Length; i++)
        {
            result[i] = ToInt($"{name}[{i}]", value[i], minimum, maximum);
        }
        return result;
    }

    /// <summary>An array of strings, or null when absent or null. With <paramref name="orSingle"/> one string counts as an array of one.</summary>
    public string[]? Texts(string name, bool orSingle = false)
    {
        if (!TryGet(name, out JsonElement value))
        {
            return null;
        }
        if (orSingle && value.ValueKind == JsonValueKind.String)
        {
            return [value.GetString()!];
        }
        if (value.ValueKind != JsonValueKind.Array || value.EnumerateArray().Any(item => item.ValueKind != JsonValueKind.String))
        {
            throw Fault(name, "must be an array of strings.");
        }
        return [.. value.EnumerateArray().Select(item => item.GetString()!)];
    }

    private int ToInt(string name, JsonElement value, int minimum, int maximum)
    {
        if (value.ValueKind != JsonValueKind.Number || !value.TryGetInt64(out long number))
        {
            throw Fault(name, $"must be an integer, is {Show(value)}.");
        }
        return number >= minimum && number <= maximum
            ? (int)number
            : throw Fault(name, $"must be within {minimum} and {maximum}, is {number}.");
    }

    private static string Show(JsonElement value)
    {
        string text = value.GetRawText();
        return text.Length <= 60 ? text : text[..60] + "…";
    }
}
