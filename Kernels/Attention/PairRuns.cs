using Llama4Kernels.Kernels.Contracts;

namespace Llama4Kernels.Kernels.Attention;

/// <summary>
/// Where the keys and values of a tile of at most 128 positions lie, in the order in which they are read: keys, positions of a panel
/// a run, by chunks of 128 components; then values, panel by panel, a run for each of the runs of keys. Each knows what comes next.
/// </summary>
internal readonly unsafe struct PairRuns
{
    // Panels of keys in a tile of one block.
    private const int MaxPanels = PairTile.OperandStride / KvPanels.Width;

    private readonly int* _header;
    private readonly PairRun* _keys;
    private readonly int _panels;

    public PairRuns(PairRun* start, in AttentionPlan plan)
    {
        Chunks = ChunksOf(plan);
        _panels = plan.ValuePanels.Count;
        _keys = start;
        int most = MostRuns(plan);
        _values = start + most * Chunks;
        _most = most;
        _header = (int*)(_values + most * _panels);
        Bytes = ((most * (Chunks + _panels) * sizeof(PairRun)) + ((1 + 3 * most) * sizeof(int)) + 63) & -64L;
    }

    private readonly PairRun* _values;
    private readonly int _most;

    /// <summary>Bytes of the table.</summary>
    public long Bytes { get; }

    /// <summary>Chunks of components of a query.</summary>
    public int Chunks { get; }

    /// <summary>Runs of positions.</summary>
    public int Count => _header[0];

    public static int ChunksOf(in AttentionPlan plan) => (plan.HeadDim + PairTile.OperandStride - 1) / PairTile.OperandStride;

    /// <summary>The tile's positions before a run.</summary>
    public int Start(int run) => _header[1 + run];

    /// <summary>Positions of a run, at most 64.</summary>
    public int Positions(int run) => _header[1 + _most + run];

    /// <summary>Vectors that the run's panel of keys has.</summary>
    public int PanelVectors(int run) => _header[1 + 2 * _most + run];

    /// <summary>A run's keys: one run of components.</summary>
    public PairRun* Keys(int run, int chunk) => _keys + run * Chunks + chunk;

    /// <summary>A panel's runs of values.</summary>
    public PairRun* Values(int panel) => _values + panel * _most;

    /// <summary>Finds positions position … end − 1, which begin a panel of keys.</summary>
    public void Fill(in AttentionPlan plan, nint table, int kvHead, int position, int end, byte* next)
    {
        int count = 0;
        for (int at = position; at < end; count++)
        {
            byte* head = plan.Head(table, at, kvHead);
            int slot = at % plan.BlockTokens, panel = slot / KvPanels.Width, width = plan.KeyPanels.WidthOf(panel);
            int positions = Math.Min(Math.Min(width, plan.BlockTokens - slot), end - at);
            _header[1 + count] = at - position;
            _header[1 + _most + count] = positions;
            _header[1 + 2 * _most + count] = width / 16;
            for (int chunk = 0; chunk < Chunks; chunk++)
            {
                *Keys(count, chunk) = new PairRun
                {
                    Panel = head + plan.KeyPanels.Panel(panel, chunk * PairTile.OperandStride) * sizeof(ushort),
                    Rows = Math.Min(PairTile.OperandStride, plan.HeadDim - chunk * PairTile.OperandStride),
                };
            }
            for (int values = 0; values < _panels; values++)
            {
                Values(values)[count] = new PairRun { Panel = head + plan.ValuePanels.Panel(values, slot) * sizeof(ushort), Rows = positions };
            }
            at += positions;
        }
        _header[0] = count;
        // Backwards: each asks for the one behind it.
        for (int values = _panels - 1; values >= 0; values--)
        {
            next = Link(Values(values), count, next);
        }
        Link(_keys, count * Chunks, next);
    }

    private static byte* Link(PairRun* runs, int count, byte* next)
    {
        for (int i = count - 1; i >= 0; i--)
        {
            runs[i].Ahead = next == null ? runs[i].Panel : next;
            next = runs[i].Panel;
        }
        return next;
    }

    private static int MostRuns(in AttentionPlan plan) => Math.Max(MaxPanels, KvPanels.Width / plan.BlockTokens);
}
