using System.Runtime.InteropServices;
using Llama4Kernels.Interop.Memory;
using Llama4Kernels.Kernels.Contracts;

namespace Llama4Kernels.Kernels.MatMul;

/// <summary>A weight matrix [out, in] in the host's memory, in the layout that was chosen when it was packed.</summary>
internal abstract unsafe class CpuMatrix : IMatrix
{
    private byte* _data;

    protected CpuMatrix(int rows, int columns, WeightFormat format, CpuLayout layout)
    {
        (Rows, Columns, Format, PackedAs) = (rows, columns, format, layout);
    }

    /// <summary>Frees the memory of a matrix that was not disposed.</summary>
    ~CpuMatrix() => Free();

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

    /// <summary>The memory, aligned to 64 bytes.</summary>
    /// <exception cref="ObjectDisposedException">It was freed.</exception>
    protected byte* Data
    {
        get
        {
            ObjectDisposedException.ThrowIf(_data == null, this);
            return _data;
        }
    }

    /// <summary>Where it lies, and how many bytes: for measuring how fast they can be read.</summary>
    /// <exception cref="ObjectDisposedException">It was freed.</exception>
    internal (nint Address, long Bytes) Memory => ((nint)Data, Bytes);

    /// <inheritdoc/>
    public void Dispose()
    {
        Free();
        GC.SuppressFinalize(this);
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
        _data = (byte*)NativeMemory.AlignedAlloc((nuint)Math.Max(bytes, 64), bytes >= HugePages.Bytes ? (nuint)HugePages.Bytes : 64);
        if (inLargePages)
        {
            HugePages.Advise((nint)_data, bytes);
        }
    }

    /// <summary>Lets the system exchange the small pages of memory that is filled for large ones, as it finds time: nothing waits for it.</summary>
    protected void LetPagesGrow() => HugePages.Advise((nint)Data, Bytes);

    private void Free()
    {
        NativeMemory.AlignedFree(_data);
        _data = null;
    }
}
