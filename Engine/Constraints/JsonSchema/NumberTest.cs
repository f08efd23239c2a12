namespace Llama4Kernels.Engine.Constraints.JsonSchema;

/// <summary>A condition on numbers, or its opposite.</summary>
/// <param name="Kind">The condition.</param>
/// <param name="Operand">Plain decimals (see <see cref="PlainDecimal"/>), for <see cref="NumberTestKind.OneOf"/> several with blanks between.</param>
/// <param name="Negative">Whether it must not hold.</param>
internal sealed record NumberTest(NumberTestKind Kind, string Operand, bool Negative = false)
{
    public NumberTest Opposite() => this with { Negative = !Negative };
}
