using System.Runtime.CompilerServices;

namespace Llama4Kernels.Kernels.Quantization;

/// <summary>
/// Spans of a panel (<see cref="CodedSpan"/>) times a tile of 1, 2 or 4 rows of <see cref="Int8Operand"/>, added to a tile
/// [rows, 32]: one method for each way to run it without assembled code, all with the bits of <see cref="AssembledCodedTile"/>. In a
/// run integers are summed exactly; the runs of a group of 128 columns give, in ascending order, t = sum · s for the first and
/// t = fma(sum, s, t) for the others, each followed by t = fma(β, sum of x, t) where there are offsets; those of two levels, −d'·m,
/// follow all runs instead: t = fma(Σ m · sum of x, −d', t), the sum exact. Then y = fma(t, scale of x, y).
/// </summary>
internal static unsafe class CodedTiles
{
    private const int PanelRows = AffineLayout.PanelRows, GroupColumns = Int8Form.GroupColumns, LineBytes = PanelRows * 4;

    /// <summary>Bytes of a decoded group, a byte for each code.</summary>
    private const int GroupBytes = PanelRows * GroupColumns;

    // Quads of sums of 16 bits: each two products of at most 15 · 127.
    private const int ShortQuads = 8;

    /// <summary>Vectors of 512 bits, AVX-512 BW.</summary>
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    public static void Vector512(in CodedSpan span, byte* codes, byte* x, float* parameters, int rows, int spans, float* y) =>
        Vectors<ByteLanes512, System.Runtime.Intrinsics.Vector512<byte>, System.Runtime.Intrinsics.Vector512<short>, System.Runtime.Intrinsics.Vector512<int>>(span, codes, x, parameters, rows, spans, y);

    /// <summary>Vectors of 256 bits, AVX2.</summary>
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    public static void Vector256(in CodedSpan span, byte* codes, byte* x, float* parameters, int rows, int spans, float* y) =>
        Vectors<ByteLanes256, System.Runtime.Intrinsics.Vector256<byte>, System.Runtime.Intrinsics.Vector256<short>, System.Runtime.Intrinsics.Vector256<int>>(span, codes, x, parameters, rows, spans, y);

    /// <summary>Vectors of 128 bits of whatever processor.</summary>
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    public static void Vector128(in CodedSpan span, byte* codes, byte* x, float* parameters, int rows, int spans, float* y) =>
        Vectors<ByteLanes128, System.Runtime.Intrinsics.Vector128<byte>, System.Runtime.Intrinsics.Vector128<short>, System.Runtime.Intrinsics.Vector128<int>>(span, codes, x, parameters, rows, spans, y);

    /// <summary>No vectors.</summary>
    public static void Scalar(in CodedSpan span, byte* codes, byte* x, float* parameters, int rows, int spans, float* y)
    {
        int groups = spans * span.Groups;
        for (int g = 0; g < groups; g++, x += rows * span.Operand.GroupBytes)
        {
            byte* own = codes + (long)(g / span.Groups) * span.Bytes;
            float* scales = parameters + (long)(g / span.Groups) * span.FloatStride;
            int first = g % span.Groups * GroupColumns;
            for (int i = 0; i < rows * PanelRows; i++)
            {
                y[i] = Scalar(span, own, first, x, scales, rows, i / PanelRows, i % PanelRows, y[i]);
            }
        }
    }

