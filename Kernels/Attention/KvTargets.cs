using System.Runtime.Intrinsics.X86;
using Llama4Kernels.Kernels.Contracts;
using Llama4Kernels.Kernels.Numerics;

namespace Llama4Kernels.Kernels.Attention;

/// <summary>Where keys and values of a layer go. Slots are written at the same time by several threads: each writes its elements and no other.</summary>
internal unsafe interface IKvTarget
{
    /// <summary>A key's components lie in a line each, which nothing else fetches: asks for them.</summary>
    void Ask(KvPlace place, int kvHead);

    /// <summary>Stores a key and a value, [d] each.</summary>
    void Store(KvPlace place, int kvHead, float* key, float* value);
}

/// <summary>float32 elements, as strides have it.</summary>
internal readonly unsafe struct PlainKvTarget(KvLayout layout, byte* blocks) : IKvTarget
{
    private readonly byte* _blocks = blocks;
    private readonly int _dim = layout.HeadDim;
    private readonly long _blockBytes = layout.BlockBytes;
    private readonly long _headStride = layout.HeadStride;
    private readonly long _keyTokenStride = layout.KeyTokenStride;
    private readonly long _keyDimStride = layout.KeyDimStride;
    private readonly long _valueOffset = layout.ValueOffset;
    private readonly long _valueTokenStride = layout.ValueTokenStride;

    public void Ask(KvPlace place, int kvHead)
    {
        float* key = Key(place, kvHead);
        for (int c = 0; Sse.IsSupported && c < _dim; c++)
        {
            Sse.Prefetch0(key + c * _keyDimStride);
        }
    }

    public void Store(KvPlace place, int kvHead, float* key, float* value)
    {
        float* to = Key(place, kvHead);
        for (int c = 0; c < _dim; c++)
        {
            to[c * _keyDimStride] = key[c];
        }
        new ReadOnlySpan<float>(value, _dim).CopyTo(new Span<float>(Block(place) + _valueOffset + kvHead * _headStride + place.Slot * _valueTokenStride, _dim));
    }

    private float* Block(KvPlace place) => (float*)(_blocks + place.Block * _blockBytes);

    private float* Key(KvPlace place, int kvHead) => Block(place) + kvHead * _headStride + place.Slot * _keyTokenStride;
}

/// <summary>bfloat16 elements in pairs, rounded to nearest even: words of a key, halves of words of a value.</summary>
internal readonly unsafe struct PairKvTarget(KvLayout layout, byte* blocks) : IKvTarget
{
    private readonly byte* _blocks = blocks;
    private readonly int _dim = layout.HeadDim;
    private readonly long _blockBytes = layout.BlockBytes;
    private readonly long _headStride = layout.HeadStride;
    private readonly KvPanels _keys = layout.KeyPanels;
    private readonly KvPanels _values = layout.ValuePanels;

    public void Ask(KvPlace place, int kvHead)
    {
        ushort* head = Head(place, kvHead);
        uint* key = (uint*)(head + _keys.At(0, place.Slot));
        int width = _keys.WidthOf(place.Slot / KvPanels.Width);
        for (int c = 0; Sse.IsSupported && c < _dim; c += 2, key += width)
        {
            Sse.Prefetch0(key);
        }
        for (int c = 0; Sse.IsSupported && c < _dim; c += 16)
        {
            Sse.Prefetch0(head + _values.At(place.Slot, c));
        }
    }

    public void Store(KvPlace place, int kvHead, float* key, float* value)
    {
        // With a zero behind an odd key's last component.
        Span<ushort> bits = stackalloc ushort[_dim + 1];
        bits[_dim] = 0;
        Bf16.FromSingle(new ReadOnlySpan<float>(key, _dim), bits[.._dim]);
        ushort* head = Head(place, kvHead);
        uint* to = (uint*)(head + _keys.At(0, place.Slot));
        int width = _keys.WidthOf(place.Slot / KvPanels.Width);
        for (int c = 0; c < _dim; c += 2, to += width)
        {
            *to = bits[c] | ((uint)bits[c + 1] << 16);
        }
        Bf16.FromSingle(new ReadOnlySpan<float>(value, _dim), bits[.._dim]);
        for (int panel = 0; panel < _values.Count; panel++)
        {
            int first = panel * KvPanels.Width, end = Math.Min(first + KvPanels.Width, _dim);
            ushort* word = head + _values.At(place.Slot, first);
            for (int c = first; c < end; c++, word += 2)
            {
                *word = bits[c];
            }
        }
    }

    private ushort* Head(KvPlace place, int kvHead) => (ushort*)(_blocks + place.Block * _blockBytes) + kvHead * _headStride;
}
