namespace Llama4Kernels.Engine.Constraints.JsonSchema;

/// <summary>Items that an array must hold.</summary>
/// <param name="Literal">What counts.</param>
/// <param name="From">The first index that counts.</param>
/// <param name="Min">How many at least.</param>
/// <param name="Max">How many at most, or int.MaxValue.</param>
internal sealed record ContainsDemand(int Literal, int From, int Min, int Max);
