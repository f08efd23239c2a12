namespace Llama4Kernels.Engine.Config;

/// <summary>What shares a scale.</summary>
internal enum QuantizationStrategy
{
    /// <summary>The whole weight.</summary>
    Tensor,

    /// <summary>A row of it.</summary>
    Channel,

    /// <summary>A number of inputs of a row.</summary>
    Group,

    /// <summary>A rectangle of rows and inputs.</summary>
    Block,
}

/// <summary>How a configuration says that some modules are quantised. Which ones are is decided by the tensors.</summary>
/// <param name="Name">Its name, for errors.</param>
/// <param name="Targets">Module names, "re:" and a pattern, or names of classes.</param>
/// <param name="Bits">Bits of a code: 4 or 8.</param>
/// <param name="IsFloat">Whether codes are E4M3 and not integers.</param>
/// <param name="Strategy">What shares a scale.</param>
/// <param name="Columns">Inputs of a group or a block; 0 for rows and tensors.</param>
/// <param name="Rows">Rows of a block, else 1.</param>
/// <param name="Symmetric">Whether there are no zero points.</param>
internal sealed record QuantizationGroup(string Name, string[] Targets, int Bits, bool IsFloat, QuantizationStrategy Strategy, int Columns, int Rows, bool Symmetric)
{
    /// <summary>In words, for errors.</summary>
    public string Text => $"{Bits}-bit {(IsFloat ? "floats" : Symmetric ? "symmetric integers" : "integers with zero points")} {Strategy switch
    {
        QuantizationStrategy.Group => $"in groups of {Columns}",
        QuantizationStrategy.Block => $"in blocks of {Rows}×{Columns}",
        QuantizationStrategy.Channel => "with a scale per row",
        _ => "with one scale",
    }}";
}
