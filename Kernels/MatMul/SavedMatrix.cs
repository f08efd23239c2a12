using System.Runtime.InteropServices;
using Llama4Kernels.Kernels.Contracts;
using Llama4Kernels.Kernels.Numerics;
using Llama4Kernels.Kernels.Quantization;

namespace Llama4Kernels.Kernels.MatMul;

/// <summary>
/// Rows of a matrix that was saved as the host's products read it. The whole of it is multiplied where it lies, if they still read
/// that layout; all else takes it apart, with the codes and scales that it has.
/// </summary>
public sealed unsafe record SavedMatrix : MatrixSource
{
    private static readonly CpuLayout[] s_layouts = [.. CpuProducts.All.Select(record => record.Layout).Where(layout => layout.Saved is not null).Distinct()];

    // Elements that are read at once.
    private const int Piece = 128;

    private readonly SavedLayout _layout;
    private readonly int _first;

    /// <summary>A saved matrix.</summary>
    /// <param name="shape">How it lies.</param>
    /// <param name="data">Its first byte.</param>
    /// <param name="memory">What keeps the memory mapped: a matrix that is mapped there holds it.</param>
    /// <exception cref="ArgumentException">The shape is none that can be read, see <see cref="WhyNot"/>.</exception>
    public SavedMatrix(PackedShape shape, nint data, SafeHandle memory)
        : base(shape?.Rows ?? 0, shape?.Columns ?? 0)
    {
        ArgumentNullException.ThrowIfNull(shape);
        ArgumentNullException.ThrowIfNull(memory);
        if (WhyNot(shape) is string reason)
        {
            throw new ArgumentException(reason, nameof(shape));
        }
        (Shape, Data, Memory, PlainType, _layout) = (shape, data, memory, shape.Format.PlainType, LayoutOf(shape)!);
    }

    /// <summary>How all of the matrix lies.</summary>
    public PackedShape Shape { get; }

    /// <summary>The first byte of all of it.</summary>
    public nint Data { get; }

    /// <summary>What keeps it mapped.</summary>
    public SafeHandle Memory { get; }

    /// <inheritdoc/>
    public override ElementType? PlainType { get; }

    /// <inheritdoc/>
    public override WeightFormat Format => Shape.Format;

    /// <summary>The panels that hold the rows.</summary>
    public override IEnumerable<(nint Address, long Bytes)> Extents
    {
        get
        {
            long panel = _layout.PanelBytes(Shape), first = _first / _layout.PanelRows, end = ((long)_first + Rows - 1) / _layout.PanelRows + 1;
            yield return (Data + (nint)(first * panel), (end - first) * panel);
        }
    }

    /// <summary>Why nothing can be read from a matrix of a shape, or null if it can.</summary>
    public static string? WhyNot(PackedShape shape)
    {
        ArgumentNullException.ThrowIfNull(shape);
        return shape.Rows <= 0 || shape.Columns <= 0 ? $"A matrix cannot be [{shape.Rows}, {shape.Columns}]."
            : LayoutOf(shape) is null
                ? $"It is {shape}, which this version of the engine does not know; it knows {string.Join(", ", s_layouts.Select(layout => $"{layout.Name} version {layout.Saved!.Version}"))}. Quantise the original checkpoint again."
            : shape.Format.WhyNot(shape.Columns);
    }

    /// <summary>Bytes of a matrix of a shape where it is saved, a multiple of <see cref="PackedShape.Alignment"/>.</summary>
    /// <exception cref="ArgumentException">The shape is none that can be read.</exception>
    /// <exception cref="OverflowException">It has more bytes than 64 bits count.</exception>
    public static long BytesOf(PackedShape shape) =>
        WhyNot(shape) is string reason ? throw new ArgumentException(reason, nameof(shape)) : LayoutOf(shape)!.Bytes(shape);

    /// <summary>Some of its rows.</summary>
    /// <param name="first">The first.</param>
    /// <param name="rows">How many.</param>
    /// <exception cref="ArgumentOutOfRangeException">It has no such rows.</exception>
    public SavedMatrix Part(int first, int rows)
    {
        ArgumentOutOfRangeException.ThrowIfNegative(first);
        ArgumentOutOfRangeException.ThrowIfNegativeOrZero(rows);
        ArgumentOutOfRangeException.ThrowIfGreaterThan(rows, Rows - first);
        return new SavedMatrix(this, _first + first, rows);
    }

