using System.Text.Json;

namespace Llama4Kernels.Engine.Constraints.JsonSchema;

/// <summary>A document or a part of it with an identifier of its own.</summary>
/// <param name="Uri">Its identifier; empty if it has none.</param>
/// <param name="Json">Its root.</param>
/// <param name="Pointer">Where the root stands in the document.</param>
/// <param name="Draft">The draft that it is written in.</param>
/// <param name="Declared">Whether it says so.</param>
internal sealed record SchemaResource(string Uri, JsonElement Json, string Pointer, SchemaDraft Draft, bool Declared)
{
    /// <summary>Places of its named anchors.</summary>
    public Dictionary<string, (JsonElement Json, string Pointer)> Anchors { get; } = new(StringComparer.Ordinal);

    /// <summary>Its anchors that $dynamicRef may find from outside.</summary>
    public HashSet<string> DynamicAnchors { get; } = new(StringComparer.Ordinal);

    /// <summary>Whether $recursiveRef may find its root from outside.</summary>
    public bool HasRecursiveAnchor => Json.ValueKind == JsonValueKind.Object && Json.TryGetProperty("$recursiveAnchor", out JsonElement anchor)
        && anchor.ValueKind == JsonValueKind.True;
}
