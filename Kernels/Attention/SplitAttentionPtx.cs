using Llama4Kernels.Kernels.Ptx;

namespace Llama4Kernels.Kernels.Attention;

/// <summary>
/// Writes the kernels of split attention on tensor cores, for one new row a sequence over pages of bfloat16 with heads of 128: keys
/// are the matrix instruction's rows, the query heads of a key/value head its columns. A block takes a range of a row's keys, 64
/// at a time: asynchronous copies bring a tile's keys and values two tiles ahead, each of four warps works on 16 of the keys
/// with a softmax of its own, and at the end the block folds the four in a fixed order.
/// </summary>
internal sealed partial class SplitAttentionPtx
{
    /// <summary>The first architecture with what the kernels are made of.</summary>
    public const int FirstSm = 80;

    /// <summary>Threads of a block.</summary>
    public const int Threads = CacheTilePtx.Threads;

    /// <summary>Elements of a head.</summary>
    public const int HeadDim = CacheTilePtx.HeadDim;

    /// <summary>Most query heads of a key/value head.</summary>
    public const int MostHeads = MatrixFragments.N;

    /// <summary>Keys of a tile.</summary>
    public const int TileKeys = CacheTilePtx.Keys;

    /// <summary>Blocks of a multiprocessor that there shall be registers for: as many as its shared memory holds on sm_90.</summary>
    public const int BlocksPerProcessor = 2;

    /// <summary>Bytes of dynamic shared memory.</summary>
    public const int SharedBytes = Slots * CacheTilePtx.Bytes;

    /// <summary>Bytes of copies that a block has under way while it works on a tile.</summary>
    public const int BytesInFlight = (Slots - 1) * CacheTilePtx.Bytes;

    private const int Warps = Threads / 32;
    private const int Slots = 3;
    private const int Steps = HeadDim / MatrixFragments.K;
    private const int SumPitch = HeadDim + 4;

    // Of a score to a power of two, and to what the fold of splits takes.
    private const float Scale = (float)CacheTilePtx.ScoreScale;
    private const float Log2Scale = (float)CacheTilePtx.Log2Scale;

    private readonly KernelWriter _k;
    private readonly CacheTilePtx _tiles;
    private readonly Registers _r;

    private SplitAttentionPtx(KernelWriter writer, int pageTokens)
    {
        _k = writer;
        _k.Shared("ring", SharedBytes, $"{Slots} tiles of {CacheTilePtx.Bytes} bytes: {CacheTilePtx.Layout}; at the end each warp's sums [{MostHeads}][{SumPitch}] f32, then maxima and weights [warps][{MostHeads}]");
        _tiles = new CacheTilePtx(writer, pageTokens);
        _r = new Registers(writer);
    }

    /// <summary>The kernel's name.</summary>
    public static string Name(int pageTokens) => $"attention_split_page{pageTokens}_bf16";

    /// <summary>Writes a kernel.</summary>
    /// <param name="pageTokens">Positions of a page: 64 or 32.</param>
    /// <param name="sm">Compute capability: 80, or 90 with programmatic dependent launch.</param>
    public static KernelWriter Write(int pageTokens, int sm)
    {
        var writer = new KernelWriter(Name(pageTokens), sm, Threads, BlocksPerProcessor,
            $"Sums of softmax(q * K^T) * V over a range of a row's keys, not normalised: pages of {pageTokens} positions in bf16, heads of {HeadDim}, q and weights rounded to bf16, sums f32; sm_{sm}{(sm >= 90 ? " with programmatic dependent launch" : "")}.\n"
            + "Written by SplitAttentionPtx; docs/kernels/split-attention.md says why it is as it is.\n"
            + $"grid (rows, key/value heads, ranges), block {Threads}");
        new SplitAttentionPtx(writer, pageTokens).Body();
        return writer;
    }

