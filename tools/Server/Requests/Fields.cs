using System.Text.Json;
using Llama4Kernels.Server.Errors;

namespace Llama4Kernels.Server.Requests;

/// <summary>
/// An object of a request, and the path by which errors name it. A field that is null is as one that is missing, as clients of
/// OpenAI's have it.
/// </summary>
/// <param name="element">The object.</param>
/// <param name="path">Its path; empty for the request itself.</param>
internal readonly struct Fields(JsonElement element, string path)
{
    /// <summary>The object of an element.</summary>
    /// <exception cref="ApiException">It is none.</exception>
    public static Fields Of(JsonElement element, string path) =>
        element.ValueKind == JsonValueKind.Object ? new Fields(element, path) : throw Wrong(path, "an object", element);

    public JsonElement Element => element;

    /// <summary>The path of a field.</summary>
    public string At(string name) => path.Length == 0 ? name : $"{path}.{name}";

    /// <summary>Refuses fields that are not known, and those that ask for what there is not.</summary>
    public void Check(IReadOnlyList<RequestField> known)
    {
        foreach (JsonProperty property in element.EnumerateObject())
        {
            if (property.Value.ValueKind == JsonValueKind.Null)
            {
                continue;
            }
            RequestField? field = known.FirstOrDefault(field => property.NameEquals(field.Name))
                ?? throw new ApiException(ApiError.Invalid(At(property.Name), $"The field '{At(property.Name)}' is unknown here.", "unknown_parameter"));
            if (field.Only is not null && !field.Only.Allows(property.Value))
            {
                throw ApiException.Unsupported(At(field.Name), field.Only.Reason);
            }
        }
    }

    public JsonElement? Any(string name) =>
        element.TryGetProperty(name, out JsonElement value) && value.ValueKind != JsonValueKind.Null ? value : null;

    public JsonElement NeedAny(string name) => Any(name) ?? throw Missing(name);

    public string? Text(string name) => Any(name) is JsonElement value ? TextOf(value, At(name)) : null;

    public string NeedText(string name) => Text(name) ?? throw Missing(name);

    public bool Flag(string name, bool usual = false) => Any(name) switch
    {
        null => usual,
        { ValueKind: JsonValueKind.True } => true,
        { ValueKind: JsonValueKind.False } => false,
        JsonElement value => throw Wrong(At(name), "true or false", value),
    };

    /// <summary>A finite number in a range.</summary>
    public double? Number(string name, double least, double most, bool without = false)
    {
        if (Any(name) is not JsonElement value)
        {
            return null;
        }
        if (value.ValueKind != JsonValueKind.Number || !value.TryGetDouble(out double number) || !double.IsFinite(number))
        {
            throw Wrong(At(name), "a number", value);
        }
        return number >= least && number <= most && !(without && number == least)
            ? number
            : throw ApiException.Invalid(At(name), FormattableString.Invariant($"'{At(name)}' must be {(without ? "above" : "at least")} {least} and at most {most}, not {number}."));
    }

    /// <summary>A whole number in a range.</summary>
    public long? Integer(string name, long least, long most) => Any(name) is JsonElement value ? IntegerOf(value, At(name), least, most) : null;

    public Fields? Object(string name) => Any(name) is JsonElement value ? Of(value, At(name)) : null;

    public Fields NeedObject(string name) => Object(name) ?? throw Missing(name);

    /// <summary>The items of a list with their paths; none for a field that is missing.</summary>
    public IEnumerable<(JsonElement Item, string Path)> List(string name, int most) => Any(name) is JsonElement value ? ListOf(value, At(name), most) : [];

    /// <summary>The items of a list with their paths.</summary>
    public static IEnumerable<(JsonElement Item, string Path)> ListOf(JsonElement value, string path, int most)
    {
        if (value.ValueKind != JsonValueKind.Array)
        {
            throw Wrong(path, "a list", value);
        }
        int length = value.GetArrayLength();
        return length <= most
            ? value.EnumerateArray().Select((item, index) => (item, $"{path}[{index}]"))
            : throw ApiException.Invalid(path, $"'{path}' has {length} items; {most} are allowed.", "too_many_items");
    }

    public static string TextOf(JsonElement value, string path) =>
        value.ValueKind == JsonValueKind.String ? value.GetString()! : throw Wrong(path, "a text", value);

    public static long IntegerOf(JsonElement value, string path, long least, long most)
    {
        // 1.0 is a whole number too; some clients write all numbers so.
        if (value.ValueKind != JsonValueKind.Number || !(value.TryGetInt64(out long number) || IsWhole(value, out number)))
        {
            throw Wrong(path, "a whole number", value);
        }
        return number >= least && number <= most
            ? number
            : throw ApiException.Invalid(path, $"'{path}' must be {least} to {most}, not {number}.");
    }

    /// <summary>A value of another kind than is needed.</summary>
    public static ApiException Wrong(string path, string needed, JsonElement found) =>
        ApiException.Invalid(path.Length == 0 ? null : path, $"{(path.Length == 0 ? "The body" : $"'{path}'")} must be {needed}, not {NameOf(found.ValueKind)}.", "invalid_type");

    public ApiException Missing(string name) => ApiException.Invalid(At(name), $"'{At(name)}' is missing.", "missing_required_parameter");

    private static bool IsWhole(JsonElement value, out long number)
    {
        number = 0;
        // Beyond 2^53 not every whole number is a double.
        if (!value.TryGetDouble(out double real) || Math.Abs(real) > 1L << 53 || real != Math.Floor(real))
        {
            return false;
        }
        number = (long)real;
        return true;
    }

    private static string NameOf(JsonValueKind kind) => kind switch
    {
        JsonValueKind.Object => "an object",
        JsonValueKind.Array => "a list",
        JsonValueKind.String => "a text",
        JsonValueKind.Number => "such a number",
        JsonValueKind.True or JsonValueKind.False => "true or false",
        _ => "null",
    };
}
