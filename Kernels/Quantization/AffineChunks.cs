using Llama4Kernels.Kernels.Contracts;

namespace Llama4Kernels.Kernels.Quantization;

/// <summary>Columns of a chunk that share scales.</summary>
/// <param name="words">The words of the slab's codes.</param>
/// <param name="column">The first column, counted within the slab.</param>
/// <param name="count">Columns.</param>
internal readonly unsafe struct AffineRun(uint* words, int column, int count)
{
    public readonly uint* Words = words;
    public readonly int Column = column;
    public readonly int Count = count;
}

/// <summary>Goes through the columns of a panel chunk by chunk and brings the scales and offsets of each into float32.</summary>
internal unsafe ref struct AffineChunks
{
    /// <summary>Columns of a chunk.</summary>
    public const int Columns = 128;

    /// <summary>Floats of the memory that is needed.</summary>
    public const int MemoryFloats = 2 * Rows + MaxRuns * (2 * Rows + 4);

    private const int Rows = AffineLayout.PanelRows;
    private const int MaxRuns = Columns / 4 + 1;

    private readonly AffineLayout _layout;
    private readonly float* _supers;
    private readonly float* _parameters;
    private readonly AffineRun* _runs;
    private byte* _slab;
    private int _slabStart;
    private int _inSlab;
    private int _group;

    /// <summary>Before the first chunk of a panel.</summary>
    public AffineChunks(in AffineLayout layout, byte* panel, float* memory)
    {
        _layout = layout;
        _supers = memory;
        _parameters = _supers + 2 * Rows;
        _runs = (AffineRun*)(_parameters + MaxRuns * 2 * Rows);
        _slab = panel;
        if (layout.Offset == OffsetKind.None)
        {
            AffineParameters.NoOffsets(_parameters + Rows, MaxRuns, 2 * Rows);
        }
        AffineParameters.ReadSupers(layout, panel, _supers);
    }

    /// <summary>Runs of the chunk.</summary>
    public int Runs { get; private set; }

    /// <summary>A run of the chunk.</summary>
    public readonly AffineRun this[int run] => _runs[run];

    /// <summary>A run's 32 scales and, behind them, 32 offsets.</summary>
    public readonly float* Parameters(int run) => _parameters + run * 2 * Rows;

    /// <summary>Goes on to the next columns.</summary>
    public void Advance(int columns)
    {
        Runs = 0;
        while (columns > 0)
        {
            if (_inSlab == _layout.Slab)
            {
                _slab += _layout.SlabBytes;
                _slabStart += _layout.Slab;
                _inSlab = 0;
                _group = 0;
                AffineParameters.ReadSupers(_layout, _slab, _supers);
            }
            int end = Math.Min(_layout.Slab, (_group + 1) * _layout.Group);
            if (_slabStart + end >= _layout.Columns)
            {
                // The last group ends with the padding of its codes.
                end = _layout.Padded - _slabStart;
            }
            int count = Math.Min(columns, end - _inSlab);
            float* to = Parameters(Runs);
            AffineParameters.Read(_layout, _slab, _group, _supers, to, to + Rows);
            _runs[Runs++] = new AffineRun((uint*)(_slab + _layout.CodesAt), _inSlab, count);
            columns -= count;
            _inSlab += count;
            _group += _inSlab == end ? 1 : 0;
        }
    }
}
