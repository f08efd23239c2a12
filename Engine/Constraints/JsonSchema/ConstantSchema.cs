using System.Text.Json;
using System.Text.Json.Nodes;

namespace Llama4Kernels.Engine.Constraints.JsonSchema;

/// <summary>Writes a constant array or object as a schema of draft 2020-12.</summary>
internal static class ConstantSchema
{
    public static string OfArray(JsonElement array)
    {
        int count = array.GetArrayLength();
        JsonArray items = [.. array.EnumerateArray().Select(Constant)];
        return new JsonObject { ["type"] = "array", ["prefixItems"] = items, ["items"] = false, ["minItems"] = count, ["maxItems"] = count }.ToJsonString();
    }

    public static string OfObject(JsonElement value)
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
