namespace Llama4Kernels.Kernels.Contracts;

/// <summary>How a packed matrix lies in memory or in a file. Matrices of equal shapes in this sense can take each other's bytes over.</summary>
/// <param name="Rows">Output features.</param>
/// <param name="Columns">Input features.</param>
/// <param name="Format">What its numbers are stored as.</param>
/// <param name="Layout">The layout's name.</param>
/// <param name="Version">The layout's version: another one has other bytes.</param>
public sealed record PackedShape(int Rows, int Columns, WeightFormat Format, string Layout, int Version)
{
    /// <summary>Alignment of a matrix, and what the bytes of one are rounded up to where they are saved.</summary>
    public const int Alignment = 64;

    /// <inheritdoc/>
    public override string ToString() => $"{Format.Name} in {Layout} version {Version}";
}
