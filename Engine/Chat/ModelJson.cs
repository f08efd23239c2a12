using System.Text;
using System.Text.Json;
using System.Text.Json.Nodes;

namespace Llama4Kernels.Engine.Chat;

/// <summary>Reads JSON that a model wrote: of repeated names the last counts, and faults are an answer, not an error.</summary>
internal static class ModelJson
{
    /// <summary>Reads a text that is one JSON value, blanks around it allowed.</summary>
    public static bool TryParse(string text, out JsonNode? node)
    {
        byte[] bytes = Encoding.UTF8.GetBytes(text);
        return TryParsePrefix(bytes, out node, out int consumed)
            && bytes.AsSpan(consumed).TrimEnd(" \t\r\n"u8).IsEmpty;
    }

    /// <summary>Reads the JSON value that a UTF-8 text starts with.</summary>
    public static bool TryParsePrefix(ReadOnlySpan<byte> utf8, out JsonNode? node, out int consumed)
    {
        node = null;
        consumed = 0;
        Utf8JsonReader reader = new(utf8, new JsonReaderOptions { AllowMultipleValues = true });
        try
        {
            if (!JsonDocument.TryParseValue(ref reader, out JsonDocument? document))
            {
                return false;
            }
            using (document)
            {
                node = Convert(document.RootElement);
            }
            consumed = (int)reader.BytesConsumed;
            return true;
        }
        catch (JsonException)
        {
            // The model wrote no JSON, which is for the caller to know.
            return false;
        }
        catch (InvalidOperationException)
        {
            // A string holds half a surrogate pair as \uXXXX: well-formed JSON, but no text.
            return false;
        }
    }

    private static JsonNode? Convert(JsonElement element)
    {
        switch (element.ValueKind)
        {
            case JsonValueKind.Null:
                return null;
            case JsonValueKind.Object:
                JsonObject members = [];
                foreach (JsonProperty member in element.EnumerateObject())
                {
                    members[member.Name] = Convert(member.Value);
                }
                return members;
            case JsonValueKind.Array:
                JsonArray items = [];
                foreach (JsonElement item in element.EnumerateArray())
                {
                    items.Add(Convert(item));
                }
                return items;
            case JsonValueKind.String:
                return JsonValue.Create(element.GetString());
            default:
                return JsonValue.Create(element.Clone());
        }
    }
}
