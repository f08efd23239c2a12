namespace Llama4Kernels.Engine.Constraints.JsonSchema;

/// <summary>The conditions of <see cref="NumberTest"/>.</summary>
internal enum NumberTestKind
{
    /// <summary>Written with digits alone, as draft 4 has integers.</summary>
    Digits,
    Integer,
    AtLeast,
    MoreThan,
    MultipleOf,
    OneOf,
}
