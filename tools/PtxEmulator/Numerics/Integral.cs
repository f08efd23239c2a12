namespace Llama4Kernels.PtxEmulator.Numerics;

/// <summary>cvt.rni/rzi/rmi/rpi between equal floating-point types: rounds to an integer, zero results keep the operand's sign.</summary>
internal static class Integral
{
    public static float Round(float value, Rounding rounding) =>
        RoundedF32.Canonical((float)Round((double)value, rounding));

    public static double Round(double value, Rounding rounding) => RoundedF64.Canonical(rounding switch
    {
        Rounding.NearestEven => Math.Round(value, MidpointRounding.ToEven),
        Rounding.NearestAway => Math.Round(value, MidpointRounding.AwayFromZero),
        Rounding.Zero => Math.Truncate(value),
        Rounding.Down => Math.Floor(value),
        Rounding.Up => Math.Ceiling(value),
        _ => throw new ArgumentOutOfRangeException(nameof(rounding)),
    });
}
