namespace Llama4Kernels.Kernels.Contracts;

/// <summary>What the scale of a group of weights is stored as.</summary>
public enum ScaleKind
{
    /// <summary>There is none.</summary>
    None,

    /// <summary>float32.</summary>
    F32,

    /// <summary>IEEE half.</summary>
    F16,

    /// <summary>bfloat16.</summary>
    BF16,

    /// <summary>A byte e for 2^(e − 128).</summary>
    Power,

    /// <summary>A signed byte S for each group and a half d for each 256 columns: d·S.</summary>
    TwoLevel,

    /// <summary>As <see cref="TwoLevel"/>, S being the low half of a byte without sign; the high half is the offset's.</summary>
    Nibbles,
}
