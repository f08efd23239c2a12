using System.Runtime.CompilerServices;
using Llama4Kernels.Kernels.Numerics;

namespace Llama4Kernels.Kernels.Quantization;

/// <summary>Numbers of a group to codes; no alignment is assumed.</summary>
internal static unsafe class WeightEncoders
{
    public static void F32(float* values, int count, float scale, byte* codes, long step)
    {
        for (int i = 0; i < count; i++)
        {
            Unsafe.WriteUnaligned(codes + i * step, values[i]);
        }
    }

    public static void BF16(float* values, int count, float scale, byte* codes, long step)
    {
        for (int i = 0; i < count; i++)
        {
            Unsafe.WriteUnaligned(codes + i * step, Bf16.FromSingle(values[i]));
        }
    }

    public static void F16(float* values, int count, float scale, byte* codes, long step)
    {
        for (int i = 0; i < count; i++)
        {
            Unsafe.WriteUnaligned(codes + i * step, (Half)values[i]);
        }
    }

    public static void Fp8(float* values, int count, float scale, byte* codes, long step)
    {
        for (int i = 0; i < count; i++)
        {
            codes[i * step] = Numerics.Fp8.FromSingle(values[i] / scale);
        }
    }

    /// <summary>Two to a byte, the even column in the low half.</summary>
    public static void Int4(float* values, int count, float scale, byte* codes, long step)
    {
        for (int i = 0; i < count; i += 2)
        {
            codes[i / 2 * step] = (byte)((Quantiser.Int4(values[i], scale) & 15) | (Quantiser.Int4(values[i + 1], scale) << 4));
        }
    }
}
