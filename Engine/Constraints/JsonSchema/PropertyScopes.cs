using System.Text.Json;
using Llama4Kernels.Engine.Constraints.Lexing;

namespace Llama4Kernels.Engine.Constraints.JsonSchema;

/// <summary>
/// What orders the properties of a value: all schemas that may hold for it, whichever way alternatives go. A scope is these schemas as
/// literals, so that each alternative writes the properties that it has in one order common to all.
/// </summary>
internal sealed class PropertyScopes(SchemaDocument document, Func<string, Dfa?> pattern)
{
    private static readonly string[] s_references = ["$ref", "$dynamicRef", "$recursiveRef"];
    private static readonly string[] s_lists = ["allOf", "anyOf", "oneOf"];
    private static readonly string[] s_singles = ["if", "then", "else", "not"];
    private static readonly string[] s_prefixKeywords = ["prefixItems", "items"];
    private static readonly string[] s_restKeywords = ["items", "additionalItems"];

    private readonly Dictionary<int[], Scope> _scopes = new(SequenceComparer.Instance);

    /// <summary>
    /// The order of properties: as the schemas name them, first their own <c>properties</c>, then those of the schemas that they refer to
    /// or are made of, those of constants among them, then names that are only required or depended on.
    /// </summary>
    public Dictionary<string, int> Ranks(int[] scope) => Of(scope).Ranks;

    /// <summary>The scope of a property's value.</summary>
    public int[] OfProperty(int[] scope, string name)
    {
        // Alternatives of one value ask for the same names.
        Dictionary<string, int[]> known = Of(scope).Properties;
        if (!known.TryGetValue(name, out int[]? property))
        {
            known.Add(name, property = OfValue(scope, name, matching => pattern(matching)?.Accepts(name) == true));
        }
        return property;
    }

    /// <summary>The scope of the value of a property that no schema names.</summary>
    /// <param name="scope">The object's scope.</param>
    /// <param name="matches">Whether the name matches a pattern.</param>
    public int[] OfOther(int[] scope, Func<string, bool> matches) => OfValue(scope, null, matches);

    private int[] OfValue(int[] scope, string? name, Func<string, bool> matches)
    {
        List<int> values = [];
        foreach (Subschema schema in Of(scope).Schemas)
        {
            bool found = false;
            if (name is not null && schema.TryGet("properties", out JsonElement properties) && properties.ValueKind == JsonValueKind.Object
                && properties.TryGetProperty(name, out JsonElement named))
            {
                found = Add(values, schema, named, "properties", name);
            }
            if (schema.TryGet("patternProperties", out JsonElement matching) && matching.ValueKind == JsonValueKind.Object)
            {
                foreach (JsonProperty entry in matching.EnumerateObject().Where(entry => matches(entry.Name)))
                {
                    found = Add(values, schema, entry.Value, "patternProperties", entry.Name);
                }
            }
            if (!found && schema.TryGet("additionalProperties", out JsonElement others))
            {
                Add(values, schema, others, "additionalProperties");
            }
        }
        return [.. values.Distinct()];
    }

    /// <summary>The scope of an item.</summary>
    public int[] OfItem(int[] scope, int index)
    {
        List<int> values = [];
        foreach (Subschema schema in Of(scope).Schemas)
        {
            bool isPrefix = false;
            foreach (string keyword in s_prefixKeywords)
            {
                if (schema.TryGet(keyword, out JsonElement items) && items.ValueKind == JsonValueKind.Array && index < items.GetArrayLength())
                {
                    isPrefix = Add(values, schema, items[index], keyword, $"{index}");
                }
            }
            foreach (string keyword in s_restKeywords)
            {
                if (!isPrefix && schema.TryGet(keyword, out JsonElement items))
                {
                    Add(values, schema, items, keyword);
                }
            }
            // An item that counts is written as it is where it does not.
            if (schema.TryGet("contains", out JsonElement contained))
            {
                Add(values, schema, contained, "contains");
            }
        }
        return [.. values.Distinct()];
    }

    private bool Add(List<int> values, Subschema schema, JsonElement json, params ReadOnlySpan<string> path)
    {
        if (json.ValueKind == JsonValueKind.Object)
        {
            values.Add(document.Child(schema, json, path).Positive);
        }
        return true;
    }

