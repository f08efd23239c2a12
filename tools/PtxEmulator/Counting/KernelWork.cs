namespace Llama4Kernels.PtxEmulator.Counting;

/// <summary>Work for the tensor cores.</summary>
/// <param name="Operations">Floating-point or integer operations of the whole launch; a multiply-add is two.</param>
/// <param name="ElementBits">Bits of an operand's element: 8, 16, 32 for tf32, 64.</param>
/// <param name="WarpGroup">By <c>wgmma</c>; otherwise by <c>mma.sync</c>.</param>
public sealed record TensorWork(double Operations, int ElementBits, bool WarpGroup);

/// <summary>How a matrix product runs through a ring of buffers.</summary>
/// <param name="TilesPerProcessor">Output tiles that a multiprocessor computes.</param>
/// <param name="Steps">Steps along K of a tile.</param>
/// <param name="Stages">Buffers of the ring.</param>
public sealed record TensorPipeline(int TilesPerProcessor, int Steps, int Stages);

/// <summary>What a launch does: the time model's input. Counts are those of the whole launch.</summary>
public sealed record KernelWork
{
    /// <summary>Blocks of the grid.</summary>
    public required long Blocks { get; init; }

    /// <summary>Blocks that a multiprocessor holds at once; see <see cref="Hopper.ResidentBlocks"/>.</summary>
    public int ResidentBlocks { get; init; } = 1;

    /// <summary>Pieces that are handed out one by one: blocks, or tiles of a persistent kernel. 0 for the blocks.</summary>
    public long WorkUnits { get; init; }

    /// <summary>Bytes read from HBM.</summary>
    public double HbmReadBytes { get; init; }

    /// <summary>Bytes written to HBM.</summary>
    public double HbmWriteBytes { get; init; }

    /// <summary>Bytes between L2 and the multiprocessors.</summary>
    public double L2Bytes { get; init; }

    /// <summary>Passes through the banks of shared memory.</summary>
    public double Wavefronts { get; init; }

    /// <summary>Bytes that bulk copies write to shared memory and that <c>wgmma</c> reads from it.</summary>
    public double BulkSharedBytes { get; init; }

    /// <summary>Warp instructions of all kinds.</summary>
    public double Instructions { get; init; }

    /// <summary>Warp instructions on 16 integer lanes per scheduler.</summary>
    public double IntegerInstructions { get; init; }

    /// <summary>Warp instructions on 32 float32 lanes per scheduler.</summary>
    public double FmaInstructions { get; init; }

    /// <summary>Warp instructions on 4 lanes of special functions per scheduler.</summary>
    public double SpecialInstructions { get; init; }

    /// <summary>Warp instructions on 16 float64 lanes per scheduler.</summary>
    public double DoubleInstructions { get; init; }

    /// <summary>Warp instructions of the multiprocessor's load and store unit.</summary>
    public double MemoryInstructions { get; init; }

    /// <summary>Tensor work by kind.</summary>
    public IReadOnlyList<TensorWork> Tensor { get; init; } = [];

    /// <summary>Bytes that a multiprocessor has on the way from memory at once; 0 if unknown, then latency does not count.</summary>
    public double BytesInFlight { get; init; }

    /// <summary>The ring of a matrix product, or null.</summary>
    public TensorPipeline? Pipeline { get; init; }

    /// <summary>Launched with programmatic dependent launch, fetching early.</summary>
    public bool EarlyLaunch { get; init; }

    /// <summary>The counts of a launch of which this is a share: blocks and what depends on them stay.</summary>
    /// <param name="factor">What to multiply counts with.</param>
    public KernelWork Times(double factor) => this with
    {
        HbmReadBytes = HbmReadBytes * factor,
        HbmWriteBytes = HbmWriteBytes * factor,
        L2Bytes = L2Bytes * factor,
        Wavefronts = Wavefronts * factor,
        BulkSharedBytes = BulkSharedBytes * factor,
        Instructions = Instructions * factor,
        IntegerInstructions = IntegerInstructions * factor,
        FmaInstructions = FmaInstructions * factor,
        SpecialInstructions = SpecialInstructions * factor,
        DoubleInstructions = DoubleInstructions * factor,
        MemoryInstructions = MemoryInstructions * factor,
        Tensor = [.. Tensor.Select(part => part with { Operations = part.Operations * factor })],
    };

    /// <summary>The counts of both; all else is this one's.</summary>
    public KernelWork Plus(KernelWork other)
    {
        ArgumentNullException.ThrowIfNull(other);
        return this with
        {
            HbmReadBytes = HbmReadBytes + other.HbmReadBytes,
            HbmWriteBytes = HbmWriteBytes + other.HbmWriteBytes,
            L2Bytes = L2Bytes + other.L2Bytes,
            Wavefronts = Wavefronts + other.Wavefronts,
            BulkSharedBytes = BulkSharedBytes + other.BulkSharedBytes,
            Instructions = Instructions + other.Instructions,
            IntegerInstructions = IntegerInstructions + other.IntegerInstructions,
            FmaInstructions = FmaInstructions + other.FmaInstructions,
            SpecialInstructions = SpecialInstructions + other.SpecialInstructions,
            DoubleInstructions = DoubleInstructions + other.DoubleInstructions,
            MemoryInstructions = MemoryInstructions + other.MemoryInstructions,
            Tensor = [.. Tensor, .. other.Tensor],
        };
    }
}
