using System.Text.Json;

namespace Llama4Kernels.Engine.Constraints.JsonSchema;

/// <summary>
/// The order of properties: as the schemas of a value name them, first their own <c>properties</c>, then those of the schemas that
/// they refer to or are made of, then names that are only required.
/// </summary>
internal static class PropertyRanks
{
    private static readonly string[] Lists = ["allOf", "anyOf", "oneOf"];
    private static readonly string[] Singles = ["if", "then", "else", "not"];

    public static Dictionary<string, int> Of(SchemaDocument document, IEnumerable<int> literals)
    {
        Dictionary<string, int> ranks = new(StringComparer.Ordinal);
        List<string> later = [];
        foreach (Subschema schema in Closure(document, literals))
        {
            if (schema.TryGet("properties", out JsonElement properties) && properties.ValueKind == JsonValueKind.Object)
            {
                foreach (JsonProperty property in properties.EnumerateObject())
                {
                    ranks.TryAdd(property.Name, ranks.Count);
                }
            }
            if (schema.TryGet("required", out JsonElement required) && required.ValueKind == JsonValueKind.Array)
            {
                later.AddRange(required.EnumerateArray().Where(name => name.ValueKind == JsonValueKind.String).Select(name => name.GetString()!));
            }
        }
        foreach (string name in later)
        {
            ranks.TryAdd(name, ranks.Count);
        }
        return ranks;
    }

    /// <summary>The schemas of literals with those that hold, or may hold, for the same value.</summary>
    public static List<Subschema> Closure(SchemaDocument document, IEnumerable<int> literals)
    {
        List<Subschema> closure = [];
        HashSet<int> seen = [];
        Queue<Subschema> pending = new(literals.Order().Select(literal => document[literal / 2]));
        while (pending.TryDequeue(out Subschema? schema))
        {
            if (!seen.Add(schema.Id) || schema.Json.ValueKind != JsonValueKind.Object)
            {
                continue;
            }
            closure.Add(schema);
            foreach (JsonProperty keyword in schema.Json.EnumerateObject())
            {
                JsonElement value = keyword.Value;
                switch (keyword.Name)
                {
                    case "$ref" when value.ValueKind == JsonValueKind.String:
                        pending.Enqueue(document.Resolve(schema, "$ref", value.GetString()!));
                        break;
                    case var list when Lists.Contains(list) && value.ValueKind == JsonValueKind.Array:
                        int index = 0;
                        foreach (JsonElement item in value.EnumerateArray())
                        {
                            pending.Enqueue(document.Child(schema, item, list, $"{index++}"));
                        }
                        break;
                    case var single when Singles.Contains(single) && value.ValueKind == JsonValueKind.Object:
                        pending.Enqueue(document.Child(schema, value, single));
                        break;
                    case "dependencies" or "dependentSchemas" when value.ValueKind == JsonValueKind.Object:
                        foreach (JsonProperty property in value.EnumerateObject())
                        {
                            if (property.Value.ValueKind == JsonValueKind.Object)
                            {
                                pending.Enqueue(document.Child(schema, property.Value, keyword.Name, property.Name));
                            }
                        }
                        break;
                }
            }
        }
        return closure;
    }
}
