using System.Runtime.CompilerServices;
using System.Runtime.Intrinsics;
using System.Runtime.Intrinsics.X86;

namespace Llama4Kernels.Kernels.Quantization;

/// <summary>Vectors of one width for sums of products of bytes: 32 bits of a vector are four columns of an output.</summary>
internal unsafe interface IByteLanes<TBytes, TShorts, TInts>
    where TBytes : struct
    where TShorts : struct
    where TInts : struct
{
    /// <summary>Outputs of a vector.</summary>
    static abstract int Outputs { get; }

    /// <summary>The low halves of bytes, and the high ones.</summary>
    static abstract (TBytes Low, TBytes High) Halves(byte* from);

    /// <summary>a + the sums of two neighbouring products of unsigned with signed bytes; no sum leaves 16 bits.</summary>
    static abstract TShorts AddProducts(TShorts a, TBytes codes, uint x);

    /// <summary>a + the sums of two neighbours.</summary>
    static abstract TInts AddPairs(TInts a, TShorts pairs);

    /// <summary>y += (sums + start) · (scales · scale).</summary>
    static abstract void Fold(TInts sums, int start, float* scales, float scale, float* y);
}

/// <summary>16 outputs.</summary>
internal readonly unsafe struct ByteLanes512 : IByteLanes<Vector512<byte>, Vector512<short>, Vector512<int>>
{
    public static int Outputs => 16;

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static (Vector512<byte> Low, Vector512<byte> High) Halves(byte* from)
    {
        Vector512<byte> v = Vector512.Load(from), mask = Vector512.Create((byte)15);
        return (v & mask, (v.AsUInt16() >> 4).AsByte() & mask);
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector512<short> AddProducts(Vector512<short> a, Vector512<byte> codes, uint x) =>
        a + Avx512BW.MultiplyAddAdjacent(codes, Vector512.Create(x).AsSByte());

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector512<int> AddPairs(Vector512<int> a, Vector512<short> pairs) => a + Avx512BW.MultiplyAddAdjacent(pairs, Vector512.Create((short)1));

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static void Fold(Vector512<int> sums, int start, float* scales, float scale, float* y) =>
        Vector512.FusedMultiplyAdd(Vector512.ConvertToSingle(sums + Vector512.Create(start)), Vector512.Load(scales) * scale, Vector512.Load(y)).Store(y);
}

/// <summary>8 outputs.</summary>
internal readonly unsafe struct ByteLanes256 : IByteLanes<Vector256<byte>, Vector256<short>, Vector256<int>>
{
    public static int Outputs => 8;

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static (Vector256<byte> Low, Vector256<byte> High) Halves(byte* from)
    {
        Vector256<byte> v = Vector256.Load(from), mask = Vector256.Create((byte)15);
        return (v & mask, (v.AsUInt16() >> 4).AsByte() & mask);
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector256<short> AddProducts(Vector256<short> a, Vector256<byte> codes, uint x) =>
        a + Avx2.MultiplyAddAdjacent(codes, Vector256.Create(x).AsSByte());

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector256<int> AddPairs(Vector256<int> a, Vector256<short> pairs) => a + Avx2.MultiplyAddAdjacent(pairs, Vector256.Create((short)1));

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static void Fold(Vector256<int> sums, int start, float* scales, float scale, float* y) =>
        Vector256.FusedMultiplyAdd(Vector256.ConvertToSingle(sums + Vector256.Create(start)), Vector256.Load(scales) * scale, Vector256.Load(y)).Store(y);
}

/// <summary>4 outputs, with nothing that is one processor's own.</summary>
internal readonly unsafe struct ByteLanes128 : IByteLanes<Vector128<byte>, Vector128<short>, Vector128<int>>
{
    public static int Outputs => 4;

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static (Vector128<byte> Low, Vector128<byte> High) Halves(byte* from)
    {
        Vector128<byte> v = Vector128.Load(from), mask = Vector128.Create((byte)15);
        return (v & mask, (v.AsUInt16() >> 4).AsByte() & mask);
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector128<short> AddProducts(Vector128<short> a, Vector128<byte> codes, uint x)
    {
        // The first bytes of pairs, and the second ones, as numbers of 16 bits.
        Vector128<short> signed = Vector128.Create(x).AsInt16(), unsigned = codes.AsInt16();
        return a + (unsigned & Vector128.Create((short)0xff)) * (signed << 8 >> 8) + (unsigned >>> 8) * (signed >> 8);
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector128<int> AddPairs(Vector128<int> a, Vector128<short> pairs) => a + (pairs.AsInt32() << 16 >> 16) + (pairs.AsInt32() >> 16);

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static void Fold(Vector128<int> sums, int start, float* scales, float scale, float* y) =>
        Vector128.FusedMultiplyAdd(Vector128.ConvertToSingle(sums + Vector128.Create(start)), Vector128.Load(scales) * scale, Vector128.Load(y)).Store(y);
}
