using Llama4Kernels.Kernels.Numerics;
using Llama4Kernels.Tests.Oracles;

namespace Llama4Kernels.Tests.Kernels.Ilgpu;

public abstract partial class DeviceKernelTests
{
    [Theory]
    [InlineData("f32", true, true, true)]
    [InlineData("bf16", true, true, true)]
    [InlineData("f32", false, true, true)]
    [InlineData("f32", true, false, false)]
    [InlineData("bf16", false, false, false)]
    public void RotationNormAndTheCacheWrite(string format, bool rotates, bool norms, bool scales)
    {
        int d = N + 2;
        const int Heads = 3, KvHeads = 2, BlockTokens = 3, Rows = 4;
        int columns = (Heads + 2 * KvHeads) * d;
        float[] qkv = Numbers(Rows * columns, 30), angles = Numbers(Rows * d, 31), queryScales = Numbers(Rows, 32);
        // Two sequences; the third row does not exist.
        int[] positions = [2, 3, -1, 7], starts = [0, 0, 0, 2];
        int[] blocks = [1, 3, 0, 4, 2];
        var places = new CachePlaces(BlockTokens, KvHeads, d, isTokenMajor: norms);
        DeviceBuffer qkvs = _device.Upload(qkv), pool = Pool(format, 5 * places.Block);
        Run($"rotate_norm_append_{format}", (Rows, Heads + 2 * KvHeads, 1),
            [qkvs, rotates ? _device.Upload(angles) : null, scales ? _device.Upload(queryScales) : null, pool, _device.Upload(blocks), _device.Upload(starts), _device.Upload(positions), Heads, KvHeads, d, .. places.Arguments, norms ? 1e-5f : -1f]);
        float[] actual = Floats(qkvs), cache = Cache(format, pool);
        double tolerance = format == "f32" ? 1e-6 : 4e-3;
        int written = 0;
        for (int row = 0; row < Rows; row++)
        {
            for (int head = 0; head < Heads + 2 * KvHeads; head++)
            {
                float[] before = qkv[(row * columns + head * d)..(row * columns + (head + 1) * d)];
                float[] after = actual[(row * columns + head * d)..(row * columns + (head + 1) * d)];
                if (positions[row] < 0 || head >= Heads + KvHeads)
                {
                    Assert.Equal(before, after);
                }
                else
                {
                    double[] rotated = rotates ? AttentionOracle.Rotate(before, angles.AsSpan(row * d, d)) : Array.ConvertAll(before, value => (double)value);
                    double factor = (norms ? 1 / Math.Sqrt(rotated.Sum(value => value * value) / d + 1e-5) : 1) * (scales && head < Heads ? queryScales[row] : 1);
                    Closeness.Check(Array.ConvertAll(rotated, value => value * factor), after, 1e-6);
                }
                for (int c = 0; head >= Heads && positions[row] >= 0 && c < d; c++, written++)
                {
                    int block = blocks[starts[row] + positions[row] / BlockTokens], slot = positions[row] % BlockTokens;
                    long at = head < Heads + KvHeads ? places.Key(block, head - Heads, slot, c) : places.Value(block, head - Heads - KvHeads, slot, c);
                    Assert.Equal(after[c], cache[at], tolerance * Math.Abs(after[c]) + 1e-7);
                }
            }
        }
        Assert.True(cache.Count(value => value != 0) <= written, "More was written than the rows' keys and values.");
    }

