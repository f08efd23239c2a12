namespace Llama4Kernels.Engine.Constraints.JsonSchema;

/// <summary>What one schema says of the items of an array, as literals.</summary>
/// <param name="Prefix">The first items.</param>
/// <param name="Rest">The others; null if they are free.</param>
internal sealed record ArrayPart(IReadOnlyList<int> Prefix, int? Rest);
