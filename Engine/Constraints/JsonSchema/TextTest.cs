namespace Llama4Kernels.Engine.Constraints.JsonSchema;

/// <summary>A condition on strings, or its opposite. Equal words compare equal only if they are one array.</summary>
/// <param name="Kind">The condition.</param>
/// <param name="Operand">The pattern or the format's name.</param>
/// <param name="Words">The words of <see cref="TextTestKind.OneOf"/>.</param>
/// <param name="Negative">Whether it must not hold.</param>
internal sealed record TextTest(TextTestKind Kind, string Operand, string[]? Words = null, bool Negative = false)
{
    public TextTest Opposite() => this with { Negative = !Negative };
}
