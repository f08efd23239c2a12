namespace Llama4Kernels.PtxEmulator.Numerics;

/// <summary>cvt.tf32.f32: f32 bits whose lower 13 are zero. A NaN is 0x7FFFFFFF.</summary>
internal static class Tf32Bits
{
    public static uint FromF32(float value, Rounding rounding, ResultFlags flags = ResultFlags.None)
    {
        if (float.IsNaN(value))
        {
            return 0x7FFF_FFFF;
        }

        var bits = FloatBits.FromF64(value, FloatFormat.TF32, rounding, (flags & ResultFlags.SatFinite) != 0) << 13;
        return (flags & ResultFlags.Relu) != 0 && (bits & 0x8000_0000) != 0 ? 0 : bits;
    }
}
