namespace Llama4Kernels.Kernels.Contracts;

/// <summary>What is added to a group's codes times their scale.</summary>
public enum OffsetKind
{
    /// <summary>Nothing: w = s·c.</summary>
    None,

    /// <summary>A number β of the scale's type: w = s·c + β.</summary>
    Added,

    /// <summary>A byte m for each group and a half d' for each 256 columns: w = s·c − d'·m.</summary>
    TwoLevel,

    /// <summary>A byte z that is taken from the code: w = (c − z)·s.</summary>
    Zero,
}
