namespace Llama4Kernels.Engine.Constraints.JsonSchema;

/// <summary>A property that an object must hold, whatever its name.</summary>
/// <param name="Names">Which names count.</param>
/// <param name="Literal">What its value must be; null if anything.</param>
internal sealed record PropertyDemand(PropertyDemand.Filter Names, int? Literal)
{
    /// <summary>A set of names.</summary>
    /// <param name="Pattern">Those in which a pattern is found.</param>
    /// <param name="AdditionalOf">Those that a part neither names nor matches.</param>
    /// <param name="NameLiteral">Those that a schema holds for.</param>
    public sealed record Filter(string? Pattern = null, ObjectPart? AdditionalOf = null, int? NameLiteral = null);
}
