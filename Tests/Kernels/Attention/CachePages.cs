using System.Runtime.InteropServices;
using Llama4Kernels.Kernels.Attention;
using Llama4Kernels.Kernels.Contracts;
using Llama4Kernels.Kernels.Numerics;

namespace Llama4Kernels.Tests.Kernels.Attention;

/// <summary>A layer's keys and values of some sequences in pages of bfloat16, random; a sequence's pages lie apart, and what none of its keys has is no number.</summary>
internal sealed class CachePages
{
    private const int Layers = 2, Layer = 1, Unseen = 0x7FC1;

    private readonly ushort[] _pool;

    /// <param name="keys">Keys of each sequence.</param>
    /// <param name="pageTokens">Positions of a page.</param>
    /// <param name="kvHeads">Key/value heads.</param>
    /// <param name="value">A random value of a size.</param>
    public CachePages(int[] keys, int pageTokens, int kvHeads, Func<double, float> value)
    {
        Layout = new KvLayout(pageTokens, Layers, kvHeads, CacheTilePtx.HeadDim, KvFormat.BF16);
        int[] pages = [.. keys.Select(Layout.Blocks)];
        Starts = [.. pages.Select((_, sequence) => pages[..sequence].Sum())];
        Tables = [.. Enumerable.Range(0, pages.Sum() + 1).Reverse()];
        _pool = new ushort[(pages.Sum() + 1) * (Layout.BlockBytes / sizeof(ushort))];
        Array.Fill(_pool, (ushort)Unseen);
        for (int sequence = 0; sequence < keys.Length; sequence++)
        {
            for (int position = 0; position < keys[sequence]; position++)
            {
                for (int head = 0; head < kvHeads; head++)
                {
                    for (int c = 0; c < CacheTilePtx.HeadDim; c++)
                    {
                        // A later key counts as much as an early one; values have a mean, which a lost key shows in.
                        _pool[KeyAt(sequence, head, position, c)] = Bf16.FromSingle(value(1.5));
                        _pool[ValueAt(sequence, head, position, c)] = Bf16.FromSingle(0.5f + value(1));
                    }
                }
            }
        }
    }

    public KvLayout Layout { get; }

    /// <summary>Pages of all sequences.</summary>
    public int[] Tables { get; }

    /// <summary>Where each sequence's begin.</summary>
    public int[] Starts { get; }

    /// <summary>The layer's part of page 0 and what follows.</summary>
    public byte[] LayerBytes() => MemoryMarshal.AsBytes(_pool.AsSpan()[(int)(Layer * Layout.LayerBytes / sizeof(ushort))..]).ToArray();

    public double Key(int sequence, int head, int position, int c) => Bf16.ToSingle(_pool[KeyAt(sequence, head, position, c)]);

    public double Value(int sequence, int head, int position, int c) => Bf16.ToSingle(_pool[ValueAt(sequence, head, position, c)]);

    /// <summary>A key larger than all others by a factor.</summary>
    public void Scale(int sequence, int head, int position, float factor)
    {
        for (int c = 0; c < CacheTilePtx.HeadDim; c++)
        {
            ref ushort element = ref _pool[KeyAt(sequence, head, position, c)];
            element = Bf16.FromSingle(factor * Bf16.ToSingle(element));
        }
    }

    private int KeyAt(int sequence, int head, int position, int c) =>
        (int)(Page(sequence, position) + (head * Layout.HeadStride) + (position % Layout.BlockTokens * Layout.KeyTokenStride) + (c * Layout.KeyDimStride));

    private int ValueAt(int sequence, int head, int position, int c) =>
        (int)(Page(sequence, position) + Layout.ValueOffset + (head * Layout.HeadStride) + (position % Layout.BlockTokens * Layout.ValueTokenStride) + c);

    private long Page(int sequence, int position) =>
        ((Tables[Starts[sequence] + (position / Layout.BlockTokens)] * Layout.BlockBytes) + (Layer * Layout.LayerBytes)) / sizeof(ushort);
}
