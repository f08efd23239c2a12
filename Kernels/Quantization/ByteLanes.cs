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

    static abstract TBytes Load(byte* from);

    static abstract void Store(TBytes bytes, byte* to);

    /// <summary>The low halves of bytes, and the high ones.</summary>
    static abstract (TBytes Low, TBytes High) Halves(TBytes bytes);

    /// <summary>Bits of every byte, the lowest of them from <paramref name="shift"/> on.</summary>
    static abstract TBytes Bits(TBytes bytes, int shift, byte mask);

    /// <summary>a, and above so many bits of its bytes those of b.</summary>
    static abstract TBytes Join(TBytes a, TBytes b, int shift);

    /// <summary>One of 16 bytes by each byte, which is below 16.</summary>
    static abstract TBytes Look(TBytes bytes, byte* table);

    /// <summary>a + the sums of two neighbouring products of unsigned with signed bytes; no sum leaves 16 bits.</summary>
    static abstract TShorts AddProducts(TShorts a, TBytes codes, uint x);

    /// <summary>a + the sums of two neighbours.</summary>
    static abstract TInts AddPairs(TInts a, TShorts pairs);

    /// <summary>a + the sums of two neighbouring products of signed numbers of 16 bits.</summary>
    static abstract TInts AddWords(TInts a, TBytes words, uint x);

    /// <summary>low + 16 · high + start.</summary>
    static abstract TInts Join(TInts low, TInts high, int start);

    /// <summary>y += (sums + start) · (scales · scale).</summary>
    static abstract void Fold(TInts sums, int start, float* scales, float scale, float* y);

    /// <summary>y += sums · scales, or y = that.</summary>
    static abstract void Fold(TInts sums, float* scales, float* y, bool isFirst);

    /// <summary>y += a · scale.</summary>
    static abstract void AddScaled(float* a, float scale, float* y);
}

