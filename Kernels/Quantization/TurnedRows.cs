using System.Buffers;
using System.Runtime.CompilerServices;
using System.Runtime.InteropServices;
using System.Runtime.Intrinsics;
using System.Runtime.Intrinsics.X86;
using Llama4Kernels.Kernels.Contracts;
using Llama4Kernels.Kernels.Numerics;

namespace Llama4Kernels.Kernels.Quantization;

/// <summary>
/// Rows of matrices whose columns lie together, as fused experts [in, out] do, for packing that reads rows: those of some panels are
/// turned at once, so that each visit to a page uses 256 bytes. Element by element, reading takes a cache line for each.
/// </summary>
internal sealed unsafe class TurnedRows : IDisposable
{
    // Panels that are turned together.
    private const int Panels = 4;

    // Columns that are asked for before they are read.
    private const int Ahead = 16;

    private const int LineBytes = 64, LineElements = LineBytes / sizeof(ushort);

    private readonly byte[] _memory;
    private GCHandle _pin;

    /// <param name="stack">Matrices of one width, one below the other.</param>
    /// <param name="first">The first row.</param>
    /// <param name="rows">How many; those beyond the last are none.</param>
    public TurnedRows(ReadOnlySpan<MatrixSource> stack, int first, int rows)
    {
        Sources = MatrixSource.Slice(stack, first, rows);
        _memory = ArrayPool<byte>.Shared.Rent(checked((int)(LineBytes + Sources.Sum(source => Needs(source) ? source.Rows * Stride(source.Columns) * sizeof(ushort) : 0))));
        _pin = GCHandle.Alloc(_memory, GCHandleType.Pinned);
        byte* at = (byte*)((_pin.AddrOfPinnedObject() + LineBytes - 1) & -LineBytes);
        for (int i = 0; i < Sources.Length; i++)
        {
            Sources[i] = Turn(Sources[i], ref at);
        }
    }

    /// <summary>The rows, and nothing else; valid until this is disposed.</summary>
    public MatrixSource[] Sources { get; }

    /// <summary>Panels that an item of packing takes: several where rows have to be turned, else one, as beside codes that are stored.</summary>
    public static int PanelsAtOnce(ReadOnlySpan<MatrixSource> stack)
    {
        int panels = 1;
        foreach (MatrixSource source in stack)
        {
            if (source is CodedMatrix and not QuantisedMatrix)
            {
                return 1;
            }
            panels = Needs(source) ? Panels : panels;
        }
        return panels;
    }

    public void Dispose()
    {
        if (_pin.IsAllocated)
        {
            _pin.Free();
            ArrayPool<byte>.Shared.Return(_memory);
        }
    }

    // Numbers of two bytes, as which experts are published.
    private static bool Needs(MatrixSource source) => source switch
    {
        QuantisedMatrix quantised => Needs(quantised.Numbers),
        StridedMatrix { RowStride: 1, ColumnStride: not 1, PlainType: { } type } => type.Size() == sizeof(ushort),
        _ => false,
    };

    // An odd number of cache lines: rows that are written together share none of the cache's sets.
    private static long Stride(int columns) => (((columns + (long)LineElements - 1) / LineElements) | 1) * LineElements;

    private static MatrixSource Turn(MatrixSource source, ref byte* at)
    {
        if (!Needs(source))
        {
            return source;
        }
        if (source is QuantisedMatrix quantised)
        {
            return new QuantisedMatrix(Turn(quantised.Numbers, ref at));
        }
        var columns = (StridedMatrix)source;
        long stride = Stride(columns.Columns);
        var rows = new StridedMatrix((nint)at, columns.Type, columns.Rows, columns.Columns, stride, 1);
        Turn((ushort*)columns.Data, columns.ColumnStride, columns.Rows, columns.Columns, (ushort*)at, stride);
        at += columns.Rows * stride * sizeof(ushort);
        return rows;
    }

    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    private static void Turn(ushort* from, long step, int rows, int columns, ushort* to, long stride)
    {
        int wholeRows = Sse2.IsSupported ? rows & ~7 : 0, wholeColumns = columns & ~7;
        for (int c = 0; c < wholeColumns && wholeRows > 0; c += 8)
        {
            ushort* own = from + c * step;
            for (int k = 0; k < 8; k++)
            {
                for (int r = 0; r < rows; r += LineElements)
                {
                    Sse.Prefetch0(own + (Ahead + k) * step + r);
                }
            }
            for (int r = 0; r < wholeRows; r += 8)
            {
                TurnEight(own + r, step, to + r * stride + c, stride);
            }
        }
        for (int c = 0; c < columns; c++)
        {
            for (int r = c < wholeColumns ? wholeRows : 0; r < rows; r++)
            {
                to[r * stride + c] = Unsafe.ReadUnaligned<ushort>(from + c * step + r);
            }
        }
    }

    /// <summary>Eight rows of eight columns.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static void TurnEight(ushort* from, long step, ushort* to, long stride)
    {
        // Pairs of columns of rows 0 … 3 and 4 … 7, then quads of two rows.
        (Vector128<uint> a, Vector128<uint> b) = Pairs(from, step);
        (Vector128<uint> c, Vector128<uint> d) = Pairs(from + 2 * step, step);
        (Vector128<uint> e, Vector128<uint> f) = Pairs(from + 4 * step, step);
        (Vector128<uint> g, Vector128<uint> h) = Pairs(from + 6 * step, step);
        Put(Sse2.UnpackLow(a, c), Sse2.UnpackLow(e, g), to, stride);
        Put(Sse2.UnpackHigh(a, c), Sse2.UnpackHigh(e, g), to + 2 * stride, stride);
        Put(Sse2.UnpackLow(b, d), Sse2.UnpackLow(f, h), to + 4 * stride, stride);
        Put(Sse2.UnpackHigh(b, d), Sse2.UnpackHigh(f, h), to + 6 * stride, stride);

        [MethodImpl(MethodImplOptions.AggressiveInlining)]
        static (Vector128<uint> Low, Vector128<uint> High) Pairs(ushort* from, long step)
        {
            Vector128<ushort> even = Vector128.Load(from), odd = Vector128.Load(from + step);
            return (Sse2.UnpackLow(even, odd).AsUInt32(), Sse2.UnpackHigh(even, odd).AsUInt32());
        }

        [MethodImpl(MethodImplOptions.AggressiveInlining)]
        static void Put(Vector128<uint> left, Vector128<uint> right, ushort* to, long stride)
        {
            Sse2.UnpackLow(left.AsUInt64(), right.AsUInt64()).AsUInt16().Store(to);
            Sse2.UnpackHigh(left.AsUInt64(), right.AsUInt64()).AsUInt16().Store(to + stride);
        }
    }
}
