using Llama4Kernels.Kernels.Contracts;

namespace Llama4Kernels.Kernels.Attention;

/// <summary>
/// Where the keys and values of a tile of at most 128 positions lie, in the order in which they are read: keys, by positions of a
/// panel and among them 64 components a run; then values, panel by panel, a run for as many positions. So a full run has 8 KiB, and
/// each asks for the one after the next.
/// </summary>
internal readonly unsafe struct PairRuns
{
    // Panels of keys in a tile of one block.
    private const int MaxPanels = PairTile.OperandStride / KvPanels.Width;

    // Components of a run of keys.
    private const int Components = 64;

    private const int RunBytes = Components * KvPanels.Width * sizeof(ushort);

    private readonly int* _header;
    private readonly PairRun* _keys;
    private readonly int _panels, _parts;

    public PairRuns(PairRun* start, in AttentionPlan plan)
    {
        Chunks = ChunksOf(plan);
        _parts = (plan.HeadDim + Components - 1) / Components;
        _panels = plan.ValuePanels.Count;
        _keys = start;
        int most = MostRuns(plan);
        _values = start + most * _parts;
        _most = most;
        _header = (int*)(_values + most * _panels);
        Bytes = ((most * (_parts + _panels) * sizeof(PairRun)) + ((1 + 3 * most) * sizeof(int)) + 63) & -64L;
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

    /// <summary>A run's keys: runs of components of a chunk.</summary>
    public PairRun* Keys(int run, int chunk) => _keys + run * _parts + chunk * (PairTile.OperandStride / Components);

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
            for (int part = 0; part < _parts; part++)
            {
                _keys[count * _parts + part] = new PairRun
                {
                    Panel = head + plan.KeyPanels.Panel(panel, part * Components) * sizeof(ushort),
                    Rows = Math.Min(Components, plan.HeadDim - part * Components),
                };
            }
            for (int values = 0; values < _panels; values++)
            {
                Values(values)[count] = new PairRun { Panel = head + plan.ValuePanels.Panel(values, slot) * sizeof(ushort), Rows = positions };
            }
            at += positions;
        }
        _header[0] = count;
        // Backwards: each asks for the one behind the one behind it.
        byte* first = next == null ? Values(_panels - 1)[count - 1].Panel : next, second = next == null ? first : next + RunBytes;
        for (int values = _panels - 1; values >= 0; values--)
        {
            Link(Values(values), count, ref first, ref second);
        }
        Link(_keys, count * _parts, ref first, ref second);
    }

    /// <summary>Links runs to the two behind them, which become the first two of these.</summary>
    private static void Link(PairRun* runs, int count, ref byte* first, ref byte* second)
    {
        for (int i = count - 1; i >= 0; i--)
        {
            runs[i].Ahead = second;
            second = first;
            first = runs[i].Panel;
        }
    }

    private static int MostRuns(in AttentionPlan plan) => Math.Max(MaxPanels, PairTile.OperandStride / plan.BlockTokens);
}
