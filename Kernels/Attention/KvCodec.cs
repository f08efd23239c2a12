using System.Runtime.CompilerServices;
using System.Runtime.Intrinsics;
using System.Runtime.Intrinsics.X86;
using Llama4Kernels.Kernels.Contracts;
using Llama4Kernels.Kernels.Numerics;

namespace Llama4Kernels.Kernels.Attention;

/// <summary>How the processor stores and reads elements of the cache. A format of the cache is a codec and its row in <see cref="KvCodecs"/>.</summary>
internal unsafe interface IKvCodec
{
    /// <summary>Whether elements are float32 as they are, which may be read where they lie.</summary>
    static abstract bool IsPlain { get; }

    /// <summary>Bytes of an element.</summary>
    static abstract int Bytes { get; }

    /// <summary>Stores numbers; <paramref name="stride"/> in elements.</summary>
    static abstract void Encode(float* from, byte* to, long stride, int count);

    /// <summary>Reads elements that lie together.</summary>
    static abstract void Decode(byte* from, float* to, int count);

    /// <summary>Reads 16 elements that lie together, as <see cref="Decode"/> does.</summary>
    static abstract Vector512<float> Load(byte* from);
}

/// <summary>What is done alike for caches of every format.</summary>
internal interface IKvUse
{
    void Run<TCodec>()
        where TCodec : struct, IKvCodec;
}

/// <summary>The codec of each format.</summary>
internal static class KvCodecs
{
    /// <summary>Runs with the codec of a format.</summary>
    public static void Use<TUse>(KvFormat format, in TUse use)
        where TUse : struct, IKvUse
    {
        switch (format)
        {
            case KvFormat.F32:
                use.Run<F32KvCodec>();
                break;
            case KvFormat.BF16:
                use.Run<Bf16KvCodec>();
                break;
            default:
                throw new ArgumentOutOfRangeException(nameof(format), format, "The processor has no codec for the cache's format.");
        }
    }
}

/// <summary>float32 as it is.</summary>
internal readonly unsafe struct F32KvCodec : IKvCodec
{
    public static bool IsPlain => true;

    public static int Bytes => sizeof(float);

    public static void Encode(float* from, byte* to, long stride, int count)
    {
        if (stride == 1)
        {
            new ReadOnlySpan<float>(from, count).CopyTo(new Span<float>(to, count));
            return;
        }
        for (int i = 0; i < count; i++)
        {
            ((float*)to)[i * stride] = from[i];
        }
    }

    public static void Decode(byte* from, float* to, int count) => new ReadOnlySpan<float>(from, count).CopyTo(new Span<float>(to, count));

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector512<float> Load(byte* from) => Vector512.Load((float*)from);
}

/// <summary>bfloat16, rounded to nearest even when it is stored.</summary>
internal readonly unsafe struct Bf16KvCodec : IKvCodec
{
    public static bool IsPlain => false;

    public static int Bytes => sizeof(ushort);

    public static void Encode(float* from, byte* to, long stride, int count)
    {
        ushort* target = (ushort*)to;
        if (stride == 1)
        {
            Bf16.FromSingle(new ReadOnlySpan<float>(from, count), new Span<ushort>(target, count));
            return;
        }
        for (int i = 0; i < count; i++)
        {
            target[i * stride] = Bf16.FromSingle(from[i]);
        }
    }

    public static void Decode(byte* from, float* to, int count) => Bf16.ToSingle(new ReadOnlySpan<ushort>(from, count), new Span<float>(to, count));

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector512<float> Load(byte* from)
    {
        Vector256<ushort> bits = Vector256.Load((ushort*)from);
        if (Avx512F.IsSupported)
        {
            return (Avx512F.ConvertToVector512UInt32(bits) << 16).AsSingle();
        }
        (Vector256<uint> low, Vector256<uint> high) = Vector256.Widen(bits);
        return (Vector512.Create(low, high) << 16).AsSingle();
    }
}
