using Llama4Kernels.Kernels.Ptx;

namespace Llama4Kernels.Kernels.Attention;

/// <content>What a block does with a tile of keys, and the registers.</content>
internal sealed partial class PrefillAttentionPtx
{
    // Keys of a product, blocks of eight of them and of elements of values.
    private const int PartKeys = 32;
    private const int KeyColumns = PartKeys / MatrixFragments.N;
    private const int ValueColumns = HeadDim / MatrixFragments.N;

    private const float Log2Scale = (float)CacheTilePtx.Log2Scale;

    // By how much a score may exceed what weights are taken from: they are at most 2 to the eighth.
    private const float Reach = (float)(8 / CacheTilePtx.Log2Scale);

    private void Tile(bool isMasked)
    {
        _k.Comment(isMasked ? "a tile in which rows end" : "a tile that all rows see");
        _k.WaitForCopies(0);
        // All have this tile, and none is still at the one before, whose slot is filled next.
        _k.BlockBarrier();
        _tiles.Copy(0);
        for (int part = 0; part < CacheTilePtx.Keys / PartKeys; part++)
        {
            Label hold = _k.NewLabel($"HOLD{(isMasked ? "_ENDS" : "")}{part}");
            Scores(part);
            if (isMasked)
            {
                Mask(part);
            }
            Rise(hold);
            Weigh();
            Values(part);
        }
        _k.Comment("to the other slot");
        foreach (Reg<SharedAddress> from in _r.KeyFrom.Concat(_r.ValueFrom))
        {
            _k.Advance(from, from, _r.Turn, 1);
        }
        _k.Multiply(_r.Turn, _r.Turn, -1);
        foreach (Reg<SharedAddress> to in _tiles.Destinations)
        {
            _k.Advance(to, to, _r.Turn, 1);
        }
    }

    private void Scores(int part)
    {
        _k.Comment($"scores: 32 queries by keys {part * PartKeys} to {((part + 1) * PartKeys) - 1}");
        for (int step = 0; step < HeadDim / MatrixFragments.K; step++)
        {
            for (int half = 0; half < Halves; half++)
            {
                _k.LoadMatrices(_r.Queries[half], _r.QueryFrom[step % Places].At(QueriesAt + (step / Places * PlacesBytes) + (half * MatrixFragments.M * QueryBytes)));
            }
            for (int two = 0; two < KeyColumns / 2; two++)
            {
                _k.LoadTransposedMatrices(_r.Fragment, _r.KeyFrom[(part * KeyColumns / 2) + two].At(step * MatrixFragments.K * CacheTilePtx.KeyRowBytes));
                for (int half = 0; half < Halves; half++)
                {
                    for (int one = 0; one < 2; one++)
                    {
                        Vec4<F32> score = _r.Scores[(half * KeyColumns) + (2 * two) + one];
                        _k.MatrixMultiply(score, _r.Queries[half], Of(_r.Fragment, one), step == 0 ? new(_r.Zero, _r.Zero, _r.Zero, _r.Zero) : score);
                    }
                }
            }
        }
    }

    /// <summary>Keys that a row does not see are replaced, for a sum with what an old page holds may be no number.</summary>
    private void Mask(int part)
    {
        _k.Comment("keys that a row does not see");
        for (int i = 0; i < _r.Seen.Length; i++)
        {
            _k.Minimum(_tiles.Work, _r.Seen[i], _r.Base);
            _k.Subtract(_tiles.Work, _r.Seen[i], _tiles.Work);
            for (int n = 0; n < KeyColumns; n++)
            {
                for (int one = 0; one < 2; one++)
                {
                    Reg<F32> score = _r.Scores[(i / 2 * KeyColumns) + n][(i % 2 * 2) + one];
                    _k.Greater(_tiles.Take, _tiles.Work, (part * PartKeys) + (n * MatrixFragments.N) + one);
                    _k.Select(score, score, float.NegativeInfinity, _tiles.Take);
                }
            }
        }
    }

