using System.Runtime.InteropServices;
using Llama4Kernels.Interop.Cuda;
using Llama4Kernels.Kernels.Attention;
using Llama4Kernels.Tests.Oracles;
using Llama4Kernels.Tests.PtxEmulator.Mutation;

namespace Llama4Kernels.Tests.Kernels.Attention;

/// <summary>Rows that decode over a cache of bfloat16 pages, in the kernel's buffers and for the oracle. What no row may see is no number.</summary>
internal sealed class SplitAttentionCase
{
    private readonly int[] _positions;
    private readonly int _group, _kvHeads, _splitKeys, _maxSplits;
    private readonly float[] _qkv;
    private readonly CachePages _pages;

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
        (_positions, _group, _kvHeads, _splitKeys, _maxSplits) = (positions, group, kvHeads, splitKeys, maxSplits);
        float Value(double scale) => (float)(scale * ((2 * random.NextDouble()) - 1));
        _qkv = [.. Enumerable.Range(0, positions.Length * (group + 2) * kvHeads * SplitAttentionPtx.HeadDim).Select(_ => Value(1.5))];
        _pages = new CachePages([.. positions.Select(position => position + 1)], pageTokens, kvHeads, Value);
    }

    private int Heads => _group * _kvHeads;

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
        byte[] pool = _pages.LayerBytes();
        return new MutationLaunch(
            new CudaDim3(_positions.Length, _kvHeads, _maxSplits), new CudaDim3(SplitAttentionPtx.Threads), SplitAttentionPtx.SharedBytes,
            [
                new BufferArgument(0, _qkv.Length), new BufferArgument(1, null), new BufferArgument(2, null), new BufferArgument(3, _pages.Starts.Length), new BufferArgument(4, _positions.Length),
                new BufferArgument(5, vectors * SplitAttentionPtx.HeadDim), new BufferArgument(6, 2 * vectors), _group, _kvHeads, (int)_pages.Layout.BlockBytes, _splitKeys, _maxSplits,
            ],
            [
                Same(_qkv), new MutationBuffer(pool, pool, Agreement.Exact), Same(_pages.Tables), Same(_pages.Starts), Same(_positions),
                // Weights are rounded to bfloat16: half a unit of their last place each. Their own sum is not.
                new MutationBuffer(null, sums, new Agreement(ElementFormat.F32, 0, 2e-3, 0)),
                new MutationBuffer(null, stats, new Agreement(ElementFormat.F32, 1e-5, 1e-6, 0)),
            ]);
    }

    /// <summary>A query, for a test to change.</summary>
    public Span<float> Query(int row, int head) =>
        _qkv.AsSpan((((row * (_group + 2) * _kvHeads) + head) * SplitAttentionPtx.HeadDim), SplitAttentionPtx.HeadDim);

    private (double[] Sums, double Largest, double Weight) Expected(int row, int head, int first, int count) => SplitAttentionOracle.Attend(
        Query(row, head), first, count,
        (position, c) => _pages.Key(row, head / _group, position, c), (position, c) => _pages.Value(row, head / _group, position, c));

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
