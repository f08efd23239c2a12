using Llama4Kernels.Kernels.Ptx;

namespace Llama4Kernels.Kernels.Attention;

/// <content>What a block does with a tile of keys, and the registers.</content>
internal sealed partial class SplitAttentionPtx
{
    private void Tile(int slot, Label done)
    {
        int at = slot * CacheTilePtx.Bytes;
        _k.Comment($"slot {slot}");
        _k.WaitForCopies(Slots - 2);
        // All have this tile, and none is still at the one before, whose slot is filled next.
        _k.BlockBarrier();
        _tiles.Copy((slot + Slots - 1) % Slots * CacheTilePtx.Bytes);
        _k.Comment("scores: 16 keys by 8 heads");
        for (int step = 0; step < Steps; step++)
        {
            _k.LoadTransposedMatrices(_r.Fragment, _r.KeyFrom.At(at + (step * MatrixFragments.K * CacheTilePtx.KeyRowBytes)));
            _k.MatrixMultiply(_r.Score, _r.Fragment, _r.Queries[step], step == 0 ? new(_r.Zero, _r.Zero, _r.Zero, _r.Zero) : _r.Score);
        }
        Softmax();
        _k.Comment("sums: 128 elements by 8 heads");
        for (int step = 0; step < Steps; step++)
        {
            Reg<SharedAddress> from = _r.ValueFrom[step % _r.ValueFrom.Length];
            _k.LoadTransposedMatrices(_r.Fragment, from.At(at + CacheTilePtx.PartBytes + (step / _r.ValueFrom.Length * 8 * CacheTilePtx.PieceBytes)));
            _k.MatrixMultiply(_r.Sums[step], _r.Fragment, _r.Weights, _r.Sums[step]);
        }
        _k.Greater(_tiles.More, _r.Keys, TileKeys);
        _k.Subtract(_r.Keys, _r.Keys, TileKeys);
        _k.Unless(_tiles.More, () => _k.BranchUniform(done));
    }

    /// <summary>Scores become weights, what was summed so far is brought to the new maxima. A lane has two heads of two keys, those with its t the other keys of these heads.</summary>
    private void Softmax()
    {
        _k.Comment("keys beyond the range are not seen");
        _k.Less(_tiles.More, _r.Own, _r.Keys);
        _k.Less(_tiles.Take, _r.Own8, _r.Keys);
        for (int c = 0; c < 4; c++)
        {
            _k.Select(_r.Score[c], _r.Score[c], float.NegativeInfinity, c < 2 ? _tiles.More : _tiles.Take);
        }
        _k.Comment("maxima");
        _k.Maximum(_r.Factor.X, _r.Score[0], _r.Score[2]);
        _k.Maximum(_r.Factor.Y, _r.Score[1], _r.Score[3]);
        for (int bits = 4; bits <= 16; bits *= 2)
        {
            _k.ShuffleXor(_r.Other.X, _r.Factor.X, bits);
            _k.ShuffleXor(_r.Other.Y, _r.Factor.Y, bits);
            _k.Maximum(_r.Factor.X, _r.Factor.X, _r.Other.X);
            _k.Maximum(_r.Factor.Y, _r.Factor.Y, _r.Other.Y);
        }
        _k.Comment("weights, and what older sums are multiplied by");
        for (int head = 0; head < 2; head++)
        {
            (Reg<F32> largest, Reg<F32> factor, Reg<F32> other, Reg<F32> weight) = head == 0
                ? (_r.Largest.X, _r.Factor.X, _r.Other.X, _r.Weight.X) : (_r.Largest.Y, _r.Factor.Y, _r.Other.Y, _r.Weight.Y);
            _k.Maximum(other, largest, factor);
            _k.Subtract(factor, largest, other);
            _k.Multiply(factor, factor, Log2Scale);
            _k.Exp2(factor, factor);
            _k.Move(largest, other);
            _k.Multiply(other, other, -Log2Scale);
            for (int c = head; c < 4; c += 2)
            {
                _k.MultiplyAdd(_r.Score[c], _r.Score[c], _r.Log2Scale, other);
                _k.Exp2(_r.Score[c], _r.Score[c]);
            }
            _k.Add(other, _r.Score[head], _r.Score[head + 2]);
            _k.MultiplyAdd(weight, weight, factor, other);
        }
        foreach (Vec4<F32> sum in _r.Sums)
        {
            for (int c = 0; c < 4; c++)
            {
                _k.Multiply(sum[c], sum[c], c % 2 == 0 ? _r.Factor.X : _r.Factor.Y);
            }
        }
        _k.Comment("as the second operand: keys in pairs");
        _k.Round(_r.Weights.X, _r.Score[0], _r.Score[1]);
        _k.Round(_r.Weights.Y, _r.Score[2], _r.Score[3]);
        _k.Transpose(_r.Weights.X, _r.Weights.X);
        _k.Transpose(_r.Weights.Y, _r.Weights.Y);
    }

