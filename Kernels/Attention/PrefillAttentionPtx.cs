using Llama4Kernels.Kernels.Ptx;

namespace Llama4Kernels.Kernels.Attention;

/// <summary>
/// Writes the kernels of prefill attention on tensor cores, for rows of a sequence that follow one another, over pages of bfloat16 with heads of
/// 128. A block takes the query heads of a key/value head of up to 25 rows, 128 queries at most, 32 a warp: they stay in shared memory, their
/// sums in registers, and keys and values pass by, 64 at a time in two slots, in products of 32 keys. The softmax is online; what was
/// summed is only brought to a new maximum where one rose by much.
/// </summary>
internal sealed partial class PrefillAttentionPtx
{
    /// <summary>The first architecture with what the kernels are made of.</summary>
    public const int FirstSm = 80;

    /// <summary>Threads of a block.</summary>
    public const int Threads = CacheTilePtx.Threads;

    /// <summary>Elements of a head.</summary>
    public const int HeadDim = CacheTilePtx.HeadDim;

    /// <summary>Queries of a block.</summary>
    public const int Queries = Warps * WarpQueries;

    /// <summary>Rows of a tile.</summary>
    public const int TileRows = Queries / MostHeads;

    /// <summary>Most query heads of a key/value head.</summary>
    public const int MostHeads = 5;

    /// <summary>Blocks of a multiprocessor that there shall be registers for: as many as its shared memory holds on sm_90.</summary>
    public const int BlocksPerProcessor = 2;

    /// <summary>Bytes of dynamic shared memory.</summary>
    public const int SharedBytes = QueriesAt + (Queries * QueryBytes);

    private const int Warps = Threads / 32;
    private const int WarpQueries = Halves * MatrixFragments.M;
    private const int Halves = 2;
    private const int Slots = 2;
    private const int QueriesAt = Slots * CacheTilePtx.Bytes;
    private const int QueryBytes = HeadDim * sizeof(ushort);
    private const int HeadBytes = HeadDim * sizeof(float);

    // Of the pieces of a row, eight are exchanged: those that lie next to each other come by twos, from four places.
    private const int Places = 4;
    private const int PlacesBytes = 2 * Places * CacheTilePtx.PieceBytes;

    private readonly KernelWriter _k;
    private readonly CacheTilePtx _tiles;
    private readonly Registers _r;

    private PrefillAttentionPtx(KernelWriter writer, int pageTokens)
    {
        _k = writer;
        _k.Shared("ring", QueriesAt, $"{Slots} tiles of {CacheTilePtx.Bytes} bytes: {CacheTilePtx.Layout}");
        _k.Shared("queries", Queries * QueryBytes, $"[{Queries}][{HeadDim}] bf16, rows in SharedTiles");
        _tiles = new CacheTilePtx(writer, pageTokens);
        _r = new Registers(writer);
    }

    /// <summary>The kernel's name.</summary>
    public static string Name(int pageTokens) => $"attention_prefill_page{pageTokens}_bf16";

    /// <summary>Writes a kernel.</summary>
    /// <param name="pageTokens">Positions of a page: 64 or 32.</param>
    /// <param name="sm">Compute capability: 80, or 90 with programmatic dependent launch.</param>
    public static KernelWriter Write(int pageTokens, int sm)
    {
        var writer = new KernelWriter(Name(pageTokens), sm, Threads, BlocksPerProcessor,
            $"softmax(q * K^T / sqrt({HeadDim})) * V of several rows of a sequence, each up to its own key: pages of {pageTokens} positions in bf16, heads of {HeadDim}, q and weights rounded to bf16, sums f32; sm_{sm}{(sm >= 90 ? " with programmatic dependent launch" : "")}.\n"
            + "Written by PrefillAttentionPtx; docs/kernels/prefill-attention.md says why it is as it is.\n"
            + $"grid (tiles, key/value heads), block {Threads}");
        new PrefillAttentionPtx(writer, pageTokens).Body();
        return writer;
    }

