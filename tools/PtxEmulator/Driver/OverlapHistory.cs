using Llama4Kernels.PtxEmulator.Execution;

namespace Llama4Kernels.PtxEmulator.Driver;

/// <summary>The grids of a stream that its next launch may overlap, with what they read and wrote.</summary>
internal sealed class OverlapHistory : IDisposable
{
    /// <summary>Grids that are looked back at: devices hold more at once, but a mistake seldom reaches further.</summary>
    public const int MostGrids = 16;

    private readonly List<DependentGrid> _grids = [];

    /// <summary>The grid before, or null if the next launch waits for everything.</summary>
    public DependentGrid? Last => _grids.Count > 0 ? _grids[^1] : null;

    /// <summary>The grid before ran when nobody kept what it did.</summary>
    public bool IsUnknown { get; set; }

    /// <summary>A grid that ended; the ones that cannot matter any more are forgotten.</summary>
    public void Add(DependentGrid grid)
    {
        _grids.Add(grid);
        int kept = grid.Reach(MostGrids);
        while (_grids.Count > kept)
        {
            _grids[0].Dispose();
            _grids.RemoveAt(0);
        }
    }

    /// <summary>Something was put into the stream that waits for all before it.</summary>
    public void Clear()
    {
        foreach (DependentGrid grid in _grids)
        {
            grid.Dispose();
        }
        _grids.Clear();
        IsUnknown = false;
    }

    public void Dispose() => Clear();
}
