using Llama4Kernels.Interop.Cuda;
using Llama4Kernels.Kernels.Contracts;
using Llama4Kernels.Kernels.Contracts.Cuda;
using Llama4Kernels.Kernels.MatMul;
using Llama4Kernels.Kernels.Numerics;
using Llama4Kernels.Kernels.Quantization;

namespace Llama4Kernels.Kernels.Embedding;

/// <summary>A table on the device: as it is stored if its elements are plain or codes with groups, else as float32.</summary>
internal sealed class CudaEmbedding : IEmbedding
{
    private readonly CudaQueue _queue;
    private readonly CudaMemory _table;

    /// <exception cref="ArgumentException">The source is no table that the kernels read.</exception>
    public CudaEmbedding(CudaQueue queue, MatrixUpload upload, MatrixSource source)
    {
        _queue = queue;
        using var check = new CpuEmbedding(source);
        ShapeCheck.Require(source.Rows > 0 && source.Columns > 0, "The table is empty.", nameof(source));
        (Rows, Columns, Type, Bytes) = (source.Rows, source.Columns, source is CodedMatrix ? null : TypeOf(source), BytesOf(source));
        _table = CudaMemory.Allocate(queue.Context, Bytes);
        if (source is CodedMatrix coded)
        {
            Panels = new AffineLayout(coded.Codes, Columns);
            upload.WritePanels([coded], Rows, Panels.Value, _table.Address);
            return;
        }
        upload.WriteRaw(source, _table.Address);
    }

    /// <summary>Bytes that a table takes on the device.</summary>
    /// <exception cref="ArgumentException">Its codes cannot be packed.</exception>
    public static long BytesOf(MatrixSource source)
    {
        if (source is CodedMatrix coded)
        {
            AffineMatrix.Check([coded]);
            return AffinePanel.Count(source.Rows) * new AffineLayout(coded.Codes, source.Columns).PanelBytes;
        }
        return (long)source.Rows * source.Columns * TypeOf(source).Size();
    }

    /// <inheritdoc/>
    public int Rows { get; }

    /// <inheritdoc/>
    public int Columns { get; }

    /// <summary>Type of the elements; null for codes.</summary>
    public ElementType? Type { get; }

    /// <summary>Where things lie in the panels of a table of codes.</summary>
    public AffineLayout? Panels { get; }

    /// <inheritdoc/>
    public long Bytes { get; }

    public nint Address => _table.Address;

    private static ElementType TypeOf(MatrixSource source) => source.PlainType ?? ElementType.F32;

    /// <inheritdoc/>
    public void Dispose()
    {
        _queue.Drain();
        _table.Dispose();
    }
}
