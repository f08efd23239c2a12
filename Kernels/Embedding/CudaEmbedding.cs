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
        (Rows, Columns, Type) = (source.Rows, source.Columns, source.PlainType ?? ElementType.F32);
        if (source is CodedMatrix coded)
        {
            AffineMatrix.Check([coded]);
            Panels = new AffineLayout(coded.Codes, Columns);
            Bytes = AffinePanel.Count(Rows) * Panels.Value.PanelBytes;
            _table = CudaMemory.Allocate(queue.Context, Bytes);
            upload.WritePanels([coded], Rows, Panels.Value, _table.Address);
            return;
        }
        Bytes = (long)Rows * Columns * Type.Size();
        _table = CudaMemory.Allocate(queue.Context, Bytes);
        upload.WriteRaw(source, _table.Address);
    }

    /// <inheritdoc/>
    public int Rows { get; }

    /// <inheritdoc/>
    public int Columns { get; }

    /// <summary>Type of the elements of a table that has such.</summary>
    public ElementType Type { get; }

    /// <summary>Where things lie in the panels of a table of codes.</summary>
    public AffineLayout? Panels { get; }

    /// <summary>Bytes on the device.</summary>
    public long Bytes { get; }

    public nint Address => _table.Address;

    /// <inheritdoc/>
    public void Dispose()
    {
        _queue.Drain();
        _table.Dispose();
    }
}
