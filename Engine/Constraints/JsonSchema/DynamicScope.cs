namespace Llama4Kernels.Engine.Constraints.JsonSchema;

/// <summary>
/// The resources that evaluation has entered on the way to a schema, the outermost first: they decide where dynamic references lead. Kept
/// only in documents that have any.
/// </summary>
/// <param name="Key">Equal keys mean equal scopes.</param>
/// <param name="Resources">The resources.</param>
internal sealed record DynamicScope(string Key, IReadOnlyList<SchemaResource> Resources)
{
    public static DynamicScope Empty { get; } = new(string.Empty, []);

    /// <summary>The scope inside a resource.</summary>
    public DynamicScope Enter(SchemaResource resource) => Resources.Contains(resource) ? this
        : new DynamicScope($"{Key}\0{resource.Pointer}", [.. Resources, resource]);
}