    /// <summary>
    /// Where a score exceeds a row's limit, its largest becomes what weights are taken from, and sums are brought to that. A warp does so if any of its
    /// rows needs it; a row that does not is multiplied by 1, so that it does not depend on others.
    /// </summary>
    private void Rise(Label hold)
    {
        _k.Comment("has a row a score beyond its limit?");
        for (int i = 0; i < _r.Largest.Length; i++)
        {
            Reg<F32>[] scores = [.. Row(_r.Scores, KeyColumns, i)];
            _k.Maximum(_r.Largest[i], scores[0], scores[1]);
            foreach (Reg<F32> score in scores[2..])
            {
                _k.Maximum(_r.Largest[i], _r.Largest[i], score);
            }
            if (i == 0)
            {
                _k.Greater(_tiles.Take, _r.Largest[i], _r.Limit[i]);
            }
            else
            {
                _k.GreaterOr(_tiles.Take, _r.Largest[i], _r.Limit[i], _tiles.Take);
            }
        }
        _k.Any(_tiles.Take, _tiles.Take);
        _k.Unless(_tiles.Take, () => _k.BranchUniform(hold));
        _k.Comment("then its largest is what weights are taken from, and sums follow");
        for (int i = 0; i < _r.Largest.Length; i++)
        {
            for (int bits = 1; bits <= 2; bits *= 2)
            {
                _k.ShuffleXor(_r.Other, _r.Largest[i], bits);
                _k.Maximum(_r.Largest[i], _r.Largest[i], _r.Other);
            }
            _k.Greater(_tiles.Take, _r.Largest[i], _r.Limit[i]);
            _k.Multiply(_r.Other, _r.Largest[i], -Log2Scale);
            _k.Select(_r.Other, _r.Other, _r.Negated[i], _tiles.Take);
            _k.Subtract(_r.Factor, _r.Other, _r.Negated[i]);
            _k.Exp2(_r.Factor, _r.Factor);
            _k.Move(_r.Negated[i], _r.Other);
            _k.Add(_r.Other, _r.Largest[i], Reach);
            _k.Select(_r.Limit[i], _r.Other, _r.Limit[i], _tiles.Take);
            foreach (Reg<F32> sum in Row(_r.Sums, ValueColumns, i).Concat(Row(_r.Weight, 1, i)))
            {
                _k.Multiply(sum, sum, _r.Factor);
            }
        }
        _k.Place(hold);
    }

    private void Weigh()
    {
        _k.Comment("weights, and as the first operand");
        for (int i = 0; i < _r.Negated.Length; i++)
        {
            foreach (Reg<F32> score in Row(_r.Scores, KeyColumns, i))
            {
                _k.MultiplyAdd(score, score, _r.Log2Scale, _r.Negated[i]);
                _k.Exp2(score, score);
            }
        }
        for (int two = 0; two < _r.Weights.Length; two++)
        {
            (Vec4<Bf16x2> rounded, Vec4<F32> low, Vec4<F32> high) = (_r.Weights[two], _r.Scores[2 * two], _r.Scores[(2 * two) + 1]);
            _k.Round(rounded.X, low.X, low.Y);
            _k.Round(rounded.Y, low.Z, low.W);
            _k.Round(rounded.Z, high.X, high.Y);
            _k.Round(rounded.W, high.Z, high.W);
        }
    }

    private void Values(int part)
    {
        const int Steps = PartKeys / MatrixFragments.K;
        _k.Comment("sums: 32 queries by 128 elements, and of the weights as they were rounded");
        for (int step = 0; step < Steps; step++)
        {
            for (int half = 0; half < Halves; half++)
            {
                _k.MatrixMultiply(_r.Weight[half], _r.Weights[(half * Steps) + step], new(_r.Ones, _r.Ones), _r.Weight[half]);
            }
            for (int two = 0; two < ValueColumns / 2; two++)
            {
                int at = CacheTilePtx.PartBytes + (((part * Steps) + step) * MatrixFragments.K * CacheTilePtx.ValueRowBytes);
                _k.LoadTransposedMatrices(_r.Fragment, _r.ValueFrom[two % Places].At(at + (two / Places * PlacesBytes)));
                for (int half = 0; half < Halves; half++)
                {
                    for (int one = 0; one < 2; one++)
                    {
                        Vec4<F32> sum = _r.Sums[(half * ValueColumns) + (2 * two) + one];
                        _k.MatrixMultiply(sum, _r.Weights[(half * Steps) + step], Of(_r.Fragment, one), sum);
                    }
                }
            }
        }
    }

    /// <summary>What a lane has of one of its four rows: g and g + 8 of the first sixteen, then of the second.</summary>
    private static IEnumerable<Reg<F32>> Row(Vec4<F32>[] quads, int columns, int row) =>
        quads.Skip(row / 2 * columns).Take(columns).SelectMany(quad => (Reg<F32>[])[quad[row % 2 * 2], quad[(row % 2 * 2) + 1]]);

    private static Vec2<Bf16x2> Of(Vec4<Bf16x2> two, int one) => one == 0 ? new(two.X, two.Y) : new(two.Z, two.W);

    /// <summary>All registers but those of the copies, with their meaning.</summary>
    private sealed class Registers(KernelWriter k)
    {
        private const int LaneRows = 2 * Halves;

        public Reg<U32> Thread { get; } = k.Register<U32>("thread", "thread of the block");

        public Reg<U32> Lane { get; } = k.Register<U32>("lane", "thread of the warp");

        public Reg<U32> Warp { get; } = k.Register<U32>("warp", "warp of the block");

        public Reg<U32> G { get; } = k.Register<U32>("g", "the first of the four queries of the block that this lane has, 8 apart");

        public Reg<U32> T { get; } = k.Register<U32>("t", "quarter of the columns of the lane's fragments");

        public Reg<U32> KvHead { get; } = k.Register<U32>("kv_head", "key/value head");

        public Reg<U32> KvHeads { get; } = k.Register<U32>("kv_head_count", "key/value heads");

        public Reg<U32> Group { get; } = k.Register<U32>("heads", "query heads of a key/value head");

