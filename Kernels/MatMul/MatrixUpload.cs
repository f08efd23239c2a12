using System.Buffers;
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
    private readonly bool _isPlan;
    private readonly PinnedMemory[] _buffers;
    private readonly CudaEvent[] _sent;
    private readonly bool[] _used = new bool[2];
    private int _turn;

    /// <param name="queue">Where it goes.</param>
    /// <param name="isPlan">Nothing is read or sent.</param>
    public MatrixUpload(CudaQueue queue, bool isPlan)
    {
        _queue = queue;
        _isPlan = isPlan;
        _buffers = [PinnedMemory.Allocate(queue.Context, BufferBytes), PinnedMemory.Allocate(queue.Context, BufferBytes)];
        _sent = [CudaEvent.Create(queue.Context), CudaEvent.Create(queue.Context)];
    }

    /// <summary>Writes one matrix of a stack.</summary>
    /// <exception cref="ArgumentException">A row does not fit the buffers.</exception>
    public void Write(ReadOnlySpan<MatrixSource> stacked, CudaMatrix matrix)
    {
        MatrixSource[] sources = MatrixSource.Flatten(stacked);
        if (matrix.Stack.Layout == CudaLayout.Tiles)
        {
            WriteTiles(new RowStack(sources), matrix);
            return;
        }
        if (matrix.Stack.Layout == CudaLayout.Panels)
        {
            WritePanels(Array.ConvertAll(sources, source => (CodedMatrix)source), matrix.Rows, matrix.Stack.Panels, matrix.Address);
            return;
        }
        int first = 0;
        foreach (MatrixSource source in sources)
        {
            Write(source, matrix, first);
            first += source.Rows;
        }
    }

    /// <summary>Writes a table row by row: as it is stored if its elements are plain, else as float32.</summary>
    public void WriteRaw(MatrixSource source, nint destination)
    {
        WeightCodec codec = WeightCodec.Of(WeightFormat.Of(source.PlainType ?? ElementType.F32));
        int size = codec.Format.Bits / 8;
        Send(source.Rows, (long)source.Columns * size, 0, destination, 0, (row, to, scale) => codec.Write(source, row, new RowTarget(to, 0, scale, 0)));
    }

    /// <summary>Writes codes as they are stored, one matrix below the other, in panels.</summary>
    public void WritePanels(CodedMatrix[] stacked, int rows, AffineLayout layout, nint destination) =>
        Send(AffinePanel.Count(rows), layout.PanelBytes, 0, destination, 0, (panel, to, _) => AffinePanel.Pack(stacked, rows, panel, layout, &CodePlanes.Pack, to));

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
        WeightCodec codec = WeightCodec.Of(stack.Format);
        long groupBytes = stack.Format.CodeBytes(stack.Format.GroupColumns);
        Send(source.Rows, rowBytes, scaleBytes, weights, scales, (row, to, scale) =>
            codec.Write(source, row, new RowTarget(to, groupBytes, scale, sizeof(float))));
    }

    /// <summary>Units of 32 rows: quantised as rows, then packed.</summary>
    private void WriteTiles(RowStack source, CudaMatrix matrix)
    {
        WeightCodec codec = WeightCodec.Of(matrix.Format);
        int columns = matrix.Columns, groups = columns / Int4Tiles.GroupColumns, rowBytes = (int)matrix.Format.CodeBytes(columns);
        long unitBytes = Int4Tiles.UnitCodeBytes(columns), scaleBytes = Int4Tiles.UnitScaleBytes(columns);
        Send(Int4Tiles.Units(source.Rows), unitBytes, scaleBytes, matrix.Address, matrix.Scales, (unit, to, unitScales) =>
        {
            int first = unit * Int4Tiles.UnitRows, rows = Math.Min(Int4Tiles.UnitRows, source.Rows - first);
            byte[] codes = ArrayPool<byte>.Shared.Rent(rows * rowBytes);
            float[] scales = ArrayPool<float>.Shared.Rent(rows * groups);
            fixed (byte* codeRows = codes)
            fixed (float* scaleRows = scales)
            {
                for (int row = 0; row < rows; row++)
                {
                    codec.Write(source, first + row, new RowTarget(codeRows + row * rowBytes, rowBytes / groups, scaleRows + row * groups, sizeof(float)));
                }
            }
            Int4Tiles.Pack(codes.AsSpan(0, rows * rowBytes), scales.AsSpan(0, rows * groups), columns, new Span<byte>(to, (int)unitBytes), new Span<float>(unitScales, groups * Int4Tiles.UnitRows));
            ArrayPool<byte>.Shared.Return(codes);
            ArrayPool<float>.Shared.Return(scales);
        });
    }

    private void Send(int rows, long rowBytes, long scaleBytes, nint weights, nint scales, RowWriter write)
    {
        int block = (int)(BufferBytes / (rowBytes + scaleBytes));
        ShapeCheck.Require(block > 0, "The rows are too long: a row with its scales takes more than 8 MiB.", nameof(rowBytes));
        for (int first = 0; first < rows && !_isPlan; first += block)
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

    /// <summary>Writes a row and its scales.</summary>
    private delegate void RowWriter(int row, byte* to, float* scales);
}
