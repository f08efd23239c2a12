using System.Text.Json;

namespace Llama4Kernels.Engine.Constraints.JsonSchema;

/// <summary>A schema inside a document. Equal places in equal scopes are one object.</summary>
internal sealed class Subschema(int id, JsonElement json, string pointer, SchemaResource resource, DynamicScope scope)
{
    public int Id => id;

    public JsonElement Json => json;

    /// <summary>Where it stands in the document.</summary>
    public string Pointer => pointer;

    /// <summary>What its references are relative to.</summary>
    public SchemaResource Resource => resource;

    /// <summary>What its dynamic references may lead to.</summary>
    public DynamicScope Scope => scope;

    /// <summary>The literal that demands it.</summary>
    public int Positive => id * 2;

    /// <summary>The literal that forbids it.</summary>
    public int Negative => (id * 2) + 1;

    public bool IsTrue => json.ValueKind == JsonValueKind.True
        || (json.ValueKind == JsonValueKind.Object && !json.EnumerateObject().Any());

    public bool IsFalse => json.ValueKind == JsonValueKind.False;

    /// <summary>Whether only its reference counts, as the drafts up to 7 have it.</summary>
    public bool IsReferenceOnly => resource is { Draft: <= SchemaDraft.Draft7, Declared: true }
        && TryGet("$ref", out JsonElement reference) && reference.ValueKind == JsonValueKind.String;

    public bool TryGet(string keyword, out JsonElement value)
    {
        value = default;
        return json.ValueKind == JsonValueKind.Object && json.TryGetProperty(keyword, out value);
    }

    public ConstraintException Error(string keyword, string reason) => new(keyword, pointer.Length == 0 ? "#" : "#" + pointer, reason);
}
