using Llama4Kernels.Interop.Cuda;
using Llama4Kernels.Kernels.Contracts;
using Llama4Kernels.Kernels.Numerics;

namespace Llama4Kernels.Kernels.MatMul;

/// <summary>
/// A weight matrix on the device, one of a stack of equal ones that lie one after another: elements [out, in] row-major (int4:
/// two to a byte), and scales [out] for FP8, [out, in / 128] for int4.
/// </summary>
internal sealed class CudaMatrix(CudaMatrixStack stack, int index) : IMatrix
{
    private bool _disposed;

    /// <inheritdoc/>
    public int Rows => stack.Rows;

    /// <inheritdoc/>
    public int Columns => stack.Columns;

    /// <inheritdoc/>
    public ElementType Format => stack.Format;

    /// <inheritdoc/>
    public long Bytes => stack.MatrixBytes + stack.ScaleBytes;

    public CudaMatrixStack Stack => stack;

    public int Index => index;

    public nint Address => stack.Weights + (nint)(index * stack.MatrixBytes);

    public nint Scales => stack.ScaleBytes == 0 ? 0 : stack.Scales + (nint)(index * stack.ScaleBytes);

    /// <summary>The matrix behind an interface.</summary>
    /// <exception cref="ArgumentException">It is another backend's.</exception>
    public static CudaMatrix Require(IMatrix matrix) => matrix as CudaMatrix
        ?? throw new ArgumentException($"The matrix is a {matrix.GetType().Name}; make it with this backend's Pack.", nameof(matrix));

    /// <inheritdoc/>
    public void Dispose()
    {
        if (!_disposed)
        {
            _disposed = true;
            stack.Release();
        }
    }
}

/// <summary>Equal matrices in one allocation; it is freed with the last of them.</summary>
internal sealed class CudaMatrixStack
{
    /// <summary>Inputs that share a scale in int4.</summary>
    public const int GroupColumns = 128;

    private readonly CudaMemory _weights;
    private readonly CudaMemory? _scales;
    private int _left;

    public CudaMatrixStack(CudaContext context, int count, int rows, int columns, ElementType format, bool quantisesActivations)
    {
        (Count, Rows, Columns, Format, QuantisesActivations) = (count, rows, columns, format, quantisesActivations);
        MatrixBytes = format == ElementType.Int4 ? (long)rows * columns / 2 : (long)rows * columns * format.Size();
        ScalesPerRow = format switch
        {
            ElementType.Int4 => columns / GroupColumns,
            ElementType.F8E4M3 => 1,
            _ => 0,
        };
        ScaleBytes = (long)rows * ScalesPerRow * sizeof(float);
        _left = count;
        _weights = CudaMemory.Allocate(context, count * MatrixBytes);
        try
        {
            _scales = ScaleBytes > 0 ? CudaMemory.Allocate(context, count * ScaleBytes) : null;
        }
        catch
        {
            _weights.Dispose();
            throw;
        }
    }

    public int Count { get; }

    public int Rows { get; }

    public int Columns { get; }

    public ElementType Format { get; }

    /// <summary>Products first quantise each row of x to FP8.</summary>
    public bool QuantisesActivations { get; }

    public long MatrixBytes { get; }

    /// <summary>Bytes of a matrix's scales, 0 without.</summary>
    public long ScaleBytes { get; }

    public int ScalesPerRow { get; }

    public nint Weights => _weights.Address;

    public nint Scales => _scales?.Address ?? 0;

    /// <summary>Ending of the names of kernels for this format.</summary>
    public string Suffix => Format switch
    {
        ElementType.F32 => "f32",
        ElementType.BF16 => "bf16",
        ElementType.Int4 => "int4",
        _ => QuantisesActivations ? "fp8a" : "fp8",
    };

    /// <summary>Elements of a view over all weights, as the kernels count them.</summary>
    public long WeightElements(int matrices) => Format == ElementType.Int4 ? matrices * MatrixBytes : matrices * MatrixBytes / Format.Size();

    public void Release()
    {
        if (Interlocked.Decrement(ref _left) == 0)
        {
            _weights.Dispose();
            _scales?.Dispose();
        }
    }
}
