namespace Llama4Kernels.PtxEmulator.Numerics;

/// <summary>Modifiers that change operands or the result of a floating-point instruction.</summary>
[Flags]
internal enum ResultFlags
{
    None = 0,

    /// <summary>.ftz: subnormal operands and results become zero of the same sign.</summary>
    Ftz = 1,

    /// <summary>.sat: into [0, 1], NaN becomes +0.</summary>
    Sat = 2,

    /// <summary>.relu: negative results become +0, NaN the canonical NaN.</summary>
    Relu = 4,

    /// <summary>.satfinite: overflow and infinity become the largest finite number.</summary>
    SatFinite = 8,
}
