namespace Llama4Kernels.Engine.Constraints.JsonSchema;

/// <summary>The conditions of <see cref="TextTest"/>.</summary>
internal enum TextTestKind
{
    Pattern,
    Format,
    OneOf,
}
