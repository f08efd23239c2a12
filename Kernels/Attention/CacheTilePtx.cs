using Llama4Kernels.Kernels.Ptx;

namespace Llama4Kernels.Kernels.Attention;

/// <summary>
/// Writes what attention on tensor cores does to get at the cache: a block of 128 threads brings 64 keys and values at a time from pages of
/// bfloat16 with heads of 128 to shared memory by asynchronous copies; pages are looked up a tile ahead of them.
/// </summary>
/// <param name="k">The kernel.</param>
/// <param name="pageTokens">Positions of a page: 64 or 32.</param>
internal sealed class CacheTilePtx(KernelWriter k, int pageTokens)
{
    /// <summary>Elements of a head.</summary>
    public const int HeadDim = 128;

    /// <summary>What a product of a query and a key is multiplied by: 1/√128.</summary>
    public const double ScoreScale = 0.088388347648318447;

    /// <summary>From such a product to a weight's power of two.</summary>
    public const double Log2Scale = ScoreScale * 1.4426950408889634;

    /// <summary>Keys of a tile.</summary>
    public const int Keys = 64;

    /// <summary>Threads that copy.</summary>
    public const int Threads = 128;

    /// <summary>Bytes of a row of keys: one element of all keys of a tile.</summary>
    public const int KeyRowBytes = Keys * sizeof(ushort);

    /// <summary>Bytes of a row of values: all elements of one.</summary>
    public const int ValueRowBytes = HeadDim * sizeof(ushort);

    /// <summary>From a tile's keys to its values.</summary>
    public const int PartBytes = Keys * ValueRowBytes;

    /// <summary>Bytes of a tile.</summary>
    public const int Bytes = 2 * PartBytes;

    /// <summary>Bytes of a copy.</summary>
    public const int PieceBytes = 16;

    private const int Pieces = PartBytes / PieceBytes / Threads;
    private const int StepBytes = PieceBytes * Threads;

    private readonly int _pages = Keys / pageTokens;

    /// <summary>Positions of a page: kernels come in two sizes.</summary>
    public static IReadOnlyList<int> PageSizes { get; } = [64, 32];

    /// <summary>Keys from the next tile to copy on.</summary>
    public Reg<U32> Ahead { get; } = k.Register<U32>("ahead", "keys from the next tile to copy on");

    /// <summary>Pages of the next tile but one to copy.</summary>
    public Reg<GlobalAddress> Table { get; } = k.Register<GlobalAddress>("table", "pages of the next tile but one to copy");

    /// <summary>Bytes from a page to the next.</summary>
    public Reg<U32> PageBytes { get; } = k.Register<U32>("page_step", "bytes from a page to the next");

    /// <summary>A temporary.</summary>
    public Reg<U32> Work { get; } = k.Register<U32>("work", "temporary");

    /// <summary>A temporary.</summary>
    public Reg<U32> Row { get; } = k.Register<U32>("row7", "temporary: a row of a tile");

    /// <summary>A temporary.</summary>
    public Reg<U32> Piece { get; } = k.Register<U32>("piece", "temporary: a piece of a row");

    /// <summary>A temporary.</summary>
    public Reg<Predicate> More { get; } = k.Register<Predicate>("more", "temporary");

    /// <summary>A temporary.</summary>
    public Reg<Predicate> Take { get; } = k.Register<Predicate>("take", "temporary");

    /// <summary>Where the thread's first piece of keys of each page goes, and of values: whoever changes slots moves them.</summary>
    public IEnumerable<Reg<SharedAddress>> Destinations => [.. KeyTo, ValueTo];

    private Reg<U32> Size { get; } = k.Register<U32>("size", "bytes of a copy: 16, or 0 of what is not there");

    private Reg<U32> Before { get; } = k.Register<U32>("before", "8 minus the row of values that this thread copies first");

    private Reg<U32>[] Entry { get; } = [.. Enumerable.Range(0, Keys / pageTokens).Select(page => k.Register<U32>($"entry{page}", "page of the next tile to copy"))];

    private Reg<GlobalAddress> Pool { get; } = k.Register<GlobalAddress>("pool_keys", "the thread's first piece of keys of page 0");

    private Reg<GlobalAddress> PoolValues { get; } = k.Register<GlobalAddress>("pool_values", "of values of page 0");

    private Reg<GlobalAddress> KeySource { get; } = k.Register<GlobalAddress>("key_source", "the thread's first piece of a page's keys");

    private Reg<GlobalAddress> ValueSource { get; } = k.Register<GlobalAddress>("value_source", "of its values");

    private Reg<SharedAddress>[] KeyTo { get; } = [.. Enumerable.Range(0, Keys / pageTokens).Select(page => k.Register<SharedAddress>($"key_to{page}", "where the thread's first piece of keys goes"))];

    private Reg<SharedAddress> ValueTo { get; } = k.Register<SharedAddress>("value_to", "where its first piece of values goes");

    /// <summary>What a kernel's shared memory has of a tile, for its header.</summary>
    public static string Layout => $"keys [{HeadDim}][{Keys}] bf16, values [{Keys}][{HeadDim}] bf16, rows in SharedTiles";

