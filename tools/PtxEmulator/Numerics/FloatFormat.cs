namespace Llama4Kernels.PtxEmulator.Numerics;

/// <summary>A binary floating-point format of at most 64 bits: sign, biased exponent, fraction.</summary>
internal readonly struct FloatFormat
{
    public static readonly FloatFormat F64 = new(52, 11);
    public static readonly FloatFormat F32 = new(23, 8);
    public static readonly FloatFormat TF32 = new(10, 8);
    public static readonly FloatFormat F16 = new(10, 5);
    public static readonly FloatFormat BF16 = new(7, 8);
    public static readonly FloatFormat E5M2 = new(2, 5);

    // No infinity: the largest exponent holds numbers, and only the code with all fraction bits set is a NaN.
    public static readonly FloatFormat E4M3 = new(3, 4, maxFinite: 0x7E);

    public readonly int FractionBits;
    public readonly int ExponentBits;

    /// <summary>The bits of the largest finite number.</summary>
    public readonly ulong MaxFinite;

    public FloatFormat(int fractionBits, int exponentBits)
        : this(fractionBits, exponentBits, (((1UL << exponentBits) - 1) << fractionBits) - 1)
    {
    }

    private FloatFormat(int fractionBits, int exponentBits, ulong maxFinite)
    {
        FractionBits = fractionBits;
        ExponentBits = exponentBits;
        MaxFinite = maxFinite;
    }

    public int Bias => (1 << (ExponentBits - 1)) - 1;

    public ulong SignBit => 1UL << (FractionBits + ExponentBits);

    /// <summary>The code after the largest finite number: infinity, or the NaN of e4m3.</summary>
    public ulong Infinity => MaxFinite + 1;

    /// <summary>All exponent and fraction bits set: the NaN that PTX instructions give.</summary>
    public ulong CanonicalNaN => SignBit - 1;
}
