using System.Runtime.CompilerServices;
using Llama4Kernels.Kernels.Numerics;

namespace Llama4Kernels.Kernels.Quantization;

/// <summary>Adjacent stored elements to numbers; no alignment is assumed.</summary>
internal static unsafe class WeightDecoders
{
    public static void F32(byte* from, int count, float* to) => Unsafe.CopyBlockUnaligned(to, from, (uint)count * sizeof(float));

    public static void BF16(byte* from, int count, float* to)
    {
        for (int i = 0; i < count; i++)
        {
            to[i] = Bf16.ToSingle(Unsafe.ReadUnaligned<ushort>(from + 2L * i));
        }
    }

    public static void F16(byte* from, int count, float* to)
    {
        for (int i = 0; i < count; i++)
        {
            to[i] = (float)Unsafe.ReadUnaligned<Half>(from + 2L * i);
        }
    }

    public static void Fp8(byte* from, int count, float* to)
    {
        for (int i = 0; i < count; i++)
        {
            to[i] = Numerics.Fp8.ToSingle(from[i]);
        }
    }
}
