using System.Runtime.CompilerServices;
using System.Runtime.InteropServices;
using System.Runtime.Intrinsics;

namespace Llama4Kernels.Kernels.Quantization;

/// <summary>
/// The rules for scales and codes, in float32 with IEEE divisions: a multiplication by a reciprocal would change codes.
/// </summary>
internal static unsafe class Quantiser
{
    /// <summary>Bound of an activation row's maximum in FP8.</summary>
    public const float ActivationBound = 1200;

    /// <summary>Least magnitude that an int4 scale is made for.</summary>
    public const float Int4Floor = 1e-6f;

    /// <summary>Columns that share a scale of codes of eight bits.</summary>
    public const int Int8Columns = 32;

    // The largest half.
    private const float LargestHalf = 65504;

    private const float Fp8Floor = 1f / (448f * 512f);

    private const uint Magnitude = 0x7fff_ffff;

    /// <summary>max|x|; NaN if there is one.</summary>
    public static float MaxAbsolute(ReadOnlySpan<float> values)
    {
        // Bits of magnitudes are ordered as they are, with NaN above all.
        ref uint bits = ref Unsafe.As<float, uint>(ref MemoryMarshal.GetReference(values));
        Vector512<uint> lanes = default;
        int i = 0;
        for (; i <= values.Length - Vector512<uint>.Count; i += Vector512<uint>.Count)
        {
            lanes = Vector512.Max(lanes, Vector512.LoadUnsafe(ref bits, (nuint)i) & Vector512.Create(Magnitude));
        }
        Vector256<uint> half = Vector256.Max(lanes.GetLower(), lanes.GetUpper());
        Vector128<uint> quarter = Vector128.Max(half.GetLower(), half.GetUpper());
        uint largest = Math.Max(Math.Max(quarter[0], quarter[1]), Math.Max(quarter[2], quarter[3]));
        for (; i < values.Length; i++)
        {
            largest = Math.Max(largest, Unsafe.Add(ref bits, i) & Magnitude);
        }
        return BitConverter.UInt32BitsToSingle(largest);
    }

    /// <summary>The dequantisation multiplier of a row whose largest magnitude is given.</summary>
    public static float Fp8Scale(float largest) => MathF.Max(largest / Numerics.Fp8.Largest, Fp8Floor);

    /// <summary>The dequantisation multiplier of a group of 128: the largest magnitude is eight steps.</summary>
    public static float Int4Scale(float largest) => MathF.Max(largest, Int4Floor) / 8;

    /// <summary>As <see cref="Int4Scale(float)"/>, of groups side by side.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector512<float> Int4Scale(Vector512<float> largest) => Vector512.Max(largest, Vector512.Create(Int4Floor)) / 8;

    /// <summary>
    /// Codes of 32 numbers, ties to even, counted from 0 (+ 128), and their scale, a half: 127 steps are the largest magnitude. Codes are those of
    /// the rounded scale. A group with a NaN has a NaN as scale, one with an infinity an infinity.
    /// </summary>
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    public static ushort Int8(float* values, byte* codes)
    {
        Vector512<float> low = Vector512.Load(values), high = Vector512.Load(values + Vector512<float>.Count);
        // NaN propagates.
        Vector512<float> lanes = Vector512.Max(Vector512.Abs(low), Vector512.Abs(high));
        Vector256<float> half = Vector256.Max(lanes.GetLower(), lanes.GetUpper());
        Vector128<float> quarter = Vector128.Max(half.GetLower(), half.GetUpper());
        float largest = MathF.Max(MathF.Max(quarter[0], quarter[1]), MathF.Max(quarter[2], quarter[3])), steps = largest / 127;
        Half rounded = (Half)(steps > LargestHalf && float.IsFinite(steps) ? LargestHalf : steps);
        var scale = Vector512.Create((float)rounded);
        Vector512<short> both = rounded == Half.Zero ? default : Vector512.Narrow(Step(low, scale), Step(high, scale));
        (Vector256.Narrow(both.GetLower(), both.GetUpper()).AsByte() ^ Vector256.Create((byte)0x80)).Store(codes);
        return BitConverter.HalfToUInt16Bits(rounded);
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static Vector512<int> Step(Vector512<float> values, Vector512<float> scale) =>
        Vector512.ConvertToInt32(Vector512.Min(Vector512.Max(Vector512.Round(values / scale), Vector512.Create(-127f)), Vector512.Create(127f)));

    /// <summary>Codes −8 … 7, ties to even; 0 for NaN.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector512<int> Int4(Vector512<float> values, Vector512<float> scale) =>
        Vector512.ConvertToInt32(Vector512.Min(Vector512.Max(Vector512.Round(values / scale), Vector512.Create(-8f)), Vector512.Create(7f)));

    /// <summary>As <see cref="Int4"/>, where numbers and scale are finite and their ratio therefore within ±8.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector512<int> FiniteInt4(Vector512<float> values, Vector512<float> scale) =>
        Vector512.Min(Vector512.ConvertToInt32Native(Vector512.Round(values / scale)), Vector512.Create(7));
}
