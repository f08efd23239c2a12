using System.Runtime.CompilerServices;
using System.Runtime.Intrinsics;
using System.Runtime.Intrinsics.X86;

namespace Llama4Kernels.Kernels.Quantization;

/// <summary>Vectors of one width, in which a lane is a row: floats and the words that hold codes.</summary>
internal unsafe interface IAffineLanes<TF, TU>
    where TF : struct
    where TU : struct
{
    /// <summary>Lanes of a vector.</summary>
    static abstract int Count { get; }

    static abstract TF Load(float* from);

    static abstract void Store(TF value, float* to);

    static abstract TF Spread(float value);

    static abstract TF Add(TF a, TF b);

    static abstract TF Subtract(TF a, TF b);

    static abstract TF Multiply(TF a, TF b);

    /// <summary>a·b + c, rounded once.</summary>
    static abstract TF MultiplyAdd(TF a, TF b, TF c);

    static abstract TU Words(uint* from);

    static abstract TU Right(TU words, int bits);

    /// <summary>Bits of a, and above them those of b.</summary>
    static abstract TU Join(TU a, TU b, int shift);

    /// <summary>The masked low bits as a number above 2²³, less <paramref name="minus"/>; exact.</summary>
    static abstract TF Number(TU words, uint mask, TF minus);

    /// <summary>One of 16 values by the low four bits; <paramref name="low"/> and <paramref name="high"/> hold as much of the table as they can.</summary>
    static abstract TF Look(TU words, TF low, TF high, float* table);

    /// <summary>The value of the E4M3 code in the low eight bits.</summary>
    static abstract TF Fp8(TU words);

    /// <summary>The values of E4M3 codes, none of them NaN.</summary>
    static abstract TF FiniteFp8(byte* from);

    /// <summary>Bytes as words.</summary>
    static abstract TU Bytes(byte* from);

    /// <summary>The signed number of four bits that so many bits to the left are the topmost.</summary>
    static abstract TF Signed(TU words, int left);

    /// <summary>The bfloat16 in the low half.</summary>
    static abstract TF LowHalf(TU words);

    /// <summary>The bfloat16 in the high half.</summary>
    static abstract TF HighHalf(TU words);
}

/// <summary>16 lanes.</summary>
internal readonly unsafe struct Lanes512 : IAffineLanes<Vector512<float>, Vector512<uint>>
{
    public static int Count => Vector512<float>.Count;

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector512<float> Load(float* from) => Vector512.Load(from);

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static void Store(Vector512<float> value, float* to) => value.Store(to);

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector512<float> Spread(float value) => Vector512.Create(value);

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector512<float> Add(Vector512<float> a, Vector512<float> b) => a + b;

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector512<float> Subtract(Vector512<float> a, Vector512<float> b) => a - b;

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector512<float> Multiply(Vector512<float> a, Vector512<float> b) => a * b;

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector512<float> MultiplyAdd(Vector512<float> a, Vector512<float> b, Vector512<float> c) => Vector512.FusedMultiplyAdd(a, b, c);

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector512<uint> Words(uint* from) => Vector512.Load(from);

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector512<uint> Right(Vector512<uint> words, int bits) => words >>> bits;

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector512<uint> Join(Vector512<uint> a, Vector512<uint> b, int shift) => a | b << shift;

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector512<float> Number(Vector512<uint> words, uint mask, Vector512<float> minus) =>
        ((words & Vector512.Create(mask)) | Vector512.Create(AffineCodes.Magic)).AsSingle() - minus;

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector512<float> Look(Vector512<uint> words, Vector512<float> low, Vector512<float> high, float* table) =>
        Avx512F.IsSupported
            ? Avx512F.PermuteVar16x32(low, words.AsInt32())
            : Vector512.Create(Lanes256.Look(words.GetLower(), low.GetLower(), low.GetUpper(), table), Lanes256.Look(words.GetUpper(), low.GetLower(), low.GetUpper(), table));

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector512<float> Fp8(Vector512<uint> words) => QuantisedProduct.DecodeFp8(words & Vector512.Create(0xffu));

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector512<uint> Bytes(byte* from) => QuantisedProduct.Widen(from);

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static Vector512<int> SignedWords(byte* from) => Avx512F.IsSupported
        ? Avx512F.ConvertToVector512Int32(Vector128.Load((sbyte*)from))
        : Vector512.Create(Lanes256.SignedWords(from), Lanes256.SignedWords(from + Lanes256.Count));

    /// <summary>Bits of a float32 whose exponent is 120 too small, beside the sign.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector512<float> FiniteFp8(byte* from) =>
        (SignedWords(from).AsUInt32() << 20 & Vector512.Create(0x87f00000u)).AsSingle() * Vector512.Create(QuantisedProduct.Exponent120);

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector512<float> Signed(Vector512<uint> words, int left) => Vector512.ConvertToSingle((words << left).AsInt32() >> 28);

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector512<float> LowHalf(Vector512<uint> words) => (words << 16).AsSingle();

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector512<float> HighHalf(Vector512<uint> words) => (words & Vector512.Create(0xffff0000u)).AsSingle();
}

