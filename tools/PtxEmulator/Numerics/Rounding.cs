namespace Llama4Kernels.PtxEmulator.Numerics;

/// <summary>Where a result that a format cannot hold goes.</summary>
internal enum Rounding
{
    /// <summary>.rn, .rni: nearest, ties to the even neighbour.</summary>
    NearestEven,

    /// <summary>.rz, .rzi: towards zero.</summary>
    Zero,

    /// <summary>.rm, .rmi: towards minus infinity.</summary>
    Down,

    /// <summary>.rp, .rpi: towards plus infinity.</summary>
    Up,

    /// <summary>.rna: nearest, ties away from zero.</summary>
    NearestAway,
}
