namespace Llama4Kernels.Kernels.Numerics;

/// <summary>Four float32 in a row: one 16-byte access of device memory if the address allows it.</summary>
/// <param name="A">First.</param>
/// <param name="B">Second.</param>
/// <param name="C">Third.</param>
/// <param name="D">Fourth.</param>
public readonly record struct Float4(float A, float B, float C, float D)
{
    /// <summary>This + factor · values.</summary>
    public Float4 Add(float factor, Float4 values) =>
        new(A + factor * values.A, B + factor * values.B, C + factor * values.C, D + factor * values.D);

    /// <summary>This · factors, elementwise.</summary>
    public Float4 Times(Float4 factors) => new(A * factors.A, B * factors.B, C * factors.C, D * factors.D);

    /// <summary>This + other, elementwise.</summary>
    public Float4 Plus(Float4 other) => new(A + other.A, B + other.B, C + other.C, D + other.D);

    /// <summary>The sum plus the products with other, one after another.</summary>
    public float AddDot(float sum, Float4 other) => sum + A * other.A + B * other.B + C * other.C + D * other.D;
}

/// <summary>Eight bytes of packed numbers.</summary>
/// <param name="Low">The first four.</param>
/// <param name="High">The last four.</param>
public readonly record struct Words2(uint Low, uint High);