    private static float Scalar(in CodedSpan span, byte* codes, int first, byte* x, float* parameters, int rows, int row, int lane, float y)
    {
        float total = 0;
        for (int column = first; column < first + GroupColumns; column += span.Run)
        {
            int* start = Start(span, x, rows, column - first) + row;
            int sum = span.HasOffsets ? 0 : *start;
            for (int c = column; c < column + span.Run; c++)
            {
                uint* words = (uint*)(codes + span.LineAt(c, 0)) + lane;
                sum += span.Byte(CodeLines.Code(span.Bits, words, c % span.SlabColumns)) * ((sbyte*)Quad(span, x, rows, row, c - first))[c % 4];
            }
            float* scales = Scales(span, parameters, column) + lane;
            total = column == first ? sum * *scales : MathF.FusedMultiplyAdd(sum, *scales, total);
            if (span.HasOffsets && !span.HasPairs)
            {
                total = MathF.FusedMultiplyAdd(scales[PanelRows], *(float*)start, total);
            }
        }
        if (span.HasPairs)
        {
            int offset = 0;
            for (int run = 0; run < span.Operand.Runs; run++)
            {
                short* pair = (short*)(Scales(span, parameters, first + run / 2 * 2 * span.Run) + PanelRows + lane);
                offset += pair[run % 2] * ((short*)Pair(x, rows, row, run / 2))[run % 2];
            }
            total = MathF.FusedMultiplyAdd(offset, Scales(span, parameters, first + span.Run)[PanelRows + lane], total);
        }
        return MathF.FusedMultiplyAdd(total, Scale(span, x, rows)[row], y);
    }

    /// <summary>The first row's sum of a run of a group of x.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static int* Start(in CodedSpan span, byte* x, int rows, int column) => (int*)x + column / span.Run * rows;

    /// <summary>A row's sums of two runs of a group of x.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static uint* Pair(byte* x, int rows, int row, int pair) => (uint*)x + pair * rows + row;

    /// <summary>The first row's scale of a group of x.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static float* Scale(in CodedSpan span, byte* x, int rows) => (float*)x + span.Operand.SumWords * rows;

    /// <summary>Four codes of a row of a group of x.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static uint* Quad(in CodedSpan span, byte* x, int rows, int row, int column) => (uint*)x + (span.Operand.SumWords + 1 + column / 4) * rows + row;

    /// <summary>The scales of the run that has a column of a span.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static float* Scales(in CodedSpan span, float* parameters, int column) => parameters + (span.IsRow ? 0 : column / span.Run * span.RunFloats);

    [SkipLocalsInit]
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static void Vectors<TLanes, TBytes, TShorts, TInts>(in CodedSpan span, byte* codes, byte* x, float* parameters, int rows, int spans, float* y)
        where TLanes : IByteLanes<TBytes, TShorts, TInts>
        where TBytes : struct
        where TShorts : struct
        where TInts : struct
    {
        byte* low = stackalloc byte[2 * GroupBytes];
        byte* high = span.IsTable || span.Bits > 4 ? low + GroupBytes : null;
        float* totals = stackalloc float[PanelRows];
        byte* table = stackalloc byte[16];
        for (int i = 0; span.IsTable && i < 16; i++)
        {
            table[i] = span.Byte(i);
        }
        int groups = spans * span.Groups;
        for (int g = 0; g < groups; g++, x += rows * span.Operand.GroupBytes)
        {
            int first = g % span.Groups * GroupColumns;
            Decode<TLanes, TBytes, TShorts, TInts>(span, codes + (long)(g / span.Groups) * span.Bytes, first, table, low, high);
            float* scales = Scales(span, parameters + (long)(g / span.Groups) * span.FloatStride, first);
            for (int r = 0; r < rows; r++)
            {
                Group<TLanes, TBytes, TShorts, TInts>(span, low, high, x, scales, rows, r, totals, y + r * PanelRows);
            }
        }
    }

