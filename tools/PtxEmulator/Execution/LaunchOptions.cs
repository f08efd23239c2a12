namespace Llama4Kernels.PtxEmulator.Execution;

/// <summary>When the bytes of an asynchronous copy arrive.</summary>
public enum AsyncArrival
{
    /// <summary>At the wait that covers it: shows a missing wait.</summary>
    Late,

    /// <summary>When it is issued: shows a buffer that is overwritten too early.</summary>
    Early,
}

/// <summary>How a launch is emulated.</summary>
public sealed record LaunchOptions
{
    /// <summary>Order in which warps and blocks take turns; equal seeds give equal orders on one core.</summary>
    public int Seed { get; init; }

    /// <summary>Cores to use, 0 for all.</summary>
    public int Workers { get; init; }

    /// <summary>When asynchronous copies arrive.</summary>
    public AsyncArrival AsyncCopies { get; init; }

    /// <summary>Also count sectors, wavefronts and bank conflicts.</summary>
    public bool CountMemory { get; init; }

    /// <summary>Also note which sectors of global memory are touched; needs <see cref="CountMemory"/>.</summary>
    public bool CountFootprint { get; init; }

    /// <summary>Numbers of the blocks to run, of a single grid; null for all. The others' work is not done.</summary>
    public IReadOnlyList<long>? Blocks { get; init; }

    /// <summary>Instructions after which a block counts as endless.</summary>
    public long InstructionLimit { get; init; } = 1L << 36;

    /// <summary>Blocks that a core has in work at once, for those that wait for each other.</summary>
    public int ResidentBlocks { get; init; } = 64;
}
