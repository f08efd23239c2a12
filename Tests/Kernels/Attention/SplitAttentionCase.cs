using System.Runtime.InteropServices;
using Llama4Kernels.Interop.Cuda;
using Llama4Kernels.Kernels.Attention;
using Llama4Kernels.Kernels.Contracts;
using Llama4Kernels.Kernels.Numerics;
using Llama4Kernels.Tests.Oracles;
using Llama4Kernels.Tests.PtxEmulator.Mutation;

namespace Llama4Kernels.Tests.Kernels.Attention;

/// <summary>Rows that decode over a cache of bfloat16 pages, in the kernel's buffers and for the oracle. What no row may see is no number.</summary>
internal sealed class SplitAttentionCase
{
    private const int Layers = 2, Layer = 1, Unseen = 0x7FC1;

    private readonly int[] _positions;
    private readonly int _group, _splitKeys, _maxSplits;
    private readonly KvLayout _layout;
    private readonly float[] _qkv;
    private readonly int[] _tables, _starts;
    private readonly ushort[] _pool;

    /// <summary>Random operands; pages of a sequence lie apart.</summary>
    /// <param name="positions">The last key that each row sees; −1 for a row of no sequence.</param>
    /// <param name="pageTokens">Positions of a page.</param>
    /// <param name="kvHeads">Key/value heads.</param>
    /// <param name="group">Query heads of each.</param>
    /// <param name="splitKeys">Fewest keys of a range.</param>
    /// <param name="maxSplits">Most ranges.</param>
    /// <param name="seed">Of the operands.</param>
    public SplitAttentionCase(int[] positions, int pageTokens, int kvHeads, int group, int splitKeys, int maxSplits, int seed)
    {
        var random = new Random(seed);
        (_positions, _group, _splitKeys, _maxSplits) = (positions, group, splitKeys, maxSplits);
        _layout = new KvLayout(pageTokens, Layers, kvHeads, SplitAttentionPtx.HeadDim, KvFormat.BF16);
        float Value(double scale) => (float)(scale * ((2 * random.NextDouble()) - 1));
        _qkv = [.. Enumerable.Range(0, positions.Length * (group + 2) * kvHeads * SplitAttentionPtx.HeadDim).Select(_ => Value(1.5))];
        int[] pages = [.. positions.Select(position => _layout.Blocks(position + 1))];
        _starts = [.. pages.Select((_, row) => pages[..row].Sum())];
        _tables = [.. Enumerable.Range(0, pages.Sum() + 1).Reverse()];
        _pool = new ushort[(pages.Sum() + 1) * (_layout.BlockBytes / sizeof(ushort))];
        Array.Fill(_pool, (ushort)Unseen);
        for (int row = 0; row < positions.Length; row++)
        {
            for (int position = 0; position <= positions[row]; position++)
            {
                for (int head = 0; head < kvHeads; head++)
                {
                    for (int c = 0; c < SplitAttentionPtx.HeadDim; c++)
                    {
                        // A later key counts as much as an early one; values have a mean, which a lost key shows in.
                        _pool[Key(row, head, position, c)] = Bf16.FromSingle(Value(1.5));
                        _pool[ValueAt(row, head, position, c)] = Bf16.FromSingle(0.5f + Value(1));
                    }
                }
            }
        }
    }

    private int KvHeads => _layout.KvHeads;

    private int Heads => _group * KvHeads;