    private void Body()
    {
        Parameter<GlobalAddress> qkv = _k.View("qkv", "[rows][(group + 2) kv_heads][128] f32; queries alone are read");
        Parameter<GlobalAddress> pool = _k.View("pool", "the layer's part of page 0: keys [kv_heads][128][positions], then values [kv_heads][positions][128] bf16");
        Parameter<GlobalAddress> tables = _k.View("tables", "s32: pages of sequences");
        Parameter<GlobalAddress> starts = _k.View("starts", "[rows] s32: where a row's table begins");
        Parameter<GlobalAddress> positions = _k.View("positions", "[rows] s32: a row sees keys 0 to this; -1 for rows of no sequence");
        Parameter<GlobalAddress> sums = _k.View("sums", "[rows][heads][max_splits][128] f32");
        Parameter<GlobalAddress> stats = _k.View("stats", "[rows][heads][max_splits][2] f32: largest score, sum of weights");
        Parameter<U32> group = _k.Value("group", "query heads of a key/value head, 1 to 8");
        Parameter<U32> kvHeads = _k.Value("kv_heads", "key/value heads");
        Parameter<U32> pageBytes = _k.Value("page_bytes", "bytes from a page to the next");
        Parameter<U32> splitKeys = _k.Value("split_keys", "fewest keys of a range, a multiple of 64");
        Parameter<U32> maxSplits = _k.Value("max_splits", "most ranges of a row");

        Label loop = _k.NewLabel("LOOP"), done = _k.NewLabel("DONE"), end = _k.NewLabel("END");
        _k.Comment("who is who");
        _k.ThreadIndex(_r.Thread);
        _k.And(_r.Lane, _r.Thread, 31);
        _k.ShiftRight(_r.Warp, _r.Thread, 5);
        _k.ShiftRight(_r.G, _r.Lane, 2);
        _k.And(_r.T, _r.Lane, 3);
        _k.BlockX(_r.Row);
        _k.BlockY(_r.KvHead);
        _k.BlockZ(_r.Split);
        _k.Load(_r.Group, group);
        _k.Load(_r.KvHeads, kvHeads);
        _k.Load(_tiles.PageBytes, pageBytes);
        _k.Load(_r.MaxSplits, maxSplits);
        _k.Load(_r.Length, splitKeys);
        _k.LaunchDependents();
        Range(positions, end);
        _tiles.Find(tables, starts, _r.Row, _tiles.Work);
        _k.SharedBase(_r.Ring);
        _tiles.Begin(pool, _r.Thread, _r.KvHead, _r.KvHeads, _r.Ring);
        Places();
        // What is above comes with the step; queries, and the row's own key and value, from the grid before.
        _k.WaitForPredecessor();
        _k.Comment("the first two tiles");
        for (int slot = 0; slot < Slots - 1; slot++)
        {
            _tiles.Copy(slot * CacheTilePtx.Bytes);
        }
        Queries(qkv);
        _k.Move(_r.Zero, 0f);
        _k.Move(_r.Log2Scale, Log2Scale);
        foreach (Reg<F32> sum in _r.Sums.SelectMany(quad => (Reg<F32>[])[quad.X, quad.Y, quad.Z, quad.W]).Concat([_r.Weight.X, _r.Weight.Y]))
        {
            _k.Move(sum, 0f);
        }
        // Not minus infinity, of which a warp without a key would make no number.
        _k.Move(_r.Largest.X, float.MinValue);
        _k.Move(_r.Largest.Y, float.MinValue);
        _k.Place(loop);
        for (int slot = 0; slot < Slots; slot++)
        {
            Tile(slot, done);
        }
        _k.BranchUniform(loop);
        _k.Place(done);
        Fold(sums, stats);
        _k.Place(end);
        _k.Return();
    }

    /// <summary>The block's keys. A row's ranges are as long as the fold of splits takes them to be: the fewest keys, doubled until so many ranges hold the row's.</summary>
    private void Range(Parameter<GlobalAddress> positions, Label end)
    {
        Label next = _k.NewLabel("DOUBLE"), sized = _k.NewLabel("SIZED");
        _k.Comment("the row's keys, and which of them are this block's");
        _k.Load(_r.Pointer, positions);
        _k.Advance(_r.Pointer, _r.Pointer, _r.Row, sizeof(int));
        _k.Load(_r.Keys, _r.Pointer);
        _k.Add(_r.Keys, _r.Keys, 1);
        _k.Place(next);
        _k.Multiply(_tiles.Work, _r.Length, _r.MaxSplits);
        _k.Less(_tiles.More, _tiles.Work, _r.Keys);
        _k.Unless(_tiles.More, () => _k.BranchUniform(sized));
        _k.ShiftLeft(_r.Length, _r.Length, 1);
        _k.BranchUniform(next);
        _k.Place(sized);
        _k.Multiply(_tiles.Work, _r.Length, _r.Split);
        _k.Less(_tiles.More, _tiles.Work, _r.Keys);
        _k.Unless(_tiles.More, () => _k.BranchUniform(end));
        _k.Subtract(_r.Keys, _r.Keys, _tiles.Work);
        _k.Minimum(_r.Keys, _r.Keys, _r.Length);
        _k.Move(_tiles.Ahead, _r.Keys);
    }

