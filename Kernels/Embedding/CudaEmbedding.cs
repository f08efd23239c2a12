using Llama4Kernels.Interop.Cuda;
using Llama4Kernels.Kernels.Contracts;
using Llama4Kernels.Kernels.Contracts.Cuda;
using Llama4Kernels.Kernels.MatMul;
using Llama4Kernels.Kernels.Numerics;

namespace Llama4Kernels.Kernels.Embedding;

/// <summary>A table on the device: as it is stored if its elements are plain, else as float32.</summary>
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
        Kernel = $"embed_{WeightFormat.Of(Type)}";
        _table = CudaMemory.Allocate(queue.Context, (long)Rows * Columns * Type.Size());
        upload.WriteRaw(source, _table.Address);
    }

    /// <inheritdoc/>
    public int Rows { get; }

    /// <inheritdoc/>
    public int Columns { get; }

    public ElementType Type { get; }

    /// <summary>Name of the kernel that reads it.</summary>
    public string Kernel { get; }

    public nint Address => _table.Address;

    /// <inheritdoc/>
    public void Dispose()
    {
        _queue.Drain();
        _table.Dispose();
    }
}
