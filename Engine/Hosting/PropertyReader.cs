using System.Globalization;
using System.Text.Json;
using System.Text.Json.Nodes;
using Microsoft.Extensions.AI;

namespace Llama4Kernels.Hosting;

/// <summary>Reads <see cref="ChatOptions.AdditionalProperties"/>; a name that is not known or a wrong type throws.</summary>
internal sealed class PropertyReader
{
    private static readonly string[] s_names =
        [Llama4Properties.MinP, Llama4Properties.RepetitionPenalty, Llama4Properties.LogitBias, Llama4Properties.Priority, Llama4Properties.CacheSalt, Llama4Properties.Strict];

    private readonly AdditionalPropertiesDictionary? _properties;

    /// <summary>Over the properties, possibly none.</summary>
    /// <exception cref="UnsupportedRequestException">A name is not known.</exception>
    public PropertyReader(AdditionalPropertiesDictionary? properties)
    {
        _properties = properties;
        if (properties?.Keys.FirstOrDefault(name => !s_names.Contains(name, StringComparer.OrdinalIgnoreCase)) is { } unknown)
        {
            throw new UnsupportedRequestException(Place(unknown), $"there is no such property; there are {string.Join(", ", s_names)}.");
        }
    }

    /// <summary>A number; null if it is not set.</summary>
    public float? Number(string name) => Value(name) is { } value ? (float)(AsNumber(value) ?? throw Wrong(name, "a number", value)) : null;

    /// <summary>A whole number; null if it is not set.</summary>
    public int? Integer(string name) => Value(name) is not { } value ? null
        : AsNumber(value) is { } number && number == Math.Floor(number) && number is >= int.MinValue and <= int.MaxValue ? (int)number
        : throw Wrong(name, "a whole number of 32 bits", value);

    /// <summary>A text; null if it is not set.</summary>
    public string? Text(string name) => Value(name) switch
    {
        null => null,
        string text => text,
        JsonElement { ValueKind: JsonValueKind.String } text => text.GetString(),
        { } value => throw Wrong(name, "a text", value),
    };

    /// <summary>True or false; false if it is not set.</summary>
    public bool Flag(string name) => Value(name) switch
    {
        null => false,
        bool flag => flag,
        JsonElement { ValueKind: JsonValueKind.True or JsonValueKind.False } flag => flag.GetBoolean(),
        { } value => throw Wrong(name, "true or false", value),
    };

    /// <summary>Numbers by token id; null if it is not set.</summary>
    public IReadOnlyDictionary<int, float>? NumbersByToken(string name)
    {
        switch (Value(name))
        {
            case null:
                return null;
            case IReadOnlyDictionary<int, float> numbers:
                return numbers;
            case JsonElement { ValueKind: JsonValueKind.Object } members:
                return members.EnumerateObject().ToDictionary(
                    member => int.TryParse(member.Name, NumberStyles.None, CultureInfo.InvariantCulture, out int id) ? id : throw Wrong(name, "by token ids in digits", member.Name),
                    member => (float)(AsNumber(member.Value) ?? throw Wrong(name, "numbers by token id", member.Value)));
            case { } value:
                throw Wrong(name, "numbers by token id", value);
        }
    }

    private object? Value(string name) => _properties?.GetValueOrDefault(name) switch
    {
        JsonElement { ValueKind: JsonValueKind.Null } => null,
        JsonNode node => JsonElement.Parse(node.ToJsonString()),
        var value => value,
    };

    private static double? AsNumber(object value) => value switch
    {
        JsonElement { ValueKind: JsonValueKind.Number } number => number.GetDouble(),
        float or double or decimal or sbyte or byte or short or ushort or int or uint or long or ulong => Convert.ToDouble(value, CultureInfo.InvariantCulture),
        _ => null,
    };

    private static string Place(string name) => $"ChatOptions.AdditionalProperties[\"{name}\"]";

    private static ArgumentException Wrong(string name, string wanted, object value) =>
        new($"{Place(name)} must be {wanted}, not {(value is JsonElement json ? json.GetRawText() : $"{value} ({value.GetType().Name})")}.", "options");
}
