using Llama4Kernels.Interop.Cuda;
using Llama4Kernels.Kernels.Contracts;
using Llama4Kernels.Kernels.Contracts.Cuda;
using Llama4Kernels.Kernels.Numerics;
using Llama4Kernels.Kernels.Quantization;

namespace Llama4Kernels.Kernels.MatMul;

/// <summary>
/// Brings weights into the device's layout: rows are converted on all cores into one of two pinned buffers while the other is
/// on its way.
/// </summary>
internal sealed unsafe class MatrixUpload : IDisposable
{
    private const long BufferBytes = 8L << 20;

    private readonly CudaQueue _queue;
    private readonly PinnedMemory[] _buffers;
    private readonly CudaEvent[] _sent;
    private readonly bool[] _used = new bool[2];
    private int _turn;

    public MatrixUpload(CudaQueue queue)
    {
        _queue = queue;
        _buffers = [PinnedMemory.Allocate(queue.Context, BufferBytes), PinnedMemory.Allocate(queue.Context, BufferBytes)];
        _sent = [CudaEvent.Create(queue.Context), CudaEvent.Create(queue.Context)];
    }

    /// <summary>Rows of all sources together, and their format on the device.</summary>
    /// <exception cref="ArgumentException">
    /// No source, one without data, widths differ, an input that is no multiple of 128 for int4, or rows too long.
    /// </exception>
    public static (int Rows, int Columns, ElementType Type, bool QuantisesActivations) Plan(ReadOnlySpan<MatrixSource> stacked, WeightFormat format)
    {
        (int rows, int columns) = MatrixSource.CheckStack(stacked);
        MatrixSource[] sources = MatrixSource.Flatten(stacked);
        bool codes = Array.TrueForAll(sources, source => source is StridedMatrix { Type: ElementType.F8E4M3 });
        bool bf16 = Array.TrueForAll(sources, source => source.PlainType == ElementType.BF16);
        if (format == WeightFormat.Int4 && columns % QuantisedMatrix.GroupColumns != 0)
        {
            throw new ArgumentException($"int4 weights need a multiple of {QuantisedMatrix.GroupColumns} inputs, not {columns}.", nameof(stacked));
        }
        if (columns * sizeof(float) > BufferBytes / 2)
        {
            throw new ArgumentException($"Rows of {columns} inputs are too long.", nameof(stacked));
        }
        ElementType type = format switch
        {
            WeightFormat.Int4 => ElementType.Int4,
            WeightFormat.Fp8 => ElementType.F8E4M3,
            _ => codes ? ElementType.F8E4M3 : bf16 ? ElementType.BF16 : ElementType.F32,
        };
        return (rows, columns, type, format == WeightFormat.Fp8);
    }

    /// <summary>Writes one matrix of a stack.</summary>
    public void Write(ReadOnlySpan<MatrixSource> stacked, CudaMatrix matrix)
    {
        int first = 0;
        foreach (MatrixSource source in MatrixSource.Flatten(stacked))
        {
            Write(source, matrix, first);
            first += source.Rows;
        }
    }

    /// <summary>Writes a table row by row: as it is stored if its elements are plain, else as float32.</summary>
    public void WriteRaw(MatrixSource source, nint destination)
    {
        int columns = source.Columns;
        bool plain = source.PlainType is not null;
        long rowBytes = (long)columns * (source.PlainType ?? ElementType.F32).Size();
        Send(source.Rows, rowBytes, 0, destination, 0, plain
            ? (row, to, _) => source.Copy(row, 0, columns, to)
            : (row, to, _) => source.Read(row, 0, columns, (float*)to));
    }

    public void Dispose()
    {
        foreach (CudaEvent sent in _sent)
        {
            sent.Dispose();
        }
        foreach (PinnedMemory buffer in _buffers)
        {
            buffer.Dispose();
        }
    }

    private void Write(MatrixSource source, CudaMatrix matrix, int firstRow)
    {
        CudaMatrixStack stack = matrix.Stack;
        long rowBytes = stack.MatrixBytes / stack.Rows, scaleBytes = stack.ScaleBytes / stack.Rows;
        nint weights = matrix.Address + (nint)(firstRow * rowBytes), scales = matrix.Scales + (nint)(firstRow * scaleBytes);
        int columns = stack.Columns;
        Send(source.Rows, rowBytes, scaleBytes, weights, scales, stack.Format switch
        {
            ElementType.Int4 => (row, to, scale) => Int4(source, row, columns, to, scale),
            ElementType.F8E4M3 => (row, to, scale) => Fp8(source, row, columns, to, scale),
            ElementType.BF16 => (row, to, _) => source.Copy(row, 0, columns, to),
            _ => (row, to, _) => source.Read(row, 0, columns, (float*)to),
        });
    }

    private void Send(int rows, long rowBytes, long scaleBytes, nint weights, nint scales, RowWriter write)
    {
        int block = (int)Math.Max(1, BufferBytes / (rowBytes + scaleBytes));
        for (int first = 0; first < rows; first += block)
        {
            int count = Math.Min(block, rows - first);
            int turn = _turn ^= 1;
            if (_used[turn])
            {
                _sent[turn].Synchronize();
            }
            byte* buffer = _buffers[turn].Pointer;
            byte* scaleBuffer = buffer + count * rowBytes;
            int from = first;
            Parallel.For(0, count, row => write(from + row, buffer + row * rowBytes, (float*)(scaleBuffer + row * scaleBytes)));
            _queue.Stream.Upload(weights + (nint)(first * rowBytes), buffer, count * rowBytes);
            if (scaleBytes > 0)
            {
                _queue.Stream.Upload(scales + (nint)(first * scaleBytes), scaleBuffer, count * scaleBytes);
            }
            _sent[turn].Record(_queue.Stream);
            _used[turn] = true;
        }
    }

    private static void Fp8(MatrixSource source, int row, int columns, byte* codes, float* scale)
    {
        if (source is StridedMatrix { Type: ElementType.F8E4M3 } stored)
        {
            *scale = stored.Scale(row);
            for (int c = 0; c < columns; c++)
            {
                codes[c] = *stored.Element(row, c);
            }
            return;
        }
        float[] values = new float[columns];
        fixed (float* v = values)
        {
            source.Read(row, 0, columns, v);
        }
        *scale = Quantiser.Fp8Scale(Quantiser.MaxAbsolute(values));
        for (int c = 0; c < columns; c++)
        {
            codes[c] = Numerics.Fp8.FromSingle(values[c] / *scale);
        }
    }

    private static void Int4(MatrixSource source, int row, int columns, byte* codes, float* scales)
    {
        float* values = stackalloc float[QuantisedMatrix.GroupColumns];
        for (int first = 0; first < columns; first += QuantisedMatrix.GroupColumns)
        {
            source.Read(row, first, QuantisedMatrix.GroupColumns, values);
            float scale = Quantiser.Int4Scale(Quantiser.MaxAbsolute(new ReadOnlySpan<float>(values, QuantisedMatrix.GroupColumns)));
            scales[first / QuantisedMatrix.GroupColumns] = scale;
            for (int c = 0; c < QuantisedMatrix.GroupColumns; c += 2)
            {
                codes[(first + c) / 2] = (byte)((Quantiser.Int4(values[c], scale) & 15) | (Quantiser.Int4(values[c + 1], scale) << 4));
            }
        }
    }

    /// <summary>Writes a row and its scales.</summary>
    private delegate void RowWriter(int row, byte* to, float* scales);
}