    private void Body()
    {
        Parameter<GlobalAddress> qkv = _k.View("qkv", "[rows][(group + 2) kv_heads][128] f32; queries alone are read");
        Parameter<GlobalAddress> pool = _k.View("pool", "the layer's part of page 0: keys [kv_heads][128][positions], then values [kv_heads][positions][128] bf16");
        Parameter<GlobalAddress> tables = _k.View("tables", "s32: pages of sequences");
        Parameter<GlobalAddress> starts = _k.View("starts", "[rows] s32: where a row's table begins");
        Parameter<GlobalAddress> positions = _k.View("positions", "[rows] s32: a row sees keys 0 to this");
        Parameter<GlobalAddress> tiles = _k.View("tiles", $"[tiles][2] s32: first row, and how many: 1 to {TileRows} of a sequence, one behind the other");
        Parameter<GlobalAddress> output = _k.View("output", "[rows][group kv_heads][128] f32");
        Parameter<U32> group = _k.Value("group", $"query heads of a key/value head, 1 to {MostHeads}");
        Parameter<U32> kvHeads = _k.Value("kv_heads", "key/value heads");
        Parameter<U32> pageBytes = _k.Value("page_bytes", "bytes from a page to the next");

        Label whole = _k.NewLabel("WHOLE"), ends = _k.NewLabel("ENDS");
        _k.Comment("who is who");
        _k.ThreadIndex(_r.Thread);
        _k.And(_r.Lane, _r.Thread, 31);
        _k.ShiftRight(_r.Warp, _r.Thread, 5);
        _k.BlockY(_r.KvHead);
        _k.Load(_r.Group, group);
        _k.Load(_r.KvHeads, kvHeads);
        _k.Load(_tiles.PageBytes, pageBytes);
        _k.LaunchDependents();
        Rows(tiles, positions);
        _tiles.Find(tables, starts, _r.First, null);
        _k.SharedBase(_r.Ring);
        _tiles.Begin(pool, _r.Thread, _r.KvHead, _r.KvHeads, _r.Ring);
        FragmentPlaces();
        // What is above comes with the step; queries, and the rows' own keys and values, from the grid before.
        _k.WaitForPredecessor();
        _k.Comment("the first tile");
        _tiles.Copy(0);
        _k.Move(_r.Turn, CacheTilePtx.Bytes);
        foreach (Reg<SharedAddress> to in _tiles.Destinations)
        {
            _k.Advance(to, to, CacheTilePtx.Bytes);
        }
        LoadQueries(qkv);
        Clear();
        _k.Comment("tiles of which every row sees all keys");
        _k.Greater(_tiles.More, _r.Whole, 0);
        _k.Unless(_tiles.More, () => _k.BranchUniform(ends));
        _k.Place(whole);
        Tile(isMasked: false);
        _k.Subtract(_r.Whole, _r.Whole, 1);
        _k.Greater(_tiles.More, _r.Whole, 0);
        _k.When(_tiles.More, () => _k.BranchUniform(whole));
        _k.Place(ends);
        _k.Comment("tiles in which rows end");
        Tile(isMasked: true);
        _k.Add(_r.Base, _r.Base, CacheTilePtx.Keys);
        _k.Subtract(_r.Rest, _r.Rest, 1);
        _k.Greater(_tiles.More, _r.Rest, 0);
        _k.When(_tiles.More, () => _k.BranchUniform(ends));
        Store(output);
        _k.Return();
    }