    /// <summary>The launch with its results, of every range that a row has.</summary>
    public MutationLaunch Launch()
    {
        int vectors = _positions.Length * Heads * _maxSplits;
        byte[] sums = Unwritten(vectors * SplitAttentionPtx.HeadDim), stats = Unwritten(vectors * 2);
        Span<float> sumValues = MemoryMarshal.Cast<byte, float>(sums.AsSpan()), statValues = MemoryMarshal.Cast<byte, float>(stats.AsSpan());
        for (int row = 0; row < _positions.Length; row++)
        {
            int keys = _positions[row] + 1, length = _splitKeys;
            while (length * _maxSplits < keys)
            {
                length *= 2;
            }
            for (int head = 0; head < Heads; head++)
            {
                for (int split = 0; split * length < keys; split++)
                {
                    (double[] expected, double largest, double weight) = Expected(row, head, split * length, Math.Min(length, keys - (split * length)));
                    int at = ((((row * Heads) + head) * _maxSplits) + split);
                    (statValues[2 * at], statValues[(2 * at) + 1]) = ((float)largest, (float)weight);
                    for (int c = 0; c < expected.Length; c++)
                    {
                        sumValues[(at * SplitAttentionPtx.HeadDim) + c] = (float)expected[c];
                    }
                }
            }
        }
        int part = (int)(Layer * _layout.LayerBytes);
        byte[] pool = MemoryMarshal.AsBytes(_pool.AsSpan()[(part / sizeof(ushort))..]).ToArray();
        return new MutationLaunch(
            new CudaDim3(_positions.Length, KvHeads, _maxSplits), new CudaDim3(SplitAttentionPtx.Threads), SplitAttentionPtx.SharedBytes,
            [
                new BufferArgument(0, _qkv.Length), new BufferArgument(1, null), new BufferArgument(2, null), new BufferArgument(3, _starts.Length), new BufferArgument(4, _positions.Length),
                new BufferArgument(5, vectors * SplitAttentionPtx.HeadDim), new BufferArgument(6, 2 * vectors), _group, KvHeads, (int)_layout.BlockBytes, _splitKeys, _maxSplits,
            ],
            [
                Same(_qkv), new MutationBuffer(pool, pool, Agreement.Exact), Same(_tables), Same(_starts), Same(_positions),
                // Weights are rounded to bfloat16: half a unit of their last place each. Their own sum is not.
                new MutationBuffer(null, sums, new Agreement(ElementFormat.F32, 0, 2e-3, 0)),
                new MutationBuffer(null, stats, new Agreement(ElementFormat.F32, 1e-5, 1e-6, 0)),
            ]);
    }

    /// <summary>A query, for a test to change.</summary>
    public Span<float> Query(int row, int head) =>
        _qkv.AsSpan((((row * (_group + 2) * KvHeads) + head) * SplitAttentionPtx.HeadDim), SplitAttentionPtx.HeadDim);

    private (double[] Sums, double Largest, double Weight) Expected(int row, int head, int first, int count) => SplitAttentionOracle.Attend(
        Query(row, head), first, count,
        (position, c) => Bf16.ToSingle(_pool[Key(row, head / _group, position, c)]), (position, c) => Bf16.ToSingle(_pool[ValueAt(row, head / _group, position, c)]));

    private int Key(int row, int head, int position, int c) =>
        (int)(Page(row, position) + (head * _layout.HeadStride) + (position % _layout.BlockTokens * _layout.KeyTokenStride) + (c * _layout.KeyDimStride));

    private int ValueAt(int row, int head, int position, int c) =>
        (int)(Page(row, position) + _layout.ValueOffset + (head * _layout.HeadStride) + (position % _layout.BlockTokens * _layout.ValueTokenStride) + c);

    private long Page(int row, int position) =>
        ((_tables[_starts[row] + (position / _layout.BlockTokens)] * _layout.BlockBytes) + (Layer * _layout.LayerBytes)) / sizeof(ushort);

    private static byte[] Unwritten(int floats)
    {
        byte[] bytes = new byte[floats * sizeof(float)];
        Array.Fill(bytes, (byte)0xFF);
        return bytes;
    }

    private static MutationBuffer Same<T>(T[] values)
        where T : unmanaged
    {
        byte[] bytes = MemoryMarshal.AsBytes(values.AsSpan()).ToArray();
        return new MutationBuffer(bytes, bytes, Agreement.Exact);
    }
}
