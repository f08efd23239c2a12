using Llama4Kernels.Interop.Memory;
using Llama4Kernels.Kernels.Contracts;

namespace Llama4Kernels.Kernels.MatMul;

/// <summary>A weight matrix [out, in] in the host's memory, in the layout that was chosen when it was packed.</summary>
internal abstract unsafe class CpuMatrix : IMatrix
{
    private MatrixMemory? _memory;
    private volatile bool _isDisposed;

    protected CpuMatrix(int rows, int columns, WeightFormat format, CpuLayout layout)
    {
        (Rows, Columns, Format, PackedAs) = (rows, columns, format, layout);
    }

    /// <inheritdoc/>
    public int Rows { get; }

    /// <inheritdoc/>
    public int Columns { get; }

    /// <inheritdoc/>
    public WeightFormat Format { get; }

    /// <summary>The layout.</summary>
    public CpuLayout PackedAs { get; }

    /// <inheritdoc/>
    public string Layout => PackedAs.Name;

    /// <inheritdoc/>
    public long Bytes { get; private set; }

    /// <inheritdoc/>
    public bool IsMapped => _memory is { IsMapped: true };

    /// <inheritdoc/>
    public string? PackedAgain { get; internal set; }

    /// <summary>The memory, aligned to 64 bytes. Who may meet a <see cref="Dispose"/> meanwhile takes <see cref="Hold"/> before.</summary>
    /// <exception cref="ObjectDisposedException">It was freed.</exception>
    protected byte* Data
    {
        get
        {
            ObjectDisposedException.ThrowIf(_isDisposed, this);
            return _memory!.Pointer;
        }
    }

    /// <summary>Where it lies, and how many bytes: for measuring how fast they can be read.</summary>
    /// <exception cref="ObjectDisposedException">It was freed.</exception>
    internal (nint Address, long Bytes) Memory => ((nint)Data, Bytes);

    /// <summary>Keeps the memory until it is released, also if the matrix is disposed meanwhile. Allocates nothing.</summary>
    /// <returns>What the caller releases.</returns>
    /// <exception cref="ObjectDisposedException">It was freed.</exception>
    internal MatrixMemory Hold()
    {
        // Memory that somebody still holds would let itself be held again.
        ObjectDisposedException.ThrowIf(_isDisposed, this);
        bool isHeld = false;
        _memory!.DangerousAddRef(ref isHeld);
        return _memory;
    }

    /// <inheritdoc/>
    public void Dispose()
    {
        _isDisposed = true;
        _memory!.Dispose();
    }

    /// <summary>Takes the memory; called once, by the constructor of a layout, which knows how much.</summary>
    /// <param name="bytes">How much.</param>
    /// <param name="inLargePages">
    /// Whether to ask for large pages: products that reading bounds gain from them. Supplying them may take a virtual machine's host
    /// several times as long as small ones, which loading then waits for.
    /// </param>
    protected void Allocate(long bytes, bool inLargePages)
    {
        Bytes = bytes;
        _memory = MatrixMemory.Allocate(bytes, inLargePages);
    }

    /// <summary>Lets the system exchange the small pages of memory that is filled for large ones, as it finds time: nothing waits for it.</summary>
    protected void LetPagesGrow() => HugePages.Advise((nint)Data, Bytes);

    /// <summary>Takes memory that is mapped already, which stays so until this is freed; called once, instead of <see cref="Allocate"/>.</summary>
    /// <exception cref="ObjectDisposedException">It is mapped no longer.</exception>
    protected void Map(SavedMatrix saved, long bytes)
    {
        Bytes = bytes;
        _memory = MatrixMemory.Map(saved.Memory, saved.Data);
    }
}