    /// <summary>The block's rows and keys, how many tiles no row ends in, and the keys that the lane's queries see.</summary>
    private void Rows(Parameter<GlobalAddress> tiles, Parameter<GlobalAddress> positions)
    {
        _k.Comment("the block's rows: queries are a row's heads, then the next row's");
        _k.BlockX(_tiles.Work);
        _k.Load(_r.Pointer, tiles);
        _k.Advance(_r.Pointer, _r.Pointer, _tiles.Work, 2 * sizeof(int));
        _k.Load(_r.First, _r.Pointer);
        _k.Load(_tiles.Row, _r.Pointer.At(sizeof(int)));
        _k.Multiply(_r.Count, _tiles.Row, _r.Group);
        _k.Subtract(_r.LastQuery, _r.Count, 1);
        _k.Comment("the factor that divides a query's number by the heads");
        _k.Move(_tiles.Work, 1 << 16);
        _k.Divide(_r.PerHead, _tiles.Work, _r.Group);
        _k.Add(_r.PerHead, _r.PerHead, 1);
        _k.Comment("keys: those of the last row, in tiles that all rows see, and others");
        _k.Load(_r.Pointer, positions);
        _k.Advance(_r.Pointer, _r.Pointer, _r.First, sizeof(int));
        _k.Load(_r.Base, _r.Pointer);
        _k.Add(_tiles.Ahead, _r.Base, _tiles.Row);
        _k.Subtract(_r.Rest, _tiles.Ahead, 1);
        _k.ShiftRight(_r.Rest, _r.Rest, int.Log2(CacheTilePtx.Keys));
        _k.ShiftRight(_r.Whole, _r.Base, int.Log2(CacheTilePtx.Keys));
        _k.Subtract(_r.Rest, _r.Rest, _r.Whole);
        _k.Add(_r.Rest, _r.Rest, 1);
        _k.Comment("keys that this lane's queries see");
        _k.ShiftRight(_r.G, _r.Lane, 2);
        _k.And(_r.T, _r.Lane, 3);
        _k.MultiplyAdd(_r.G, _r.Warp, WarpQueries, _r.G);
        for (int i = 0; i < _r.Seen.Length; i++)
        {
            _k.Add(_tiles.Work, _r.G, i * MatrixFragments.N);
            _k.Minimum(_tiles.Work, _tiles.Work, _r.LastQuery);
            _k.Multiply(_tiles.Work, _tiles.Work, _r.PerHead);
            _k.ShiftRight(_tiles.Work, _tiles.Work, 16);
            _k.Add(_tiles.Work, _tiles.Work, 1);
            _k.Add(_r.Seen[i], _r.Base, _tiles.Work);
        }
        _k.Comment("the first key that it has of a tile in which rows end");
        _k.ShiftLeft(_r.Base, _r.Whole, int.Log2(CacheTilePtx.Keys));
        _k.MultiplyAdd(_r.Base, _r.T, 2, _r.Base);
    }

    private void FragmentPlaces()
    {
        _k.Comment("which pieces this lane names to ldmatrix: SharedTiles.A in 16 elements of keys, 16 values, 16 of its warp's queries");
        _k.And(_tiles.Row, _r.Lane, 15);
        _k.ShiftRight(_tiles.Piece, _r.Lane, 4);
        _k.And(_tiles.Work, _r.Lane, 7);
        _k.Xor(_tiles.Piece, _tiles.Piece, _tiles.Work);
        for (int i = 0; i < Places; i++)
        {
            _k.Xor(_tiles.Work, _tiles.Piece, 2 * i);
            _k.Advance(_r.ValueFrom[i], _r.Ring, _tiles.Work, CacheTilePtx.PieceBytes);
            _k.Advance(_r.KeyFrom[i], _r.ValueFrom[i], _tiles.Row, CacheTilePtx.KeyRowBytes);
            _k.Advance(_r.ValueFrom[i], _r.ValueFrom[i], _tiles.Row, CacheTilePtx.ValueRowBytes);
            _k.Advance(_r.QueryFrom[i], _r.ValueFrom[i], _r.Warp, WarpQueries * QueryBytes);
        }
    }

    /// <summary>Queries, rounded, to shared memory; behind the last one it stands again.</summary>
    private void LoadQueries(Parameter<GlobalAddress> qkv)
    {
        // As many at a time as the scores' registers hold; which pieces of a row are exchanged goes by turns with every query.
        int fill = _r.Scores.Length, turns = _r.QueryTo.Length;
        _k.Comment("queries: one a warp at a time, four elements a lane");
        _k.Add(_r.RowBytes, _r.Group, 2);
        _k.Multiply(_r.RowBytes, _r.RowBytes, _r.KvHeads);
        _k.Multiply(_r.RowBytes, _r.RowBytes, HeadBytes);
        _k.Load(_r.Pointer, qkv);
        _k.Advance(_r.Pointer, _r.Pointer, _r.First, _r.RowBytes);
        _k.Multiply(_tiles.Work, _r.KvHead, _r.Group);
        _k.Advance(_r.Pointer, _r.Pointer, _tiles.Work, HeadBytes);
        _k.Advance(_r.Pointer, _r.Pointer, _r.Lane, 4 * sizeof(float));
        _k.Advance(_r.QueryTo[0], _r.Ring, _r.Warp, QueryBytes);
        _k.And(_tiles.Piece, _r.Lane, 1);
        _k.Advance(_r.QueryTo[0], _r.QueryTo[0], _tiles.Piece, CacheTilePtx.PieceBytes / 2);
        _k.ShiftRight(_tiles.Piece, _r.Lane, 1);
        _k.Xor(_tiles.Piece, _tiles.Piece, _r.Warp);
        _k.Xor(_tiles.Work, _tiles.Piece, Warps);
        _k.Advance(_r.QueryTo[1], _r.QueryTo[0], _tiles.Work, CacheTilePtx.PieceBytes);
        _k.Advance(_r.QueryTo[0], _r.QueryTo[0], _tiles.Piece, CacheTilePtx.PieceBytes);
        for (int first = 0; first < WarpQueries; first += fill)
        {
            for (int i = 0; i < fill; i++)
            {
                _k.Add(_tiles.Work, _r.Warp, (first + i) * Warps);
                _k.Minimum(_tiles.Work, _tiles.Work, _r.LastQuery);
                RowAndHead(_tiles.Work, _tiles.Piece);
                _k.Advance(_r.Source, _r.Pointer, _tiles.Piece, _r.RowBytes);
                _k.Advance(_r.Source, _r.Source, _tiles.Work, HeadBytes);
                _k.Load(_r.Scores[i], _r.Source);
            }
            for (int i = 0; i < fill; i++)
            {
                (Vec4<F32> query, Vec2<Bf16x2> rounded) = (_r.Scores[i], Of(_r.Weights[i / 2], i % 2));
                _k.Round(rounded.X, query.X, query.Y);
                _k.Round(rounded.Y, query.Z, query.W);
                _k.Store(_r.QueryTo[i % turns].At(QueriesAt + ((first + i) * Warps * QueryBytes)), rounded);
            }
        }
    }