/// <summary>16 outputs.</summary>
internal readonly unsafe struct ByteLanes512 : IByteLanes<Vector512<byte>, Vector512<short>, Vector512<int>>
{
    public static int Outputs => 16;

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector512<byte> Load(byte* from) => Vector512.Load(from);

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static void Store(Vector512<byte> bytes, byte* to) => bytes.Store(to);

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static (Vector512<byte> Low, Vector512<byte> High) Halves(Vector512<byte> bytes) => (Bits(bytes, 0, 15), Bits(bytes, 4, 15));

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector512<byte> Bits(Vector512<byte> bytes, int shift, byte mask) => (bytes.AsUInt16() >>> shift).AsByte() & Vector512.Create(mask);

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector512<byte> Join(Vector512<byte> a, Vector512<byte> b, int shift) => a | (b.AsUInt16() << shift).AsByte();

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector512<byte> Look(Vector512<byte> bytes, byte* table) => Avx512BW.Shuffle(Vector512.Create(Vector256.Create(Vector128.Load(table), Vector128.Load(table)), Vector256.Create(Vector128.Load(table), Vector128.Load(table))), bytes);

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector512<short> AddProducts(Vector512<short> a, Vector512<byte> codes, uint x) =>
        a + Avx512BW.MultiplyAddAdjacent(codes, Vector512.Create(x).AsSByte());

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector512<int> AddPairs(Vector512<int> a, Vector512<short> pairs) => a + Avx512BW.MultiplyAddAdjacent(pairs, Vector512.Create((short)1));

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector512<int> AddWords(Vector512<int> a, Vector512<byte> words, uint x) => a + Avx512BW.MultiplyAddAdjacent(words.AsInt16(), Vector512.Create(x).AsInt16());

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector512<int> Join(Vector512<int> low, Vector512<int> high, int start) => low + (high << 4) + Vector512.Create(start);

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static void Fold(Vector512<int> sums, float* scales, float* y, bool isFirst)
    {
        Vector512<float> own = Vector512.ConvertToSingle(sums), by = Vector512.Load(scales);
        (isFirst ? own * by : Vector512.FusedMultiplyAdd(own, by, Vector512.Load(y))).Store(y);
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static void AddScaled(float* a, float scale, float* y) => Vector512.FusedMultiplyAdd(Vector512.Load(a), Vector512.Create(scale), Vector512.Load(y)).Store(y);

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static void Fold(Vector512<int> sums, int start, float* scales, float scale, float* y) =>
        Vector512.FusedMultiplyAdd(Vector512.ConvertToSingle(sums + Vector512.Create(start)), Vector512.Load(scales) * scale, Vector512.Load(y)).Store(y);
}

/// <summary>8 outputs.</summary>
internal readonly unsafe struct ByteLanes256 : IByteLanes<Vector256<byte>, Vector256<short>, Vector256<int>>
{
    public static int Outputs => 8;

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector256<byte> Load(byte* from) => Vector256.Load(from);

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static void Store(Vector256<byte> bytes, byte* to) => bytes.Store(to);

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static (Vector256<byte> Low, Vector256<byte> High) Halves(Vector256<byte> bytes) => (Bits(bytes, 0, 15), Bits(bytes, 4, 15));

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector256<byte> Bits(Vector256<byte> bytes, int shift, byte mask) => (bytes.AsUInt16() >>> shift).AsByte() & Vector256.Create(mask);

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector256<byte> Join(Vector256<byte> a, Vector256<byte> b, int shift) => a | (b.AsUInt16() << shift).AsByte();

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector256<byte> Look(Vector256<byte> bytes, byte* table) => Avx2.Shuffle(Vector256.Create(Vector128.Load(table), Vector128.Load(table)), bytes);

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector256<short> AddProducts(Vector256<short> a, Vector256<byte> codes, uint x) =>
        a + Avx2.MultiplyAddAdjacent(codes, Vector256.Create(x).AsSByte());

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector256<int> AddPairs(Vector256<int> a, Vector256<short> pairs) => a + Avx2.MultiplyAddAdjacent(pairs, Vector256.Create((short)1));

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector256<int> AddWords(Vector256<int> a, Vector256<byte> words, uint x) => a + Avx2.MultiplyAddAdjacent(words.AsInt16(), Vector256.Create(x).AsInt16());

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector256<int> Join(Vector256<int> low, Vector256<int> high, int start) => low + (high << 4) + Vector256.Create(start);

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static void Fold(Vector256<int> sums, float* scales, float* y, bool isFirst)
    {
        Vector256<float> own = Vector256.ConvertToSingle(sums), by = Vector256.Load(scales);
        (isFirst ? own * by : Vector256.FusedMultiplyAdd(own, by, Vector256.Load(y))).Store(y);
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static void AddScaled(float* a, float scale, float* y) => Vector256.FusedMultiplyAdd(Vector256.Load(a), Vector256.Create(scale), Vector256.Load(y)).Store(y);

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static void Fold(Vector256<int> sums, int start, float* scales, float scale, float* y) =>
        Vector256.FusedMultiplyAdd(Vector256.ConvertToSingle(sums + Vector256.Create(start)), Vector256.Load(scales) * scale, Vector256.Load(y)).Store(y);
}

/// <summary>4 outputs, with nothing that is one processor's own.</summary>
internal readonly unsafe struct ByteLanes128 : IByteLanes<Vector128<byte>, Vector128<short>, Vector128<int>>
{
    public static int Outputs => 4;

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector128<byte> Load(byte* from) => Vector128.Load(from);

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static void Store(Vector128<byte> bytes, byte* to) => bytes.Store(to);

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static (Vector128<byte> Low, Vector128<byte> High) Halves(Vector128<byte> bytes) => (Bits(bytes, 0, 15), Bits(bytes, 4, 15));

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector128<byte> Bits(Vector128<byte> bytes, int shift, byte mask) => (bytes.AsUInt16() >>> shift).AsByte() & Vector128.Create(mask);

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector128<byte> Join(Vector128<byte> a, Vector128<byte> b, int shift) => a | (b.AsUInt16() << shift).AsByte();

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector128<byte> Look(Vector128<byte> bytes, byte* table) => Vector128.Shuffle(Vector128.Load(table), bytes);

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
    public static Vector128<int> AddWords(Vector128<int> a, Vector128<byte> words, uint x) =>
        a + (words.AsInt32() << 16 >> 16) * ((int)x << 16 >> 16) + (words.AsInt32() >> 16) * ((int)x >> 16);

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector128<int> Join(Vector128<int> low, Vector128<int> high, int start) => low + (high << 4) + Vector128.Create(start);

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static void Fold(Vector128<int> sums, float* scales, float* y, bool isFirst)
    {
        Vector128<float> own = Vector128.ConvertToSingle(sums), by = Vector128.Load(scales);
        (isFirst ? own * by : Vector128.FusedMultiplyAdd(own, by, Vector128.Load(y))).Store(y);
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static void AddScaled(float* a, float scale, float* y) => Vector128.FusedMultiplyAdd(Vector128.Load(a), Vector128.Create(scale), Vector128.Load(y)).Store(y);

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static void Fold(Vector128<int> sums, int start, float* scales, float scale, float* y) =>
        Vector128.FusedMultiplyAdd(Vector128.ConvertToSingle(sums + Vector128.Create(start)), Vector128.Load(scales) * scale, Vector128.Load(y)).Store(y);
}