    /// <summary>What packing takes it for: codes in a form that files have are taken apart as those are.</summary>
    public MatrixSource AsSource() => PlainType is not null || WeightFormat.All.Contains(Format) ? this : new SavedCodes(this);

    /// <summary>Reads adjacent elements of one group, see <see cref="SavedLayout.Reader"/>.</summary>
    internal float ReadElements(int row, int column, int width, byte* elements) => _layout.Read((byte*)Data, Shape, _first + row, column, width, elements);

    /// <summary>The matrix that a stack is the whole of, mapped, if the layout is the one that is wanted.</summary>
    /// <param name="stacked">What is to be packed.</param>
    /// <param name="shape">What it is to become.</param>
    /// <param name="layout">The layout that products read.</param>
    /// <param name="reason">Why it must be packed again; null if it was not saved packed, or another format is wanted.</param>
    internal static CpuMatrix? TryMap(ReadOnlySpan<MatrixSource> stacked, in StackedSources shape, CpuLayout layout, out string? reason)
    {
        reason = null;
        MatrixSource[] flat = Flatten(stacked);
        if (flat.Select(Of).FirstOrDefault(source => source is not null) is not { } saved || saved.Shape.Format != shape.Format)
        {
            return null;
        }
        reason = layout.Name != saved.Shape.Layout || layout.Saved?.Version != saved.Shape.Version
            ? $"{saved.Shape}, but products here read {layout.Name}{(layout.Saved is { } now ? $" version {now.Version}" : "")}"
            : flat.Length > 1 || saved.Rows != saved.Shape.Rows ? $"{saved.Shape}, but stacked in another way"
            : saved.Data % PackedShape.Alignment != 0 ? $"{saved.Shape}, but not at a multiple of {PackedShape.Alignment} bytes"
            : null;
        return reason is null ? layout.Saved!.Map(saved) : null;
    }

    /// <inheritdoc/>
    internal override SavedMatrix Slice(int first, int rows) => Part(first, rows);

    /// <inheritdoc/>
    internal override MatrixSource? TryJoin(MatrixSource below) =>
        below is SavedMatrix next && next.Data == Data && next.Shape == Shape && next._first == _first + Rows ? new SavedMatrix(this, _first, Rows + next.Rows) : null;

    /// <inheritdoc/>
    internal override void Read(int row, int column, int width, float* values)
    {
        byte* elements = stackalloc byte[Piece * sizeof(float)];
        int group = Format.Group(Columns);
        for (int end = column + width, count; column < end; column += count, values += count)
        {
            count = Math.Min(Piece, Math.Min(end - column, group - column % group));
            float scale = ReadElements(row, column, count, elements);
            if (PlainType is ElementType type)
            {
                StridedMatrix.Decode(type, elements, count, values);
                continue;
            }
            for (int c = 0; c < count; c++)
            {
                values[c] = Format.Weight(Format.Value(elements[c]), scale, -0f);
            }
        }
    }

    /// <inheritdoc/>
    internal override void Copy(int row, int column, int width, byte* elements) => ReadElements(row, column, width, elements);

    /// <inheritdoc/>
    internal override void Check()
    {
        if (Data == 0)
        {
            throw new ArgumentException($"A matrix [{Rows}, {Columns}] has no memory.");
        }
    }

    private SavedMatrix(SavedMatrix whole, int first, int rows)
        : base(rows, whole.Columns)
    {
        (Shape, Data, Memory, PlainType, _layout, _first) = (whole.Shape, whole.Data, whole.Memory, whole.PlainType, whole._layout, first);
    }

    private static SavedMatrix? Of(MatrixSource source) => source as SavedMatrix ?? (source as SavedCodes)?.Saved;

    private static SavedLayout? LayoutOf(PackedShape shape) =>
        Array.Find(s_layouts, layout => layout.Name == shape.Layout && layout.SavedAs(shape.Format)?.Version == shape.Version
            && Array.Exists(CpuProducts.All, record => record.Layout == layout && record.Reads(shape.Format)))?.Saved;
}