    /// <summary>Of a query's number, its row from the first of the block's, and what is left: its head.</summary>
    private void RowAndHead(Reg<U32> query, Reg<U32> row)
    {
        _k.Multiply(row, query, _r.PerHead);
        _k.ShiftRight(row, row, 16);
        _k.Multiply(_r.Temporary, row, _r.Group);
        _k.Subtract(query, query, _r.Temporary);
    }

    private void Clear()
    {
        _k.Move(_r.Zero, 0f);
        _k.Move(_r.Log2Scale, Log2Scale);
        foreach (Vec4<F32> sum in _r.Sums.Concat(_r.Weight))
        {
            for (int c = 0; c < 4; c++)
            {
                _k.Move(sum[c], 0f);
            }
        }
        _k.Comment("a column of ones, which sums up weights");
        _k.Move(_tiles.Work, 0x3F803F80);
        _k.Reinterpret(_r.Ones, _tiles.Work);
        for (int i = 0; i < _r.Limit.Length; i++)
        {
            // Not infinite, of which a row whose scores are would make no number.
            _k.Move(_r.Limit[i], float.MinValue);
            _k.Move(_r.Negated[i], float.MaxValue * Log2Scale);
        }
    }

    /// <summary>Sums over weights, to the queries' places.</summary>
    private void Store(Parameter<GlobalAddress> output)
    {
        _k.Comment("results");
        _k.Multiply(_r.RowBytes, _r.Group, _r.KvHeads);
        _k.Multiply(_r.RowBytes, _r.RowBytes, HeadBytes);
        _k.Load(_r.Pointer, output);
        _k.Advance(_r.Pointer, _r.Pointer, _r.First, _r.RowBytes);
        _k.Multiply(_tiles.Work, _r.KvHead, _r.Group);
        _k.Advance(_r.Pointer, _r.Pointer, _tiles.Work, HeadBytes);
        _k.Advance(_r.Pointer, _r.Pointer, _r.T, 2 * sizeof(float));
        for (int i = 0; i < _r.Seen.Length; i++)
        {
            _k.Reciprocal(_r.Factor, _r.Weight[i / 2][i % 2 * 2]);
            _k.Add(_tiles.Work, _r.G, i * MatrixFragments.N);
            _k.Less(_tiles.Take, _tiles.Work, _r.Count);
            RowAndHead(_tiles.Work, _tiles.Piece);
            _k.Advance(_r.Source, _r.Pointer, _tiles.Piece, _r.RowBytes);
            _k.Advance(_r.Source, _r.Source, _tiles.Work, HeadBytes);
            for (int n = 0; n < ValueColumns; n++)
            {
                Vec4<F32> sum = _r.Sums[(i / 2 * ValueColumns) + n];
                (Reg<F32> x, Reg<F32> y) = (sum[i % 2 * 2], sum[(i % 2 * 2) + 1]);
                _k.Multiply(x, x, _r.Factor);
                _k.Multiply(y, y, _r.Factor);
                _k.When(_tiles.Take, () => _k.Store(_r.Source.At(n * MatrixFragments.N * sizeof(float)), new Vec2<F32>(x, y)));
            }
        }
    }
}
