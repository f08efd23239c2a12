using System.Text.Json;
using System.Text.Json.Nodes;

namespace Llama4Kernels.Engine.Constraints.JsonSchema;

/// <summary>Writes a constant array or object as a schema of draft 2020-12.</summary>
internal static class ConstantSchema
{
    public static string Of(JsonElement value) => value.ValueKind == JsonValueKind.Array ? OfArray(value) : OfObject(value);

    /// <summary>Whether a constant holds an object whose properties could stand in several orders.</summary>
    public static bool HasOrder(JsonElement value)
    {
        Stack<JsonElement> pending = new([value]);
        while (pending.TryPop(out JsonElement next))
        {
            if (next.ValueKind == JsonValueKind.Array)
            {
                foreach (JsonElement item in next.EnumerateArray())
                {
                    pending.Push(item);
                }
            }
            else if (next.ValueKind == JsonValueKind.Object)
            {
                int count = 0;
                foreach (JsonProperty property in next.EnumerateObject())
                {
                    if (++count == 2)
                    {
                        return true;
                    }
                    pending.Push(property.Value);
                }
            }
        }
        return false;
    }

    private static string OfArray(JsonElement array)
    {
        int count = array.GetArrayLength();
        JsonArray items = [.. array.EnumerateArray().Select(Constant)];
        return new JsonObject { ["type"] = "array", ["prefixItems"] = items, ["items"] = false, ["minItems"] = count, ["maxItems"] = count }.ToJsonString();
    }

    private static string OfObject(JsonElement value)
    {
        JsonObject properties = [];
        JsonArray required = [];
        foreach (JsonProperty property in value.EnumerateObject())
        {
            if (!properties.ContainsKey(property.Name))
            {
                required.Add((JsonNode)property.Name);
            }
            properties[property.Name] = Constant(property.Value);
        }
        return new JsonObject { ["type"] = "object", ["properties"] = properties, ["required"] = required, ["additionalProperties"] = false }.ToJsonString();
    }

    private static JsonNode Constant(JsonElement value) => new JsonObject { ["enum"] = new JsonArray(JsonNode.Parse(value.GetRawText())) };
}
