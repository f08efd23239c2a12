using Llama4Kernels.Kernels.Contracts;
using Llama4Kernels.Kernels.Quantization;
using Llama4Kernels.Kernels.Threading;

namespace Llama4Kernels.Kernels.MatMul;

/// <summary>Packs matrices as the host's products read them, in pieces of bounded size, for files from which they are mapped.</summary>
public sealed unsafe class HostPacking : IDisposable
{
    /// <summary>Bytes that a piece takes at the most, where it is stored and packed, unless one panel takes more.</summary>
    public long PieceBytes { get; init; } = 64L << 20;

    private readonly ThreadTeam _team;
    private readonly CpuLinear _linear;

    /// <summary>Starts the threads.</summary>
    /// <param name="activations">What products may make of their activations: they decide which layout is read.</param>
    /// <param name="threads">As for the backend.</param>
    public HostPacking(ActivationPrecision activations, int threads)
    {
        _team = new ThreadTeam(threads);
        _linear = new CpuLinear(_team, activations, null);
    }

    /// <summary>How a stack of matrices is packed.</summary>
    /// <param name="stacked">The matrices.</param>
    /// <param name="format">The format; null keeps what is stored.</param>
    /// <exception cref="ArgumentException">No source, one without data, widths differ, a width that the format cannot have, or parts that stay in formats of their own.</exception>
    /// <exception cref="NotSupportedException">The processor has no product for the format, or its layout is not one that is saved.</exception>
    public PackedShape ShapeOf(ReadOnlySpan<MatrixSource> stacked, WeightFormat? format)
    {
        if (format is null && StackedMatrix.Runs(stacked).Count > 1)
        {
            throw new ArgumentException("Parts of it are stored in different formats and stay so, so that they are no single matrix.", nameof(stacked));
        }
        StackedSources shape = StackedSources.Check(stacked, format);
        CpuLayout layout = _linear.LayoutOf(shape);
        return layout.SavedAs(shape.Format) is { } saved
            ? new PackedShape(shape.Rows, shape.Columns, shape.Format, layout.Name, saved.Version)
            : throw new NotSupportedException($"{shape.Format} weights stay as they are stored.");
    }

    /// <summary>Packs and writes.</summary>
    /// <param name="stacked">The matrices.</param>
    /// <param name="shape">What <see cref="ShapeOf"/> said of them.</param>
    /// <param name="stream">Gets <see cref="SavedMatrix.BytesOf"/> bytes.</param>
    /// <param name="packed">Told after each piece which rows are done and not read again.</param>
    /// <param name="cancellation">Stops between pieces.</param>
    public void Write(ReadOnlySpan<MatrixSource> stacked, PackedShape shape, Stream stream, Action<MatrixSource>? packed, CancellationToken cancellation)
    {
        ArgumentNullException.ThrowIfNull(shape);
        ArgumentNullException.ThrowIfNull(stream);
        CpuLayout layout = _linear.LayoutOf(new StackedSources(shape.Rows, shape.Columns, shape.Format));
        SavedLayout saved = layout.SavedAs(shape.Format)!;
        MatrixSource[] flat = MatrixSource.Flatten(stacked);
        long panel = Math.Max(saved.PanelBytes(shape), flat.Sum(source => source.StoredBytes) / shape.Rows * saved.PanelRows);
        int step = checked((int)Math.Max(1, PieceBytes / panel) * saved.PanelRows);
        long left = saved.Bytes(shape);
        for (int first = 0; first < shape.Rows; first += step)
        {
            cancellation.ThrowIfCancellationRequested();
            MatrixSource[] rows = MatrixSource.Slice(flat, first, Math.Min(step, shape.Rows - first));
            using var piece = (CpuMatrix)layout.Pack(rows, shape.Format, _team);
            (nint address, long bytes) = piece.Memory;
            using (var memory = new UnmanagedMemoryStream((byte*)address, bytes))
            {
                memory.CopyTo(stream, 1 << 20);
            }
            left -= bytes;
            Array.ForEach(rows, source => packed?.Invoke(source));
        }
        stream.Write(new byte[left]);
    }

    /// <inheritdoc/>
    public void Dispose()
    {
        _linear.Dispose();
        _team.Dispose();
    }
}
