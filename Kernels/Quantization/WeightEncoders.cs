using System.Runtime.CompilerServices;
using System.Runtime.Intrinsics;
using Llama4Kernels.Kernels.Numerics;

namespace Llama4Kernels.Kernels.Quantization;

/// <summary>Numbers of a group to codes that follow one another; no alignment is assumed.</summary>
internal static unsafe class WeightEncoders
{
    // Numbers that become a vector of bytes.
    private const int Lanes = 16, Block = 4 * Lanes;

    public static void F32(float* values, int count, float scale, byte* codes) => Unsafe.CopyBlockUnaligned(codes, values, (uint)count * sizeof(float));

    public static void BF16(float* values, int count, float scale, byte* codes) => Bf16.FromSingle(new ReadOnlySpan<float>(values, count), new Span<ushort>(codes, count));

    public static void F16(float* values, int count, float scale, byte* codes)
    {
        for (int i = 0; i < count; i++)
        {
            Unsafe.WriteUnaligned(codes + 2 * i, (Half)values[i]);
        }
    }

    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    public static void Fp8(float* values, int count, float scale, byte* codes)
    {
        var by = Vector512.Create(scale);
        int i = 0;
        for (; i <= count - Block; i += Block)
        {
            float* own = values + i;
            Bytes(Code(own, by), Code(own + Lanes, by), Code(own + 2 * Lanes, by), Code(own + 3 * Lanes, by)).Store(codes + i);
        }
        for (; i < count; i++)
        {
            codes[i] = Numerics.Fp8.FromSingle(values[i] / scale);
        }

        [MethodImpl(MethodImplOptions.AggressiveInlining)]
        static Vector512<uint> Code(float* values, Vector512<float> scale) => Numerics.Fp8.FromSingle(Vector512.Load(values) / scale);
    }

    /// <summary>Two to a byte, the even column in the low half; groups are whole vectors.</summary>
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    public static void Int4(float* values, int count, float scale, byte* codes)
    {
        var by = Vector512.Create(scale);
        for (int i = 0; i < count; i += Block)
        {
            float* own = values + i;
            Vector512<ushort> pairs = Bytes(Code(own, by), Code(own + Lanes, by), Code(own + 2 * Lanes, by), Code(own + 3 * Lanes, by)).AsUInt16();
            pairs = (pairs & Vector512.Create((ushort)0x0f)) | (pairs >>> 4 & Vector512.Create((ushort)0xf0));
            Vector256.Narrow(pairs.GetLower(), pairs.GetUpper()).Store(codes + i / 2);
        }

        [MethodImpl(MethodImplOptions.AggressiveInlining)]
        static Vector512<uint> Code(float* values, Vector512<float> scale) => Quantiser.Int4(Vector512.Load(values), scale).AsUInt32();
    }

    /// <summary>The lowest byte of each.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static Vector512<byte> Bytes(Vector512<uint> a, Vector512<uint> b, Vector512<uint> c, Vector512<uint> d) => Vector512.Narrow(Vector512.Narrow(a, b), Vector512.Narrow(c, d));
}