        public Reg<U32> PerHead { get; } = k.Register<U32>("per_head", "2^16 / heads, rounded up: divides a query's number by the heads");

        public Reg<U32> First { get; } = k.Register<U32>("first", "the block's first row");

        public Reg<U32> Count { get; } = k.Register<U32>("count", "queries of the block");

        public Reg<U32> LastQuery { get; } = k.Register<U32>("last_query", "the last of them");

        public Reg<U32> Whole { get; } = k.Register<U32>("whole", "tiles still to come that all rows see");

        public Reg<U32> Rest { get; } = k.Register<U32>("rest", "tiles still to come in which rows end");

        public Reg<U32> Base { get; } = k.Register<U32>("base", "the first key that the lane has of a tile in which rows end");

        public Reg<U32>[] Seen { get; } = [.. Enumerable.Range(0, LaneRows).Select(i => k.Register<U32>($"seen{i}", "keys that the lane's query sees"))];

        public Reg<U32> RowBytes { get; } = k.Register<U32>("row_bytes", "bytes of a row of queries; at the end of results");

        public Reg<U32> Temporary { get; } = k.Register<U32>("temporary", "temporary");

        public Reg<U32> Turn { get; } = k.Register<U32>("turn", "bytes from the slot that is read to the other");

        public Reg<GlobalAddress> Pointer { get; } = k.Register<GlobalAddress>("pointer", "temporary");

        public Reg<GlobalAddress> Source { get; } = k.Register<GlobalAddress>("source", "a query, then a result");

        public Reg<SharedAddress> Ring { get; } = k.Register<SharedAddress>("ring_base", "shared memory");

        public Reg<SharedAddress>[] QueryTo { get; } = [.. Enumerable.Range(0, 2).Select(i => k.Register<SharedAddress>($"query_to{i}", "where the lane's part of the warp's first query goes, and of its second, less their distance"))];

        public Reg<SharedAddress>[] KeyFrom { get; } = [.. Enumerable.Range(0, Places).Select(i => k.Register<SharedAddress>($"key_from{i}", "the rows of keys that the lane names, two pieces of a row"))];

        public Reg<SharedAddress>[] ValueFrom { get; } = [.. Enumerable.Range(0, Places).Select(i => k.Register<SharedAddress>($"value_from{i}", "of values, and again eight pieces on"))];

        public Reg<SharedAddress>[] QueryFrom { get; } = [.. Enumerable.Range(0, Places).Select(i => k.Register<SharedAddress>($"query_from{i}", "of queries, and again eight pieces on"))];

        public Reg<F32> Zero { get; } = k.Register<F32>("zero", "0");

        public Reg<F32> Log2Scale { get; } = k.Register<F32>("log2_scale", "of a score to a power of two");

        public Reg<F32> Other { get; } = k.Register<F32>("other", "temporary");

        public Reg<F32> Factor { get; } = k.Register<F32>("factor", "what older sums are multiplied by");

        public Reg<F32>[] Largest { get; } = [.. Enumerable.Range(0, LaneRows).Select(i => k.Register<F32>($"largest{i}", "largest score of a row among the lane's"))];

        public Reg<F32>[] Limit { get; } = [.. Enumerable.Range(0, LaneRows).Select(i => k.Register<F32>($"limit{i}", "beyond it a row's weights are taken from a new score"))];

        public Reg<F32>[] Negated { get; } = [.. Enumerable.Range(0, LaneRows).Select(i => k.Register<F32>($"negated{i}", "minus the score that a row's weights are taken from, to a power of two"))];

        public Reg<Bf16x2> Ones { get; } = k.Register<Bf16x2>("ones", "1, 1");

        public Vec4<F32>[] Weight { get; } = [.. Enumerable.Range(0, Halves).Select(half => k.Quad<F32>($"weight{half}_", "sum of weights of queries g, g, g + 8, g + 8"))];

        public Vec4<Bf16x2>[] Queries { get; } = [.. Enumerable.Range(0, Halves).Select(half => k.Quad<Bf16x2>($"q{half}_", "fragment of sixteen queries"))];

        public Vec4<Bf16x2> Fragment { get; } = k.Quad<Bf16x2>("b", "two fragments of keys, or of values");

        public Vec4<Bf16x2>[] Weights { get; } = [.. Enumerable.Range(0, Halves * PartKeys / MatrixFragments.K).Select(i => k.Quad<Bf16x2>($"p{i}_", "fragment of weights: sixteen queries by sixteen keys"))];

        public Vec4<F32>[] Scores { get; } = [.. Enumerable.Range(0, Halves * KeyColumns).Select(i => k.Quad<F32>($"score{i}_", "scores of queries g, g + 8 by keys 2t, 2t + 1, then weights"))];

        public Vec4<F32>[] Sums { get; } = [.. Enumerable.Range(0, Halves * ValueColumns).Select(i => k.Quad<F32>($"sum{i}_", "sums of queries g, g + 8 by elements 2t, 2t + 1"))];
    }
}
