namespace Llama4Kernels.Interop.Cuda;

/// <summary>Extents of a grid, block or cluster.</summary>
/// <param name="X">Extent along x, 1 or more.</param>
/// <param name="Y">Extent along y, 1 or more.</param>
/// <param name="Z">Extent along z, 1 or more.</param>
public readonly record struct CudaDim3(int X, int Y = 1, int Z = 1)
{
    /// <summary>Number of elements.</summary>
    public long Count => (long)X * Y * Z;

    internal bool IsPositive => X > 0 && Y > 0 && Z > 0;

    /// <inheritdoc/>
    public override string ToString() => $"({X}, {Y}, {Z})";
}

/// <summary>How a kernel is launched.</summary>
/// <param name="Grid">Blocks, or with a cluster still blocks: a multiple of the cluster along each axis.</param>
/// <param name="Block">Threads of a block.</param>
/// <param name="SharedBytes">Dynamic shared memory of a block.</param>
public readonly record struct CudaLaunchConfig(CudaDim3 Grid, CudaDim3 Block, int SharedBytes = 0)
{
    /// <summary>Blocks of a cluster, or null for none.</summary>
    public CudaDim3? Cluster { get; init; }

    /// <summary>All blocks run at once, so that they can wait for each other.</summary>
    public bool Cooperative { get; init; }

    /// <summary>
    /// The kernel may start before its predecessor in the stream ends (programmatic dependent launch). It must execute
    /// <c>griddepcontrol.wait</c> before it touches what a predecessor wrote.
    /// </summary>
    public bool ProgrammaticSerialization { get; init; }

    /// <summary>Whether the launch needs attributes, that is cuLaunchKernelEx.</summary>
    public bool HasAttributes => Cluster is not null || Cooperative || ProgrammaticSerialization;

    /// <summary>Checks the extents against what every device allows.</summary>
    /// <exception cref="ArgumentException">An extent is not positive, or the grid is no multiple of the cluster.</exception>
    public void Validate()
    {
        if (!Grid.IsPositive || !Block.IsPositive || SharedBytes < 0)
        {
            throw new ArgumentException($"Grid {Grid} and block {Block} must be positive and {SharedBytes} bytes of shared memory not negative.");
        }
        if (Block.Count > 1024)
        {
            throw new ArgumentException($"A block {Block} has {Block.Count} threads; 1024 is the limit.");
        }
        if (Grid.Y > 65535 || Grid.Z > 65535)
        {
            throw new ArgumentException($"A grid {Grid} exceeds 65535 along y or z.");
        }
        if (Cluster is CudaDim3 c && (!c.IsPositive || Grid.X % c.X != 0 || Grid.Y % c.Y != 0 || Grid.Z % c.Z != 0))
        {
            throw new ArgumentException($"The grid {Grid} is no multiple of the cluster {c}.");
        }
    }
}
