namespace Llama4Kernels.Kernels.Contracts;

/// <summary>
/// Consecutive rows of a step that belong to one sequence. Cached positions are local: counted from the first position the
/// layers may see (the chunk's start on chunked layers, 0 on full ones). Local position s lies in slot s % BlockTokens of the
/// block that entry <paramref name="Table"/> + s / BlockTokens of the step's tables names. Row i attends to local positions
/// 0 … LocalPosition + i.
/// </summary>
/// <param name="FirstRow">First row in the step.</param>
/// <param name="Rows">Number of rows.</param>
/// <param name="LocalPosition">Local position of the first row.</param>
/// <param name="Table">Where the sequence's block table starts among the step's tables.</param>
public readonly record struct KvSegment(int FirstRow, int Rows, int LocalPosition, int Table);

/// <summary>
/// The cache as a step sees it on the layers of one kind: which rows belong to which sequences, and their block tables. Made
/// once by a backend, set once a step, read by every layer.
/// </summary>
public abstract class KvStep : IDisposable
{
    private readonly DeviceMemory _memory;
    private readonly long _offset;

    /// <param name="place">Where the backend's kernels reach memory.</param>
    /// <param name="layout">Of the blocks.</param>
    /// <param name="memory">Holds the blocks; it must outlive this.</param>
    /// <param name="offset">Byte at which block 0 begins; block i lies i·<see cref="KvLayout.BlockBytes"/> behind it.</param>
    /// <param name="count">Number of blocks.</param>
    /// <exception cref="ArgumentException">The memory lies elsewhere or does not hold so many blocks.</exception>
    protected KvStep(MemoryPlace place, KvLayout layout, DeviceMemory memory, long offset, int count)
    {
        ArgumentNullException.ThrowIfNull(layout);
        ArgumentNullException.ThrowIfNull(memory);
        ShapeCheck.Require(memory.Place == place, "The memory is another backend's.", nameof(memory));
        ShapeCheck.Require(offset >= 0 && count >= 0 && offset <= memory.Length - count * layout.BlockBytes, "The memory does not hold so many blocks.", nameof(count));
        Layout = layout;
        _memory = memory;
        _offset = offset;
        Count = count;
    }

    /// <summary>Of the blocks.</summary>
    public KvLayout Layout { get; }

    /// <summary>Address of block 0.</summary>
    /// <exception cref="ObjectDisposedException">The memory is gone.</exception>
    public nint Blocks => _memory.Address + (nint)_offset;

    /// <summary>Number of blocks.</summary>
    public int Count { get; }

    /// <summary>Rows of the step.</summary>
    public int Rows { get; private set; }

    /// <summary>Address of a layer's part of block 0.</summary>
    public nint Layer(int layer) => (uint)layer < (uint)Layout.Layers
        ? Blocks + (nint)(layer * Layout.LayerBytes)
        : throw new ArgumentOutOfRangeException(nameof(layer), layer, $"The blocks span {Layout.Layers} layers.");

    /// <summary>Address of a block.</summary>
    /// <exception cref="ArgumentOutOfRangeException">There is no such block.</exception>
    internal nint Block(int block, string name) => (uint)block < (uint)Count
        ? Blocks + (nint)(block * Layout.BlockBytes)
        : throw new ArgumentOutOfRangeException(name, block, $"There are {Count} blocks.");

    /// <summary>Address of the block that another is copied to.</summary>
    /// <exception cref="ArgumentException">There is no such block, or they are one.</exception>
    internal nint Destination(int source, int destination) => source != destination
        ? Block(destination, nameof(destination))
        : throw new ArgumentException($"Block {source} was to be copied to itself.", nameof(destination));

    /// <summary>Takes a step's segments and tables; what it had before is gone.</summary>
    /// <param name="rows">Rows of the step, those that belong to no sequence included.</param>
    /// <param name="segments">The rows of each sequence, those of one row first where they are to share a kernel.</param>
    /// <param name="tables">Block tables, one after another.</param>
    /// <exception cref="ArgumentException">A segment lies outside the step or its table, or a table names a block that there is not.</exception>
    public void Set(int rows, ReadOnlySpan<KvSegment> segments, ReadOnlySpan<int> tables)
    {
        foreach (KvSegment segment in segments)
        {
            if (segment.FirstRow < 0 || segment.Rows < 1 || segment.FirstRow > rows - segment.Rows
                || segment.LocalPosition < 0 || segment.LocalPosition > int.MaxValue - segment.Rows
                || segment.Table < 0 || segment.Table > tables.Length - Layout.Blocks(segment.LocalPosition + segment.Rows))
            {
                throw new ArgumentException($"{segment} does not fit a step of {rows} rows with {tables.Length} entries of block tables.", nameof(segments));
            }
        }
        foreach (int block in tables)
        {
            if ((uint)block >= (uint)Count)
            {
                throw new ArgumentException($"A table names block {block}, but there are {Count}.", nameof(tables));
            }
        }
        Rows = rows;
        Take(segments, tables);
    }

    /// <inheritdoc/>
    public abstract void Dispose();

    /// <summary>Prepares what kernels read.</summary>
    protected abstract void Take(ReadOnlySpan<KvSegment> segments, ReadOnlySpan<int> tables);
}
