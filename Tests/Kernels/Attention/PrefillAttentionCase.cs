using System.Runtime.InteropServices;
using Llama4Kernels.Interop.Cuda;
using Llama4Kernels.Kernels.Attention;
using Llama4Kernels.Tests.Oracles;
using Llama4Kernels.Tests.PtxEmulator.Mutation;

namespace Llama4Kernels.Tests.Kernels.Attention;

/// <summary>Rows of several sequences over a cache of bfloat16 pages, in the kernel's buffers and for the oracle.</summary>
internal sealed class PrefillAttentionCase
{
    private readonly (int First, int Rows)[] _sequences;
    private readonly int _group, _kvHeads;
    private readonly float[] _qkv;
    private readonly CachePages _pages;

    /// <summary>Random operands.</summary>
    /// <param name="sequences">Of each sequence, the position of its first row and how many rows it has.</param>
    /// <param name="pageTokens">Positions of a page.</param>
    /// <param name="kvHeads">Key/value heads.</param>
    /// <param name="group">Query heads of each.</param>
    /// <param name="seed">Of the operands.</param>
    public PrefillAttentionCase((int First, int Rows)[] sequences, int pageTokens, int kvHeads, int group, int seed)
    {
        var random = new Random(seed);
        (_sequences, _group, _kvHeads) = (sequences, group, kvHeads);
        float Value(double scale) => (float)(scale * ((2 * random.NextDouble()) - 1));
        _qkv = [.. Enumerable.Range(0, Rows * (group + 2) * kvHeads * PrefillAttentionPtx.HeadDim).Select(_ => Value(1.5))];
        _pages = new CachePages([.. sequences.Select(sequence => sequence.First + sequence.Rows)], pageTokens, kvHeads, Value);
    }

    private int Rows => _sequences.Sum(sequence => sequence.Rows);

    private int Heads => _group * _kvHeads;

    /// <summary>
    /// Sequences each with one key whose scores leave the others' weights nothing, at one place after another of what a lane has of a product, in tiles
    /// that all rows see and in others: whoever overlooks it gets no number.
    /// </summary>
    public static PrefillAttentionCase Peaks(int pageTokens)
    {
        const int Places = 32;
        var made = new PrefillAttentionCase([.. Enumerable.Range(0, Places).Select(place => (63 + (place / 16), 7))], pageTokens, 1, 5, seed: 6);
        for (int place = 0; place < Places; place++)
        {
            made.Scaled((place / 8 % 2 * 32) + (place % 8 / 2 * 8) + (place * 3 % 4 * 2) + (place % 2), 1000, place);
        }
        return made;
    }

    /// <summary>Makes a key of a sequence larger or smaller, before the launch is made.</summary>
    public PrefillAttentionCase Scaled(int position, float factor, int sequence = 0)
    {
        for (int head = 0; head < _kvHeads; head++)
        {
            _pages.Scale(sequence, head, position, factor);
        }
        return this;
    }

    /// <summary>A query, for a test to change.</summary>
    public Span<float> Query(int row, int head) => _qkv.AsSpan(((row * (_group + 2) * _kvHeads) + head) * PrefillAttentionPtx.HeadDim, PrefillAttentionPtx.HeadDim);

    /// <summary>The launch with its results.</summary>
    /// <param name="tileRows">Most rows of a tile.</param>
    /// <param name="withResults">Compute them.</param>
    public MutationLaunch Launch(int tileRows = PrefillAttentionPtx.TileRows, bool withResults = true)
    {
        float[] expected = new float[Rows * Heads * PrefillAttentionPtx.HeadDim];
        int[] starts = new int[Rows], positions = new int[Rows];
        List<int> tiles = [];
        int row = 0;
        for (int sequence = 0; sequence < _sequences.Length; sequence++)
        {
            (int first, int rows) = _sequences[sequence];
            for (int i = 0; i < rows; i += tileRows)
            {
                tiles.AddRange([row + i, Math.Min(tileRows, rows - i)]);
            }
            for (int i = 0; i < rows; i++, row++)
            {
                (starts[row], positions[row]) = (_pages.Starts[sequence], first + i);
                for (int head = 0; withResults && head < Heads; head++)
                {
                    (double[] sums, _, double weight) = Expected(sequence, row, head, first + i + 1);
                    sums.Select(sum => (float)(sum / weight)).ToArray().CopyTo(expected, ((row * Heads) + head) * PrefillAttentionPtx.HeadDim);
                }
            }
        }
        byte[] pool = _pages.LayerBytes();
        return new MutationLaunch(
            new CudaDim3(tiles.Count / 2, _kvHeads), new CudaDim3(PrefillAttentionPtx.Threads), PrefillAttentionPtx.SharedBytes,
            [
                new BufferArgument(0, _qkv.Length), new BufferArgument(1, null), new BufferArgument(2, null), new BufferArgument(3, Rows), new BufferArgument(4, Rows), new BufferArgument(5, tiles.Count),
                new BufferArgument(6, expected.Length), _group, _kvHeads, (int)_pages.Layout.BlockBytes,
            ],
            [
                Same(_qkv), new MutationBuffer(pool, pool, Agreement.Exact), Same(_pages.Tables), Same(starts), Same(positions), Same([.. tiles]),
                // Weights are rounded to bfloat16, to within a 256th of each, also in their sum: by as much of the values' mean distance from the result, at most 1, it is off.
                new MutationBuffer(null, MemoryMarshal.AsBytes(expected.AsSpan()).ToArray(), new Agreement(ElementFormat.F32, 0, 0, 1 / 256.0)),
            ]);
    }

    private (double[] Sums, double Largest, double Weight) Expected(int sequence, int row, int head, int keys) => SplitAttentionOracle.Attend(
        Query(row, head), 0, keys,
        (position, c) => _pages.Key(sequence, head / _group, position, c), (position, c) => _pages.Value(sequence, head / _group, position, c));

    private static MutationBuffer Same<T>(T[] values)
        where T : unmanaged
    {
        byte[] bytes = MemoryMarshal.AsBytes(values.AsSpan()).ToArray();
        return new MutationBuffer(bytes, bytes, Agreement.Exact);
    }
}
