using Llama4Kernels.Interop.Cuda;

namespace Llama4Kernels.Kernels.MatMul;

/// <summary>
/// What a block of a product for few rows on tensor cores computes, with weights in rows: 32 outputs. Its four warps share out the columns in steps of
/// 128 bytes of a row of weights, turn by turn, each with a ring of its own steps in shared memory.
/// </summary>
/// <param name="Rows">Rows of x at once: 1, 8 or 16.</param>
/// <param name="StepColumns">Columns of 128 bytes of a row of weights.</param>
internal sealed record VectorTile(int Rows, int StepColumns)
{
    /// <summary>Outputs of a block.</summary>
    public const int Outputs = 32;

    /// <summary>Warps of a block.</summary>
    public const int Warps = 4;

    /// <summary>Threads of a block.</summary>
    public const int Threads = 32 * Warps;

    /// <summary>Bytes of a row of weights in a step.</summary>
    public const int StepBytes = 128;

    /// <summary>Bytes of a step's weights.</summary>
    public const int WeightBytes = Outputs * StepBytes;

    private const int MostSteps = 4;
    private const int MostSharedBytes = 99 * 1024;
    private const int ProcessorSharedBytes = 227 * 1024;
    private const int ReservedBytes = 1024;

    /// <summary>Rows of x that a kernel takes at once: it comes in three sizes.</summary>
    public static IReadOnlyList<int> RowCounts { get; } = [1, 8, 16];

    /// <summary>When it is taken and why then, in words.</summary>
    public string When => Rows switch
    {
        1 => "one row: bound by memory, steps of 4 KB a warp under way",
        8 => "up to 8 rows: weights are read once for all",
        _ => "up to 16 rows: likewise",
    };

    /// <summary>Eights of rows.</summary>
    public int Eights => (Rows + 7) / 8;

    /// <summary>Steps of a warp's ring: four, or as many as leave a block on every device.</summary>
    public int Depth => Math.Min(MostSteps, MostSharedBytes / (Warps * SlotBytes));

    /// <summary>Bytes of a step's values.</summary>
    public int ValueBytes => Rows * StepColumns * 2;

    /// <summary>Bytes of a step.</summary>
    public int SlotBytes => WeightBytes + ValueBytes;

    /// <summary>Bytes of a warp's ring.</summary>
    public int RingBytes => Depth * SlotBytes;

    /// <summary>Bytes of dynamic shared memory.</summary>
    public int SharedBytes => Warps * RingBytes;

    /// <summary>Blocks of a multiprocessor that there shall be registers for: as many as its shared memory holds on sm_90.</summary>
    public int BlocksPerProcessor => ProcessorSharedBytes / (SharedBytes + ReservedBytes);

    /// <summary>Blocks of a product: of slices of its rows, or of experts for each row, of which those work where a slice begins.</summary>
    public (CudaDim3 Grid, CudaDim3 Block) Extents(int rows, int outputs, bool experts) =>
        (new((outputs + Outputs - 1) / Outputs, experts ? rows : (rows + Rows - 1) / Rows), new(Threads));
}
