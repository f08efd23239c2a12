namespace Llama4Kernels.Engine.Constraints.JsonSchema;

/// <summary>What one schema says of the properties of an object, as literals.</summary>
/// <param name="Properties">By name, in order.</param>
/// <param name="Patterns">By pattern.</param>
/// <param name="Additional">For the others; null if they are free.</param>
internal sealed record ObjectPart(
    IReadOnlyList<(string Name, int Literal)> Properties, IReadOnlyList<(string Pattern, int Literal)> Patterns, int? Additional)
{
    private readonly Dictionary<string, int> _byName = Properties.DistinctBy(property => property.Name, StringComparer.Ordinal)
        .ToDictionary(property => property.Name, property => property.Literal, StringComparer.Ordinal);

    public bool TryGet(string name, out int literal) => _byName.TryGetValue(name, out literal);
}
