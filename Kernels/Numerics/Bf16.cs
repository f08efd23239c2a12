using System.Runtime.CompilerServices;
using System.Runtime.InteropServices;
using System.Runtime.Intrinsics;

namespace Llama4Kernels.Kernels.Numerics;

/// <summary>
/// bfloat16 as its 16 bits: the upper half of a float32. Kernels keep bf16 data as <see cref="ushort"/>, because the
/// runtime has no type for it.
/// </summary>
public static class Bf16
{
    /// <summary>The float32 with the same value (exact).</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static float ToSingle(ushort bits) => BitConverter.UInt32BitsToSingle((uint)bits << 16);

    /// <summary>Rounds to the nearest bf16, ties to even. NaN stays NaN (quiet), infinities and signed zeros are kept.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static ushort FromSingle(float value)
    {
        uint bits = BitConverter.SingleToUInt32Bits(value);
        if ((bits & 0x7fff_ffff) > 0x7f80_0000)
        {
            return (ushort)((bits >> 16) | 0x40);
        }
        return (ushort)((bits + 0x7fff + ((bits >> 16) & 1)) >> 16);
    }

    /// <summary>Widens numbers, exactly.</summary>
    /// <param name="bits">[n]</param>
    /// <param name="values">[n], receives them; must not overlap.</param>
    /// <exception cref="ArgumentException">The lengths differ.</exception>
    public static void ToSingle(ReadOnlySpan<ushort> bits, Span<float> values)
    {
        CheckLengths(bits.Length, values.Length);
        ref ushort from = ref MemoryMarshal.GetReference(bits);
        ref float to = ref MemoryMarshal.GetReference(values);
        int i = 0;
        for (; i <= bits.Length - Vector512<ushort>.Count; i += Vector512<ushort>.Count)
        {
            (Vector512<uint> low, Vector512<uint> high) = Vector512.Widen(Vector512.LoadUnsafe(ref from, (nuint)i));
            (low << 16).AsSingle().StoreUnsafe(ref to, (nuint)i);
            (high << 16).AsSingle().StoreUnsafe(ref to, (nuint)(i + Vector512<uint>.Count));
        }
        for (; i < bits.Length; i++)
        {
            values[i] = ToSingle(bits[i]);
        }
    }

    /// <summary>Rounds numbers as <see cref="FromSingle(float)"/> does.</summary>
    /// <param name="values">[n]</param>
    /// <param name="bits">[n], receives them; must not overlap.</param>
    /// <exception cref="ArgumentException">The lengths differ.</exception>
    public static void FromSingle(ReadOnlySpan<float> values, Span<ushort> bits)
    {
        CheckLengths(bits.Length, values.Length);
        ref float from = ref MemoryMarshal.GetReference(values);
        ref ushort to = ref MemoryMarshal.GetReference(bits);
        int i = 0;
        for (; i <= values.Length - Vector512<ushort>.Count; i += Vector512<ushort>.Count)
        {
            FromSingle(Vector512.LoadUnsafe(ref from, (nuint)i), Vector512.LoadUnsafe(ref from, (nuint)(i + Vector512<float>.Count))).StoreUnsafe(ref to, (nuint)i);
        }
        for (; i < values.Length; i++)
        {
            bits[i] = FromSingle(values[i]);
        }
    }

    /// <summary>Rounds 32 numbers as <see cref="FromSingle(float)"/> does.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    internal static Vector512<ushort> FromSingle(Vector512<float> low, Vector512<float> high) => Vector512.Narrow(Rounded(low), Rounded(high));

    /// <summary><paramref name="value"/> rounded to bf16 and widened again.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static float Round(float value) => ToSingle(FromSingle(value));

    /// <summary>The bits of the nearest bf16, ties to even, in the low halves; NaN stays NaN.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static Vector512<uint> Rounded(Vector512<float> values)
    {
        Vector512<uint> bits = values.AsUInt32();
        Vector512<uint> upper = bits >>> 16;
        Vector512<uint> rounded = (bits + Vector512.Create(0x7fffu) + (upper & Vector512<uint>.One)) >>> 16;
        return Vector512.ConditionalSelect(Vector512.Equals(values, values).AsUInt32(), rounded, upper | Vector512.Create(0x40u));
    }

    private static void CheckLengths(int bits, int values)
    {
        if (bits != values)
        {
            throw new ArgumentException($"{values} numbers do not go with a place for {bits}.");
        }
    }
}
