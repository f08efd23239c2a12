using System.Runtime.Intrinsics;
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
}

/// <summary>bfloat16, rounded to nearest even when it is stored.</summary>
internal readonly unsafe struct Bf16KvCodec : IKvCodec
{
    public static bool IsPlain => false;

    public static int Bytes => sizeof(ushort);

    public static void Encode(float* from, byte* to, long stride, int count)
    {
        ushort* target = (ushort*)to;
        int i = 0;
        for (; stride == 1 && i <= count - Vector512<float>.Count; i += Vector512<float>.Count)
        {
            // Round to nearest even on the bits; NaN keeps its upper half and is made quiet.
            Vector512<float> x = Vector512.Load(from + i);
            Vector512<uint> bits = x.AsUInt32();
            Vector512<uint> rounded = (bits + Vector512.Create(0x7fffu) + ((bits >> 16) & Vector512<uint>.One)) >> 16;
            Vector512<uint> quiet = (bits >> 16) | Vector512.Create(0x40u);
            Vector512<uint> result = Vector512.ConditionalSelect(Vector512.Equals(x, x).AsUInt32(), rounded, quiet);
            Vector256.Narrow(result.GetLower(), result.GetUpper()).Store(target + i);
        }
        for (; i < count; i++)
        {
            target[i * stride] = Bf16.FromSingle(from[i]);
        }
    }

    public static void Decode(byte* from, float* to, int count)
    {
        ushort* source = (ushort*)from;
        int i = 0;
        for (; i <= count - 32; i += 32)
        {
            (Vector512<uint> low, Vector512<uint> high) = Vector512.Widen(Vector512.Load(source + i));
            (low << 16).AsSingle().Store(to + i);
            (high << 16).AsSingle().Store(to + i + 16);
        }
        for (; i < count; i++)
        {
            to[i] = Bf16.ToSingle(source[i]);
        }
    }
}