    private Scope Of(int[] literals)
    {
        if (!_scopes.TryGetValue(literals, out Scope? scope))
        {
            List<Subschema> schemas = Closure(literals);
            scope = new Scope(schemas, RanksOf(schemas), new Dictionary<string, int[]>(StringComparer.Ordinal));
            _scopes.Add(literals, scope);
        }
        return scope;
    }

    private static Dictionary<string, int> RanksOf(List<Subschema> schemas)
    {
        Dictionary<string, int> ranks = new(StringComparer.Ordinal);
        List<string> later = [];
        foreach (Subschema schema in schemas)
        {
            if (schema.TryGet("properties", out JsonElement properties) && properties.ValueKind == JsonValueKind.Object)
            {
                foreach (JsonProperty property in properties.EnumerateObject())
                {
                    ranks.TryAdd(property.Name, ranks.Count);
                }
            }
            if (schema.TryGet("required", out JsonElement required))
            {
                later.AddRange(Texts(required));
            }
            foreach (string keyword in (string[])["dependencies", "dependentRequired", "dependentSchemas"])
            {
                if (schema.TryGet(keyword, out JsonElement dependencies) && dependencies.ValueKind == JsonValueKind.Object)
                {
                    later.AddRange(dependencies.EnumerateObject().SelectMany(entry => Texts(entry.Value).Prepend(entry.Name)));
                }
            }
        }
        foreach (string name in later)
        {
            ranks.TryAdd(name, ranks.Count);
        }
        return ranks;
    }

    private static IEnumerable<string> Texts(JsonElement value) => value.ValueKind == JsonValueKind.Array
        ? value.EnumerateArray().Where(name => name.ValueKind == JsonValueKind.String).Select(name => name.GetString()!)
        : [];

    private List<Subschema> Closure(int[] literals)
    {
        List<Subschema> closure = [];
        HashSet<int> seen = [];
        Queue<Subschema> pending = new(literals.Select(literal => document[literal / 2]));
        while (pending.TryDequeue(out Subschema? schema))
        {
            if (!seen.Add(schema.Id) || schema.Json.ValueKind != JsonValueKind.Object)
            {
                continue;
            }
            foreach (string keyword in s_references)
            {
                if (schema.TryGet(keyword, out JsonElement reference) && reference.ValueKind == JsonValueKind.String)
                {
                    pending.Enqueue(document.Resolve(schema, keyword, reference.GetString()!));
                }
            }
            if (schema.IsReferenceOnly)
            {
                continue;
            }
            closure.Add(schema);
            foreach (JsonProperty keyword in schema.Json.EnumerateObject())
            {
                Follow(schema, keyword.Name, keyword.Value, pending);
            }
        }
        return closure;
    }

    private void Follow(Subschema schema, string keyword, JsonElement value, Queue<Subschema> pending)
    {
        if (s_lists.Contains(keyword) && value.ValueKind == JsonValueKind.Array)
        {
            int index = 0;
            foreach (JsonElement item in value.EnumerateArray())
            {
                pending.Enqueue(document.Child(schema, item, keyword, $"{index++}"));
            }
        }
        else if (keyword is "enum" or "const")
        {
            foreach (JsonElement constant in (IEnumerable<JsonElement>)(keyword == "const" ? [value] : value.ValueKind == JsonValueKind.Array ? [.. value.EnumerateArray()] : []))
            {
                if (ConstantSchema.HasOrder(constant))
                {
                    pending.Enqueue(document.Constant(constant, schema));
                }
            }
        }
        else if (value.ValueKind == JsonValueKind.Object && s_singles.Contains(keyword))
        {
            pending.Enqueue(document.Child(schema, value, keyword));
        }
        else if (value.ValueKind == JsonValueKind.Object && keyword is "dependencies" or "dependentSchemas")
        {
            foreach (JsonProperty property in value.EnumerateObject().Where(property => property.Value.ValueKind == JsonValueKind.Object))
            {
                pending.Enqueue(document.Child(schema, property.Value, keyword, property.Name));
            }
        }
    }

    private sealed record Scope(List<Subschema> Schemas, Dictionary<string, int> Ranks, Dictionary<string, int[]> Properties);
}
