namespace Llama4Kernels.Engine.Constraints.JsonSchema;

/// <summary>The conditions of <see cref="NumberTest"/>.</summary>
internal enum NumberTestKind
{
    Integer,
    AtLeast,
    MoreThan,
    MultipleOf,
    OneOf,
}