    private void Places()
    {
        _k.Comment("which rows this lane names to ldmatrix: SharedTiles.B in this warp's 16 keys");
        _k.And(_tiles.Row, _r.Lane, 7);
        _k.ShiftRight(_tiles.Piece, _r.Lane, 3);
        _k.And(_tiles.Piece, _tiles.Piece, 1);
        _k.ShiftRight(_r.Own, _r.Lane, 4);
        _k.MultiplyAdd(_r.Own, _r.Own, 8, _tiles.Row);
        _k.Advance(_r.KeyFrom, _r.Ring, _r.Own, CacheTilePtx.KeyRowBytes);
        _k.MultiplyAdd(_tiles.Work, _r.Warp, 2, _tiles.Piece);
        _k.Xor(_tiles.Work, _tiles.Work, _tiles.Row);
        _k.Advance(_r.KeyFrom, _r.KeyFrom, _tiles.Work, 16);
        _k.MultiplyAdd(_r.Own, _r.Warp, MatrixFragments.M, _r.Own);
        _k.Xor(_tiles.Piece, _tiles.Piece, _tiles.Row);
        for (int i = 0; i < _r.ValueFrom.Length; i++)
        {
            _k.Xor(_tiles.Work, _tiles.Piece, 2 * i);
            _k.Advance(_r.ValueFrom[i], _r.Ring, _r.Own, CacheTilePtx.ValueRowBytes);
            _k.Advance(_r.ValueFrom[i], _r.ValueFrom[i], _tiles.Work, 16);
        }
        _k.Comment("the keys of a tile whose scores this lane has");
        _k.MultiplyAdd(_r.Own, _r.Warp, MatrixFragments.M, _r.G);
        _k.Add(_r.Own8, _r.Own, 8);
    }

    /// <summary>Queries as pairs, columns without a head zero: each lane what it gives the products as their second operand.</summary>
    private void Queries(Parameter<GlobalAddress> qkv)
    {
        _k.Comment("queries");
        _k.Add(_tiles.Work, _r.Group, 2);
        _k.Multiply(_tiles.Work, _tiles.Work, _r.KvHeads);
        _k.Multiply(_tiles.Work, _tiles.Work, HeadDim * sizeof(float));
        _k.Load(_r.Pointer, qkv);
        _k.Advance(_r.Pointer, _r.Pointer, _r.Row, _tiles.Work);
        _k.MultiplyAdd(_tiles.Work, _r.KvHead, _r.Group, _r.G);
        _k.Advance(_r.Pointer, _r.Pointer, _tiles.Work, HeadDim * sizeof(float));
        _k.Advance(_r.Pointer, _r.Pointer, _r.T, 2 * sizeof(float));
        _k.Less(_tiles.Take, _r.G, _r.Group);
        for (int step = 0; step < Steps; step++)
        {
            for (int half = 0; half < 2; half++)
            {
                Vec2<F32> pair = _r.Pairs[(2 * step) + half];
                _k.Move(pair.X, 0f);
                _k.Move(pair.Y, 0f);
                _k.When(_tiles.Take, () => _k.Load(pair, _r.Pointer.At(((step * MatrixFragments.K) + (half * 8)) * sizeof(float))));
            }
        }
        for (int step = 0; step < Steps; step++)
        {
            _k.Round(_r.Queries[step].X, _r.Pairs[2 * step].X, _r.Pairs[2 * step].Y);
            _k.Round(_r.Queries[step].Y, _r.Pairs[(2 * step) + 1].X, _r.Pairs[(2 * step) + 1].Y);
        }
    }