    /// <summary>Where the pages of a row begin that its first key is on, and the first of them.</summary>
    /// <param name="tables">Pages of sequences, s32.</param>
    /// <param name="starts">Where a row's table begins, s32.</param>
    /// <param name="row">The row.</param>
    /// <param name="firstKey">Its first key, a multiple of 64; null for 0. May be <see cref="Work"/>.</param>
    public void Find(Parameter<GlobalAddress> tables, Parameter<GlobalAddress> starts, Reg<U32> row, Reg<U32>? firstKey)
    {
        k.Comment("its part of the table of pages");
        k.Load(Table, starts);
        k.Advance(Table, Table, row, sizeof(int));
        k.Load(Entry[0], Table);
        if (firstKey is Reg<U32> key)
        {
            k.ShiftRight(Work, key, int.Log2(pageTokens));
            k.Add(Entry[0], Entry[0], Work);
        }
        k.Load(Table, tables);
        k.Advance(Table, Table, Entry[0], sizeof(int));
    }

    /// <summary>What the thread copies and where to; pages of the first tile.</summary>
    /// <param name="pool">The layer's part of page 0.</param>
    /// <param name="thread">Thread of the block.</param>
    /// <param name="kvHead">Key/value head.</param>
    /// <param name="kvHeads">How many.</param>
    /// <param name="ring">Where tiles lie.</param>
    public void Begin(Parameter<GlobalAddress> pool, Reg<U32> thread, Reg<U32> kvHead, Reg<U32> kvHeads, Reg<SharedAddress> ring)
    {
        // A page's row of keys has pageTokens / 8 pieces.
        int pieces = pageTokens / 8;
        k.Comment("which 16 bytes this thread copies: a piece of a row of keys, and again after those of all other threads");
        k.And(Piece, thread, pieces - 1);
        k.ShiftRight(Row, thread, int.Log2(pieces));
        if (_pages > 1)
        {
            // Eight threads copy two rows: rows 4 apart, since those exchange their pieces by different halves of the banks.
            k.ShiftRight(Work, Row, 2);
            k.Xor(Work, Work, Row);
            k.And(Work, Work, 1);
            k.Multiply(Work, Work, 5);
            k.Xor(Row, Row, Work);
        }
        k.Load(Pool, pool);
        k.Advance(Pool, Pool, kvHead, PartBytes / _pages);
        k.Multiply(Work, kvHeads, PartBytes / _pages);
        k.Advance(PoolValues, Pool, Work, 1);
        k.Advance(PoolValues, PoolValues, thread, PieceBytes);
        k.Advance(Pool, Pool, Row, pieces * PieceBytes);
        k.Advance(Pool, Pool, Piece, PieceBytes);
        k.Comment("and where to: SharedTiles.Place of the thread's row and piece, of keys and of values");
        k.Advance(KeyTo[0], ring, Row, KeyRowBytes);
        k.And(Row, Row, 7);
        k.Xor(Piece, Piece, Row);
        for (int page = 1; page < _pages; page++)
        {
            k.Xor(Work, Piece, page * pieces);
            k.Advance(KeyTo[page], KeyTo[0], Work, PieceBytes);
        }
        k.Advance(KeyTo[0], KeyTo[0], Piece, PieceBytes);
        k.ShiftRight(Row, thread, 4);
        k.Advance(ValueTo, ring, Row, ValueRowBytes);
        k.And(Piece, thread, 15);
        k.Xor(Piece, Piece, Row);
        k.Advance(ValueTo, ValueTo, Piece, PieceBytes);
        k.Move(Work, 8);
        k.Subtract(Before, Work, Row);
        for (int page = 1; page < _pages; page++)
        {
            k.Move(Entry[page], Entry[0]);
        }
        NextPages();
    }

    /// <summary>The next tile's keys and values, if there is one; what of them is beyond the keys becomes zero, which a weight of zero needs. Then its successor's pages.</summary>
    /// <param name="slot">Bytes from the destinations on.</param>
    public void Copy(int slot)
    {
        int ofPage = Pieces / _pages, rows = Threads / (pageTokens / 8);
        k.Greater(More, Ahead, 0);
        k.Add(Work, Ahead, Before);
        for (int page = 0; page < _pages; page++)
        {
            k.Advance(KeySource, Pool, Entry[page], PageBytes);
            k.Advance(ValueSource, PoolValues, Entry[page], PageBytes);
            if (page > 0)
            {
                k.Greater(Take, Ahead, page * pageTokens);
                k.Select(Size, PieceBytes, 0, Take);
            }
            for (int i = 0; i < ofPage; i++)
            {
                Address<SharedAddress> to = KeyTo[page].At(slot + (i * rows * KeyRowBytes));
                Address<GlobalAddress> from = KeySource.At(i * StepBytes);
                k.When(More, () =>
                {
                    if (page == 0)
                    {
                        k.CopyAsync(to, from);
                    }
                    else
                    {
                        k.CopyAsync(to, from, Size);
                    }
                });
            }
            for (int i = 0; i < ofPage; i++)
            {
                int step = (page * ofPage) + i;
                k.Greater(Take, Work, 8 * (step + 1));
                k.Select(Size, PieceBytes, 0, Take);
                Address<SharedAddress> to = ValueTo.At(slot + PartBytes + (step * StepBytes));
                Address<GlobalAddress> from = ValueSource.At(i * StepBytes);
                k.When(More, () => k.CopyAsync(to, from, Size));
            }
        }
        k.CommitCopies();
        k.Minimum(Work, Ahead, Keys);
        k.Subtract(Ahead, Ahead, Work);
        NextPages();
    }

    /// <summary>Where the pages of the next tile are; of one that is not there, any page.</summary>
    private void NextPages()
    {
        for (int page = 0; page < _pages; page++)
        {
            k.Greater(Take, Ahead, page * pageTokens);
            k.When(Take, () => k.Load(Entry[page], Table.At(page * sizeof(int))));
        }
        k.Advance(Table, Table, _pages * sizeof(int));
    }
}