    /// <summary>The low halves of a group's bytes, and the high ones if they have such: 32 quads of 32 rows.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static void Decode<TLanes, TBytes, TShorts, TInts>(in CodedSpan span, byte* codes, int first, byte* table, byte* low, byte* high)
        where TLanes : IByteLanes<TBytes, TShorts, TInts>
        where TBytes : struct
        where TShorts : struct
        where TInts : struct
    {
        int bits = span.Bits, lowBits = CodeLines.LowBits(bits);
        byte lowMask = (byte)((1 << lowBits) - 1), highMask = (byte)((1 << (bits - lowBits)) - 1);
        for (int column = first; column < first + GroupColumns; column += 4)
        {
            (int word, int shift) = CodeLines.Low(bits, column % span.SlabColumns);
            byte* line = codes + span.LineAt(column, word), rest = null;
            int restShift = 0;
            if (bits > lowBits)
            {
                (word, restShift) = CodeLines.High(bits, column % span.SlabColumns);
                rest = codes + span.LineAt(column, word);
            }
            for (int n = 0; n < LineBytes; n += 4 * TLanes.Outputs, low += 4 * TLanes.Outputs)
            {
                TBytes own = TLanes.Bits(TLanes.Load(line + n), shift, lowMask);
                if (rest != null)
                {
                    own = TLanes.Join(own, TLanes.Bits(TLanes.Load(rest + n), restShift, highMask), lowBits);
                }
                if (span.IsTable)
                {
                    own = TLanes.Look(own, table);
                }
                if (high == null)
                {
                    TLanes.Store(own, low);
                    continue;
                }
                (TBytes lower, TBytes upper) = TLanes.Halves(own);
                TLanes.Store(lower, low);
                TLanes.Store(upper, high);
                high += 4 * TLanes.Outputs;
            }
        }
    }

    /// <summary>A decoded group times a row.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static void Group<TLanes, TBytes, TShorts, TInts>(in CodedSpan span, byte* low, byte* high, byte* x, float* parameters, int rows, int row, float* totals, float* y)
        where TLanes : IByteLanes<TBytes, TShorts, TInts>
        where TBytes : struct
        where TShorts : struct
        where TInts : struct
    {
        int quads = span.Run / 4;
        float scale = Scale(span, x, rows)[row];
        for (int run = 0; run < GroupColumns / span.Run; run++)
        {
            uint* of = Quad(span, x, rows, row, run * span.Run);
            int* start = Start(span, x, rows, run * span.Run) + row;
            float* scales = parameters + (span.IsRow ? 0 : run * span.RunFloats);
            for (int n = 0; n < PanelRows; n += TLanes.Outputs)
            {
                long at = (long)run * quads * LineBytes + 4 * n;
                TInts sum = Dot<TLanes, TBytes, TShorts, TInts>(low + at, of, quads, rows);
                TInts upper = high == null ? default : Dot<TLanes, TBytes, TShorts, TInts>(high + at, of, quads, rows);
                TLanes.Fold(TLanes.Join(sum, upper, span.HasOffsets ? 0 : *start), scales + n, totals + n, run == 0);
                if (span.HasOffsets && !span.HasPairs)
                {
                    TLanes.AddScaled(scales + PanelRows + n, *(float*)start, totals + n);
                }
            }
        }
        for (int n = 0; span.HasPairs && n < PanelRows; n += TLanes.Outputs)
        {
            TInts sum = default;
            for (int pair = 0; pair < span.Operand.SumWords; pair++)
            {
                sum = TLanes.AddWords(sum, TLanes.Load((byte*)(parameters + 2 * pair * span.RunFloats + PanelRows + n)), *Pair(x, rows, row, pair));
            }
            TLanes.Fold(sum, parameters + span.RunFloats + PanelRows + n, totals + n, isFirst: false);
        }
        for (int n = 0; n < PanelRows; n += TLanes.Outputs)
        {
            TLanes.AddScaled(totals + n, scale, y + n);
        }
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static TInts Dot<TLanes, TBytes, TShorts, TInts>(byte* halves, uint* x, int quads, int rows)
        where TLanes : IByteLanes<TBytes, TShorts, TInts>
        where TBytes : struct
        where TShorts : struct
        where TInts : struct
    {
        TInts sum = default;
        for (int first = 0; first < quads; first += ShortQuads)
        {
            TShorts pairs = default;
            for (int q = first; q < Math.Min(quads, first + ShortQuads); q++)
            {
                pairs = TLanes.AddProducts(pairs, TLanes.Load(halves + q * LineBytes), x[q * rows]);
            }
            sum = TLanes.AddPairs(sum, pairs);
        }
        return sum;
    }
}