    /// <summary>All registers, with their meaning.</summary>
    private sealed class Registers(KernelWriter k)
    {
        public Reg<U32> Thread { get; } = k.Register<U32>("thread", "thread of the block");

        public Reg<U32> Lane { get; } = k.Register<U32>("lane", "thread of the warp, 4g + t");

        public Reg<U32> Warp { get; } = k.Register<U32>("warp", "warp of the block");

        public Reg<U32> G { get; } = k.Register<U32>("g", "key modulo 8, and head, of the lane's fragments");

        public Reg<U32> T { get; } = k.Register<U32>("t", "quarter of the columns of the lane's fragments");

        public Reg<U32> Row { get; } = k.Register<U32>("row", "row of the queries");

        public Reg<U32> KvHead { get; } = k.Register<U32>("kv_head", "key/value head");

        public Reg<U32> Split { get; } = k.Register<U32>("split", "range of the row's keys");

        public Reg<U32> Group { get; } = k.Register<U32>("heads", "query heads of a key/value head; at the end those still to fold");

        public Reg<U32> KvHeads { get; } = k.Register<U32>("kv_head_count", "key/value heads");

        public Reg<U32> MaxSplits { get; } = k.Register<U32>("ranges", "most ranges of a row");

        public Reg<U32> Length { get; } = k.Register<U32>("length", "keys of a range");

        public Reg<U32> Keys { get; } = k.Register<U32>("keys", "keys of the range from this tile on");

        public Reg<U32> Own { get; } = k.Register<U32>("own", "the first key of a tile whose scores this lane has; at the end the block's place");

        public Reg<U32> Own8 { get; } = k.Register<U32>("own8", "the second one");

        public Reg<GlobalAddress> Pointer { get; } = k.Register<GlobalAddress>("pointer", "temporary; at the end where sums go");

        public Reg<GlobalAddress> Stats { get; } = k.Register<GlobalAddress>("stats_to", "where statistics go");

        public Reg<SharedAddress> Ring { get; } = k.Register<SharedAddress>("ring_base", "shared memory; at the end the head's statistics");

        public Reg<SharedAddress> KeyFrom { get; } = k.Register<SharedAddress>("key_from", "the row of keys that the lane names");

        public Reg<SharedAddress>[] ValueFrom { get; } = [.. Enumerable.Range(0, 4).Select(i => k.Register<SharedAddress>($"value_from{i}", "the row of values that it names, every fourth piece"))];

        public Reg<SharedAddress> To { get; } = k.Register<SharedAddress>("to", "where the lane's sums go; then the thread's column of a head");

        public Reg<F32> Zero { get; } = k.Register<F32>("zero", "0");

        public Reg<F32> Log2Scale { get; } = k.Register<F32>("log2_scale", "of a score to a power of two");

        public Vec2<F32>[] Pairs { get; } = [.. Enumerable.Range(0, 2 * Steps).Select(i => k.Pair<F32>($"q{i}_", "two elements of a query"))];

        public Vec2<Bf16x2>[] Queries { get; } = [.. Enumerable.Range(0, Steps).Select(step => k.Pair<Bf16x2>($"b{step}_", "fragment of queries: 16 elements by 8 heads"))];

        public Vec4<Bf16x2> Fragment { get; } = k.Quad<Bf16x2>("a", "fragment of keys, or of values");

        public Vec4<F32> Score { get; } = k.Quad<F32>("score", "scores of keys g, g + 8 by heads 2t, 2t + 1, then weights; at the end of warps");

        public Vec2<Bf16x2> Weights { get; } = k.Pair<Bf16x2>("p", "weights as the second operand");

        public Vec2<F32> Factor { get; } = k.Pair<F32>("factor", "largest score of the tile, then what older sums are multiplied by; heads 2t, 2t + 1");

        public Vec2<F32> Other { get; } = k.Pair<F32>("other", "temporary, of these heads");

        public Vec2<F32> Largest { get; } = k.Pair<F32>("largest", "largest score of the warp's keys, of these heads");

        public Vec2<F32> Weight { get; } = k.Pair<F32>("weight", "sum of weights, of these heads");

        public Vec4<F32>[] Sums { get; } = [.. Enumerable.Range(0, Steps).Select(step => k.Quad<F32>($"sum{step}_", "elements g, g + 8 of 16 by heads 2t, 2t + 1"))];
    }
}
