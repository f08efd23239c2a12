using System.Text;
using System.Text.Json;
using System.Text.Json.Nodes;
using Json.Schema;

namespace Llama4Kernels.Tests.Engine.Constraints;

/// <summary>
/// JsonSchema.Net's verdict on documents. It knows the drafts from 6 on: a schema of draft 4 is brought to draft 7 first, and
/// <c>nullable</c>, which no draft has, becomes a type; a pattern's slashes become escapes.
/// </summary>
internal sealed class SchemaOracle
{
    private static readonly string[] s_later = ["const", "contains", "propertyNames", "if", "then", "else", "$id"];
    private static readonly EvaluationOptions s_options = new() { OutputFormat = OutputFormat.List, RequireFormatValidation = true };

    private readonly JsonSchema _schema;

    public SchemaOracle(JsonElement schema)
    {
        JsonNode? node = JsonNode.Parse(schema.GetRawText());
        string declared = node is JsonObject root && root["$schema"] is JsonValue name && name.TryGetValue(out string? uri) ? uri : string.Empty;
        bool isDraft4 = declared.Contains("draft-04", StringComparison.Ordinal);
        Rewrite(node, isDraft4);
        Dialect dialect =
            isDraft4 || declared.Contains("draft-07", StringComparison.Ordinal) ? Dialect.Draft07
            : declared.Contains("draft-06", StringComparison.Ordinal) ? Dialect.Draft06
            : declared.Contains("2019-09", StringComparison.Ordinal) ? Dialect.Draft201909
            : declared.Contains("2020-12", StringComparison.Ordinal) || Mentions(node, "prefixItems") || Mentions(node, "$dynamicRef") ? Dialect.Draft202012
            : Mentions(node, "dependencies") ? Dialect.Draft07
            : Dialect.Draft201909;
        _schema = JsonSchema.FromText(node?.ToJsonString() ?? "null", new BuildOptions { Dialect = dialect, SchemaRegistry = new SchemaRegistry() });
    }

    /// <summary>What is wrong with a document, or null.</summary>
    public string? Fault(string document)
    {
        EvaluationResults results = _schema.Evaluate(JsonElement.Parse(document, new JsonDocumentOptions { MaxDepth = 2000 }), s_options);
        return results.IsValid ? null
            : string.Join("; ", (results.Details ?? []).Where(detail => detail.Errors is not null)
                .SelectMany(detail => detail.Errors!.Select(error => $"{detail.InstanceLocation} {detail.EvaluationPath} {error.Value}"))
                .Take(5).DefaultIfEmpty("invalid"));
    }

    private static bool Mentions(JsonNode? node, string keyword) => node switch
    {
        JsonObject members => members.ContainsKey(keyword) || members.Any(member => Mentions(member.Value, keyword)),
        JsonArray items => items.Any(item => Mentions(item, keyword)),
        _ => false,
    };

    private static void Rewrite(JsonNode? node, bool isDraft4)
    {
        switch (node)
        {
            case JsonArray items:
                foreach (JsonNode? item in items)
                {
                    Rewrite(item, isDraft4);
                }
                break;
            case JsonObject schema:
                if (schema["$schema"] is JsonValue)
                {
                    schema.Remove("$schema");
                }
                if (schema["nullable"] is JsonValue nullable && nullable.GetValueKind() == JsonValueKind.True && schema["type"] is JsonNode type)
                {
                    JsonArray types = type is JsonArray several ? (JsonArray)several.DeepClone() : [type.DeepClone()];
                    types.Add((JsonNode)"null");
                    schema["type"] = types;
                }
                if (isDraft4)
                {
                    BringFromDraft4(schema);
                }
                if (schema["patternProperties"] is JsonObject patterns)
                {
                    schema["patternProperties"] = new JsonObject(patterns.Select(entry => KeyValuePair.Create(WithoutSlashes(entry.Key), entry.Value?.DeepClone())));
                }
                foreach ((string key, JsonNode? member) in schema.ToArray())
                {
                    if (key is not ("enum" or "const" or "default" or "example" or "examples"))
                    {
                        Rewrite(member, isDraft4);
                    }
                }
                break;
            default:
                break;
        }
    }

    // The validator looks patterns up by how a pointer writes them, and does not find those that a pointer writes differently.
    private static string WithoutSlashes(string pattern)
    {
        StringBuilder written = new();
        for (int i = 0; i < pattern.Length; i++)
        {
            bool isEscaped = pattern[i] == '\\' && i + 1 < pattern.Length;
            i += isEscaped ? 1 : 0;
            _ = pattern[i] is '/' or '~' ? written.Append($"\\x{(int)pattern[i]:x2}")
                : isEscaped ? written.Append('\\').Append(pattern[i])
                : written.Append(pattern[i]);
        }
        return written.ToString();
    }

    private static void BringFromDraft4(JsonObject schema)
    {
        // Inside properties these are names; a name that is a schema is no keyword's value that would do harm.
        foreach (string keyword in s_later.Where(keyword => schema[keyword] is not JsonObject))
        {
            schema.Remove(keyword);
        }
        foreach ((string bound, string flag) in ((string, string)[])[("minimum", "exclusiveMinimum"), ("maximum", "exclusiveMaximum")])
        {
            if (schema[flag] is JsonValue exclusive && exclusive.GetValueKind() is JsonValueKind.True or JsonValueKind.False)
            {
                bool isExclusive = exclusive.GetValue<bool>();
                schema.Remove(flag);
                if (isExclusive && schema[bound] is JsonNode limit)
                {
                    schema.Remove(bound);
                    schema[flag] = limit;
                }
            }
        }
        if (schema["id"] is JsonValue id && id.TryGetValue(out string? name))
        {
            schema.Remove("id");
            if (schema["$ref"] is null)
            {
                schema["$id"] = name;
            }
        }
    }
}