    [Theory]
    [InlineData("f32", 5, 1)]
    [InlineData("bf16", 6, 2)]
    [InlineData("f32", 18, 2)]
    public void AttentionOfPrefillAndDecode(string format, int heads, int kvHeads)
    {
        int d = Math.Max(2, N - 1);
        const int BlockTokens = 3, MaxSplits = 6;
        // Sequences: 9 rows from position 4, one row at 0, a row that is none, three rows far on, on both sides of a split's end.
        int[] positions = [.. Enumerable.Range(4, 9), 0, -1, 4 * N - 1, 4 * N, 4 * N + 1];
        int[] starts = [.. Enumerable.Repeat(0, 9), 5, 0, 6, 6, 6];
        int splitKeys = Math.Max(3, N);
        int[] tiles = [.. Tiles(0, 9), .. Tiles(9, 1), .. Tiles(11, 3), 0, 0];
        int rows = positions.Length, group = heads / kvHeads, columns = (heads + 2 * kvHeads) * d;
        var places = new CachePlaces(BlockTokens, kvHeads, d, isTokenMajor: kvHeads == 2);
        int count = 6 + (4 * N + 1) / BlockTokens + 1;
        int[] blocks = [.. Enumerable.Range(0, count).Reverse()];
        float[] qkv = Numbers(rows * columns, 33, 3f), stored = Numbers(count * places.Block, 34, 2f);
        DeviceBuffer pool = Pool(format, stored);
        float[] cache = Cache(format, pool);
        DeviceBuffer qkvs = _device.Upload(qkv), tableView = _device.Upload(blocks), startView = _device.Upload(starts), positionView = _device.Upload(positions);

        double[] expected = new double[rows * heads * d];
        for (int row = 0; row < rows; row++)
        {
            for (int head = 0; head < heads && positions[row] >= 0; head++)
            {
                int kvHead = head / group, start = starts[row];
                AttentionOracle.Attend(qkv.AsSpan(row * columns + head * d, d), positions[row] + 1,
                    (key, c) => cache[places.Key(blocks[start + key / BlockTokens], kvHead, key % BlockTokens, c)],
                    (key, c) => cache[places.Value(blocks[start + key / BlockTokens], kvHead, key % BlockTokens, c)]).CopyTo(expected, (row * heads + head) * d);
            }
        }

        DeviceBuffer output = Zeros<float>(expected.Length);
        Run($"attention_{format}", (tiles.Length / 2, kvHeads, group), [qkvs, pool, tableView, startView, positionView, _device.Upload(tiles), output, heads, kvHeads, d, .. places.Arguments, splitKeys, MaxSplits]);
        float[] prefill = Floats(output);
        Closeness.Check(expected, prefill, 1e-6);
        Run($"attention_{format}", (tiles.Length / 2, kvHeads, group), [qkvs, pool, tableView, startView, positionView, _device.Upload(tiles), output, heads, kvHeads, d, .. places.Arguments, splitKeys, MaxSplits]);
        Assert.Equal(prefill, Floats(output));

        // Whoever works on a split, in whatever kernel: its keys are the same, and so is every sum.
        Assert.Equal(prefill, SplitAttention(MaxSplits));
        Assert.Equal(prefill, SplitAttention(1));
        Assert.Equal(prefill, SplitAttention(4));

        // At most eight rows that end within the same splitKeys keys.
        IEnumerable<int> Tiles(int first, int count)
        {
            for (int size; count > 0; first += size, count -= size)
            {
                size = Math.Min(Math.Min(8, count), splitKeys - positions[first] % splitKeys);
                yield return first;
                yield return size;
            }
        }

        float[] SplitAttention(int groups)
        {
            // NaN where nothing is written: the fold must not read it.
            DeviceBuffer sums = _device.Upload(Enumerable.Repeat(float.NaN, rows * heads * MaxSplits * d).ToArray());
            DeviceBuffer stats = _device.Upload(Enumerable.Repeat(float.NaN, rows * heads * MaxSplits * 2).ToArray());
            DeviceBuffer folded = Zeros<float>(expected.Length);
            Run($"attention_split_{format}", (rows, kvHeads * ((group + 7) / 8), groups), [qkvs, pool, tableView, startView, positionView, sums, stats, heads, kvHeads, d, .. places.Arguments, splitKeys, MaxSplits]);
            Run("attention_combine", (rows, heads, 1), sums, stats, positionView, folded, d, splitKeys, MaxSplits);
            return Floats(folded);
        }
    }

    private DeviceBuffer Pool(string format, int count) => Pool(format, new float[count]);

    private DeviceBuffer Pool(string format, float[] values) => format == "f32" ? _device.Upload(values) : _device.Upload(Array.ConvertAll(values, Bf16.FromSingle));

    private float[] Cache(string format, DeviceBuffer pool) =>
        format == "f32" ? Floats(pool) : Array.ConvertAll(_device.Download<ushort>(pool), Bf16.ToSingle);
}
