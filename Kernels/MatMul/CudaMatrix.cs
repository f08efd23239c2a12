using Llama4Kernels.Interop.Cuda;
using Llama4Kernels.Kernels.Contracts;
using Llama4Kernels.Kernels.Contracts.Cuda;
using Llama4Kernels.Kernels.Quantization;

namespace Llama4Kernels.Kernels.MatMul;

/// <summary>
/// A weight matrix on the device, one of a stack of equal ones that lie one after another, codes and scales apart, in the
/// stack's <see cref="CudaLayout"/>.
/// </summary>
internal sealed class CudaMatrix(CudaMatrixStack stack, int index) : IMatrix
{
    private bool _disposed;

    /// <inheritdoc/>
    public int Rows => stack.Rows;

    /// <inheritdoc/>
    public int Columns => stack.Columns;

    /// <inheritdoc/>
    public WeightFormat Format => stack.Format;

    /// <inheritdoc/>
    public string Layout => stack.Layout.Name;

    /// <inheritdoc/>
    public long Bytes => stack.MatrixBytes + stack.ScaleBytes;

    public CudaMatrixStack Stack => stack;

    public int Index => index;

    public nint Address => stack.Weights + (nint)(index * stack.MatrixBytes);

    public nint Scales => stack.ScaleBytes == 0 ? 0 : stack.Scales + (nint)(index * stack.ScaleBytes);

    /// <summary>The codes, as kernels take them.</summary>
    public DeviceView Codes => new(Address, stack.WeightElements(1));

    /// <summary>The scales, as kernels take them.</summary>
    public DeviceView ScaleView => new(Scales, stack.ScaleBytes / sizeof(float));

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
    private readonly CudaQueue _queue;
    private readonly CudaMemory _weights;
    private readonly CudaMemory? _scales;
    private int _left;

    public CudaMatrixStack(CudaQueue queue, int count, StackedSources shape, CudaLayout layout)
    {
        (_queue, Count, Shape, Layout) = (queue, count, shape, layout);
        Panels = layout == CudaLayout.Panels ? new AffineLayout(shape.Format, shape.Columns) : default;
        MatrixBytes = layout.CodeBytes(shape);
        ScaleBytes = layout.ScaleBytes(shape);
        _left = count;
        _weights = CudaMemory.Allocate(queue.Context, count * MatrixBytes);
        try
        {
            _scales = ScaleBytes > 0 ? CudaMemory.Allocate(queue.Context, count * ScaleBytes) : null;
        }
        catch
        {
            _weights.Dispose();
            throw;
        }
    }

    public int Count { get; }

    public StackedSources Shape { get; }

    public CudaLayout Layout { get; }

    /// <summary>Where things lie in a panel, if that is the layout.</summary>
    public AffineLayout Panels { get; }

    public int Rows => Shape.Rows;

    public int Columns => Shape.Columns;

    public WeightFormat Format => Shape.Format;

    public long MatrixBytes { get; }

    /// <summary>Bytes of a matrix's scales, 0 without.</summary>
    public long ScaleBytes { get; }

    public nint Weights => _weights.Address;

    public nint Scales => _scales?.Address ?? 0;

    /// <summary>Elements of a view over the weights of some matrices, as the kernels count them: bytes where codes are not longer.</summary>
    public long WeightElements(int matrices) => matrices * MatrixBytes / Math.Max(1, Format.Bits / 8);

    /// <summary>The codes of all matrices, as kernels take them.</summary>
    public DeviceView Codes => new(Weights, WeightElements(Count));

    /// <summary>The scales of all matrices, as kernels take them.</summary>
    public DeviceView ScaleView => new(Scales, Count * ScaleBytes / sizeof(float));

    public void Release()
    {
        if (Interlocked.Decrement(ref _left) == 0)
        {
            _queue.Drain();
            _weights.Dispose();
            _scales?.Dispose();
        }
    }
}