    /// <summary>The warps' sums become the block's, which go where the fold of ranges reads them.</summary>
    private void Fold(Parameter<GlobalAddress> sums, Parameter<GlobalAddress> stats)
    {
        const int WarpBytes = MostHeads * SumPitch * sizeof(float), StatBytes = MostHeads * sizeof(float), StatsAt = Warps * WarpBytes, WeightsAt = StatsAt + (Warps * StatBytes);
        _k.Comment("weights of the warp's keys; its sums go where the ring was, whose copies all have landed");
        for (int bits = 4; bits <= 16; bits *= 2)
        {
            _k.ShuffleXor(_r.Score[0], _r.Weight.X, bits);
            _k.ShuffleXor(_r.Score[1], _r.Weight.Y, bits);
            _k.Add(_r.Weight.X, _r.Weight.X, _r.Score[0]);
            _k.Add(_r.Weight.Y, _r.Weight.Y, _r.Score[1]);
        }
        _k.BlockBarrier();
        _k.Advance(_r.To, _r.Ring, _r.Warp, StatBytes);
        _k.Advance(_r.To, _r.To, _r.T, 2 * sizeof(float));
        _k.Equal(_tiles.Take, _r.G, 0);
        _k.When(_tiles.Take, () =>
        {
            _k.Store(_r.To.At(StatsAt), _r.Largest.X);
            _k.Store(_r.To.At(StatsAt + sizeof(float)), _r.Largest.Y);
            _k.Store(_r.To.At(WeightsAt), _r.Weight.X);
            _k.Store(_r.To.At(WeightsAt + sizeof(float)), _r.Weight.Y);
        });
        _k.Advance(_r.To, _r.Ring, _r.Warp, WarpBytes);
        _k.Advance(_r.To, _r.To, _r.T, 2 * SumPitch * sizeof(float));
        _k.Advance(_r.To, _r.To, _r.G, sizeof(float));
        for (int step = 0; step < Steps; step++)
        {
            for (int c = 0; c < 4; c++)
            {
                (int row, int column) = MatrixFragments.C(0, c);
                _k.Store(_r.To.At(((column * SumPitch) + (step * MatrixFragments.M) + row) * sizeof(float)), _r.Sums[step][c]);
            }
        }
        _k.BlockBarrier();
        _k.Comment("a head after another, a thread a column");
        Label next = _k.NewLabel("HEAD");
        _k.Advance(_r.To, _r.Ring, _r.Thread, sizeof(float));
        _k.Multiply(_r.Own, _r.Group, _r.KvHeads);
        _k.Multiply(_r.Own, _r.Own, _r.Row);
        _k.MultiplyAdd(_r.Own, _r.KvHead, _r.Group, _r.Own);
        _k.MultiplyAdd(_r.Own, _r.Own, _r.MaxSplits, _r.Split);
        _k.Load(_r.Pointer, sums);
        _k.Advance(_r.Pointer, _r.Pointer, _r.Own, HeadDim * sizeof(float));
        _k.Advance(_r.Pointer, _r.Pointer, _r.Thread, sizeof(float));
        _k.Load(_r.Stats, stats);
        _k.Advance(_r.Stats, _r.Stats, _r.Own, 2 * sizeof(float));
        _k.Equal(_tiles.Take, _r.Thread, 0);
        _k.Place(next);
        for (int warp = 0; warp < Warps; warp++)
        {
            _k.Load(_r.Score[warp], _r.Ring.At(StatsAt + (warp * StatBytes)));
        }
        _k.Maximum(_r.Largest.X, _r.Score[0], _r.Score[1]);
        _k.Maximum(_r.Largest.Y, _r.Score[2], _r.Score[3]);
        _k.Maximum(_r.Largest.X, _r.Largest.X, _r.Largest.Y);
        _k.Move(_r.Weight.X, 0f);
        _k.Move(_r.Weight.Y, 0f);
        for (int warp = 0; warp < Warps; warp++)
        {
            _k.Subtract(_r.Score[warp], _r.Score[warp], _r.Largest.X);
            _k.Multiply(_r.Score[warp], _r.Score[warp], Log2Scale);
            _k.Exp2(_r.Score[warp], _r.Score[warp]);
            _k.Load(_r.Factor.X, _r.Ring.At(WeightsAt + (warp * StatBytes)));
            _k.Load(_r.Factor.Y, _r.To.At(warp * WarpBytes));
            _k.MultiplyAdd(_r.Weight.X, _r.Factor.X, _r.Score[warp], _r.Weight.X);
            _k.MultiplyAdd(_r.Weight.Y, _r.Factor.Y, _r.Score[warp], _r.Weight.Y);
        }
        _k.Store(_r.Pointer, _r.Weight.Y);
        _k.Multiply(_r.Largest.X, _r.Largest.X, Scale);
        _k.When(_tiles.Take, () =>
        {
            _k.Store(_r.Stats, _r.Largest.X);
            _k.Store(_r.Stats.At(sizeof(float)), _r.Weight.X);
        });
        _k.Advance(_r.Ring, _r.Ring, sizeof(float));
        _k.Advance(_r.To, _r.To, SumPitch * sizeof(float));
        _k.Advance(_r.Pointer, _r.Pointer, _r.MaxSplits, HeadDim * sizeof(float));
        _k.Advance(_r.Stats, _r.Stats, _r.MaxSplits, 2 * sizeof(float));
        _k.Subtract(_r.Group, _r.Group, 1);
        _k.Greater(_tiles.More, _r.Group, 0);
        _k.When(_tiles.More, () => _k.BranchUniform(next));
    }
}