/// <summary>8 lanes.</summary>
internal readonly unsafe struct Lanes256 : IAffineLanes<Vector256<float>, Vector256<uint>>
{
    public static int Count => Vector256<float>.Count;

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector256<float> Load(float* from) => Vector256.Load(from);

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static void Store(Vector256<float> value, float* to) => value.Store(to);

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector256<float> Spread(float value) => Vector256.Create(value);

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector256<float> Add(Vector256<float> a, Vector256<float> b) => a + b;

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector256<float> Subtract(Vector256<float> a, Vector256<float> b) => a - b;

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector256<float> Multiply(Vector256<float> a, Vector256<float> b) => a * b;

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector256<float> MultiplyAdd(Vector256<float> a, Vector256<float> b, Vector256<float> c) => Vector256.FusedMultiplyAdd(a, b, c);

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector256<uint> Words(uint* from) => Vector256.Load(from);

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector256<uint> Right(Vector256<uint> words, int bits) => words >>> bits;

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector256<uint> Join(Vector256<uint> a, Vector256<uint> b, int shift) => a | b << shift;

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector256<float> Number(Vector256<uint> words, uint mask, Vector256<float> minus) =>
        ((words & Vector256.Create(mask)) | Vector256.Create(AffineCodes.Magic)).AsSingle() - minus;

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector256<float> Look(Vector256<uint> words, Vector256<float> low, Vector256<float> high, float* table)
    {
        if (!Avx2.IsSupported)
        {
            return Vector256.Create(Lanes128.Look(words.GetLower(), default, default, table), Lanes128.Look(words.GetUpper(), default, default, table));
        }
        // The fourth bit becomes the sign, which chooses.
        Vector256<float> first = Avx2.PermuteVar8x32(low, words.AsInt32()), second = Avx2.PermuteVar8x32(high, words.AsInt32());
        return Avx.BlendVariable(first, second, (words << 28).AsSingle());
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector256<float> Fp8(Vector256<uint> words)
    {
        Vector256<uint> magnitude = words & Vector256.Create(0x7fu);
        Vector256<float> value = (magnitude << 20).AsSingle() * Vector256.Create(QuantisedProduct.Exponent120);
        value = Vector256.ConditionalSelect(Vector256.Equals(magnitude, Vector256.Create(0x7fu)).AsSingle(), Vector256.Create(float.NaN), value);
        return (value.AsUInt32() | ((words & Vector256.Create(0x80u)) << 24)).AsSingle();
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector256<uint> Bytes(byte* from) => Avx2.IsSupported
        ? Avx2.ConvertToVector256Int32(from).AsUInt32()
        : Vector256.Create(Lanes128.Bytes(from), Lanes128.Bytes(from + Lanes128.Count));

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    internal static Vector256<int> SignedWords(byte* from) => Avx2.IsSupported
        ? Avx2.ConvertToVector256Int32((sbyte*)from)
        : Vector256.Create(Lanes128.SignedWords(from), Lanes128.SignedWords(from + Lanes128.Count));

    /// <summary>Bits of a float32 whose exponent is 120 too small, beside the sign.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector256<float> FiniteFp8(byte* from) =>
        (SignedWords(from).AsUInt32() << 20 & Vector256.Create(0x87f00000u)).AsSingle() * Vector256.Create(QuantisedProduct.Exponent120);

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector256<float> Signed(Vector256<uint> words, int left) => Vector256.ConvertToSingle((words << left).AsInt32() >> 28);

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector256<float> LowHalf(Vector256<uint> words) => (words << 16).AsSingle();

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector256<float> HighHalf(Vector256<uint> words) => (words & Vector256.Create(0xffff0000u)).AsSingle();
}

/// <summary>4 lanes.</summary>
internal readonly unsafe struct Lanes128 : IAffineLanes<Vector128<float>, Vector128<uint>>
{
    public static int Count => Vector128<float>.Count;

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector128<float> Load(float* from) => Vector128.Load(from);

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static void Store(Vector128<float> value, float* to) => value.Store(to);

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector128<float> Spread(float value) => Vector128.Create(value);

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector128<float> Add(Vector128<float> a, Vector128<float> b) => a + b;

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector128<float> Subtract(Vector128<float> a, Vector128<float> b) => a - b;

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector128<float> Multiply(Vector128<float> a, Vector128<float> b) => a * b;

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector128<float> MultiplyAdd(Vector128<float> a, Vector128<float> b, Vector128<float> c) => Vector128.FusedMultiplyAdd(a, b, c);

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector128<uint> Words(uint* from) => Vector128.Load(from);

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector128<uint> Right(Vector128<uint> words, int bits) => words >>> bits;

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector128<uint> Join(Vector128<uint> a, Vector128<uint> b, int shift) => a | b << shift;

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector128<float> Number(Vector128<uint> words, uint mask, Vector128<float> minus) =>
        ((words & Vector128.Create(mask)) | Vector128.Create(AffineCodes.Magic)).AsSingle() - minus;

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector128<float> Look(Vector128<uint> words, Vector128<float> low, Vector128<float> high, float* table)
    {
        Vector128<uint> at = words & Vector128.Create(15u);
        return Vector128.Create(table[at.GetElement(0)], table[at.GetElement(1)], table[at.GetElement(2)], table[at.GetElement(3)]);
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector128<float> Fp8(Vector128<uint> words)
    {
        Vector128<uint> magnitude = words & Vector128.Create(0x7fu);
        Vector128<float> value = (magnitude << 20).AsSingle() * Vector128.Create(QuantisedProduct.Exponent120);
        value = Vector128.ConditionalSelect(Vector128.Equals(magnitude, Vector128.Create(0x7fu)).AsSingle(), Vector128.Create(float.NaN), value);
        return (value.AsUInt32() | ((words & Vector128.Create(0x80u)) << 24)).AsSingle();
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector128<uint> Bytes(byte* from) => Vector128.WidenLower(Vector128.WidenLower(Vector128.CreateScalarUnsafe(Unsafe.ReadUnaligned<uint>(from)).AsByte()));

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    internal static Vector128<int> SignedWords(byte* from) =>
        Vector128.WidenLower(Vector128.WidenLower(Vector128.CreateScalarUnsafe(Unsafe.ReadUnaligned<uint>(from)).AsSByte()));

    /// <summary>Bits of a float32 whose exponent is 120 too small, beside the sign.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector128<float> FiniteFp8(byte* from) =>
        (SignedWords(from).AsUInt32() << 20 & Vector128.Create(0x87f00000u)).AsSingle() * Vector128.Create(QuantisedProduct.Exponent120);

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector128<float> Signed(Vector128<uint> words, int left) => Vector128.ConvertToSingle((words << left).AsInt32() >> 28);

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector128<float> LowHalf(Vector128<uint> words) => (words << 16).AsSingle();

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector128<float> HighHalf(Vector128<uint> words) => (words & Vector128.Create(0xffff0000u)).AsSingle();
}

/// <summary>One lane: no vectors at all.</summary>
internal readonly unsafe struct Lane : IAffineLanes<float, uint>
{
    public static int Count => 1;

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static float Load(float* from) => *from;

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static void Store(float value, float* to) => *to = value;

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static float Spread(float value) => value;

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static float Add(float a, float b) => a + b;

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static float Subtract(float a, float b) => a - b;

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static float Multiply(float a, float b) => a * b;

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static float MultiplyAdd(float a, float b, float c) => MathF.FusedMultiplyAdd(a, b, c);

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static uint Words(uint* from) => *from;

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static uint Right(uint words, int bits) => words >> bits;

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static uint Join(uint a, uint b, int shift) => a | b << shift;

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static float Number(uint words, uint mask, float minus) => BitConverter.UInt32BitsToSingle((words & mask) | AffineCodes.Magic) - minus;

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static float Look(uint words, float low, float high, float* table) => table[words & 15];

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static float Fp8(uint words) => Numerics.Fp8.ToSingle((byte)words);

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static uint Bytes(byte* from) => *from;

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static float FiniteFp8(byte* from) => Numerics.Fp8.ToSingle(*from);

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static float Signed(uint words, int left) => (int)(words << left) >> 28;

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static float LowHalf(uint words) => BitConverter.UInt32BitsToSingle(words << 16);

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static float HighHalf(uint words) => BitConverter.UInt32BitsToSingle(words & 0xffff0000);
}
