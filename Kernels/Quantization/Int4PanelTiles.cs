using System.Runtime.CompilerServices;
using Llama4Kernels.Kernels.MatMul;

namespace Llama4Kernels.Kernels.Quantization;

/// <summary>
/// Blocks of a panel of <see cref="Int4Panels"/> times a tile of 1, 2 or 4 rows of <see cref="Int8Operand"/>, added to a tile
/// [rows, 64]: one method for each way to run it, all with the same bits. In each group the integers are summed exactly, then
/// y = fma(sum, scale of the weights · scale of x, y), groups in ascending order.
/// </summary>
internal static unsafe class Int4PanelTiles
{
    private const int PanelRows = Int4Panels.PanelRows, Steps = Int4Panels.GroupColumns / 8, LineBytes = 64;

    // Steps of sums of 16 bits: 4 steps · 2 halves · 2 products of at most 15 · 127 each.
    private const int ShortSteps = 4;

    private static readonly IntegerTiles s_tiles = new(AssembledInt4Tile.Emit);

    private static readonly IntegerTiles s_narrowDot = new((a, rows, ahead, near) => NarrowInt4Tile.Emit(a, rows, ahead, near, new ByteDot(true)));

    private static readonly IntegerTiles s_narrow = new((a, rows, ahead, near) => NarrowInt4Tile.Emit(a, rows, ahead, near, new ByteDot(false)));

    /// <summary>Assembled, with the integer dot product.</summary>
    public static void Assembled(byte* blocks, byte* x, int rows, int groups, float* y, Lookahead ahead) => s_tiles.Run(blocks, x, rows, groups, y, ahead);

    /// <summary>Assembled for vectors of 256 bits, with their integer dot product.</summary>
    public static void NarrowDot(byte* blocks, byte* x, int rows, int groups, float* y, Lookahead ahead) => s_narrowDot.Run(blocks, x, rows, groups, y, ahead);

    /// <summary>Assembled for AVX2.</summary>
    public static void Narrow(byte* blocks, byte* x, int rows, int groups, float* y, Lookahead ahead) => s_narrow.Run(blocks, x, rows, groups, y, ahead);

    /// <summary>Vectors of 512 bits, AVX-512 BW.</summary>
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    public static void Vector512(byte* blocks, byte* x, int rows, int groups, float* y, Lookahead ahead) =>
        Vectors<ByteLanes512, System.Runtime.Intrinsics.Vector512<byte>, System.Runtime.Intrinsics.Vector512<short>, System.Runtime.Intrinsics.Vector512<int>>(blocks, x, rows, groups, y, ahead);

    /// <summary>Vectors of 256 bits, AVX2.</summary>
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    public static void Vector256(byte* blocks, byte* x, int rows, int groups, float* y, Lookahead ahead) =>
        Vectors<ByteLanes256, System.Runtime.Intrinsics.Vector256<byte>, System.Runtime.Intrinsics.Vector256<short>, System.Runtime.Intrinsics.Vector256<int>>(blocks, x, rows, groups, y, ahead);

    /// <summary>Vectors of 128 bits of whatever processor.</summary>
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    public static void Vector128(byte* blocks, byte* x, int rows, int groups, float* y, Lookahead ahead) =>
        Vectors<ByteLanes128, System.Runtime.Intrinsics.Vector128<byte>, System.Runtime.Intrinsics.Vector128<short>, System.Runtime.Intrinsics.Vector128<int>>(blocks, x, rows, groups, y, ahead);

    /// <summary>No vectors.</summary>
    public static void Scalar(byte* blocks, byte* x, int rows, int groups, float* y, Lookahead ahead)
    {
        for (int g = 0; g < groups; g++, blocks += Int4Panels.BlockBytes, x += rows * Int4Panels.Operand.GroupBytes)
        {
            float* scales = (float*)(blocks + Int4Panels.CodeBytes);
            for (int r = 0; r < rows; r++)
            {
                for (int n = 0; n < PanelRows; n++)
                {
                    int sum = ((int*)x)[r];
                    for (int step = 0; step < Steps; step++)
                    {
                        byte* codes = blocks + step * PanelRows * 4 + n * 4;
                        sbyte* low = (sbyte*)Quads(x, rows, r, step), high = low + 4 * rows;
                        for (int j = 0; j < 4; j++)
                        {
                            sum += (codes[j] & 15) * low[j] + (codes[j] >> 4) * high[j];
                        }
                    }
                    float* to = y + r * PanelRows + n;
                    *to = MathF.FusedMultiplyAdd(sum, scales[n] * ((float*)x)[rows + r], *to);
                }
            }
        }
    }

    /// <summary>The first of a row's two quads of a step; the other lies <paramref name="rows"/> quads behind it.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static uint* Quads(byte* x, int rows, int row, int step) => (uint*)x + 2 * rows + 2 * rows * step + row;

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static void Vectors<TLanes, TBytes, TShorts, TInts>(byte* blocks, byte* x, int rows, int groups, float* y, Lookahead ahead)
        where TLanes : IByteLanes<TBytes, TShorts, TInts>
        where TBytes : struct
        where TShorts : struct
        where TInts : struct
    {
        for (int g = 0; g < groups; g++, blocks += Int4Panels.BlockBytes, x += rows * Int4Panels.Operand.GroupBytes)
        {
            for (int n = 0; n < PanelRows; n += TLanes.Outputs)
            {
                ahead.Ask(g, Int4Panels.BlockBytes, n, n + TLanes.Outputs, PanelRows);
                if (rows == Int8Operand.TileRows)
                {
                    Four<TLanes, TBytes, TShorts, TInts>(blocks, x, n, y);
                    continue;
                }
                for (int r = 0; r < rows; r++)
                {
                    One<TLanes, TBytes, TShorts, TInts>(blocks, x, rows, r, n, y);
                }
            }
        }
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static void One<TLanes, TBytes, TShorts, TInts>(byte* block, byte* x, int rows, int row, int n, float* y)
        where TLanes : IByteLanes<TBytes, TShorts, TInts>
        where TBytes : struct
        where TShorts : struct
        where TInts : struct
    {
        TInts sum = default;
        for (int first = 0; first < Steps; first += ShortSteps)
        {
            TShorts pairs = default;
            for (int step = first; step < first + ShortSteps; step++)
            {
                (TBytes low, TBytes high) = TLanes.Halves(TLanes.Load(block + step * 4 * LineBytes + n * 4));
                uint* quads = Quads(x, rows, row, step);
                pairs = TLanes.AddProducts(TLanes.AddProducts(pairs, low, quads[0]), high, quads[rows]);
            }
            sum = TLanes.AddPairs(sum, pairs);
        }
        TLanes.Fold(sum, ((int*)x)[row], (float*)(block + Int4Panels.CodeBytes) + n, ((float*)x)[rows + row], y + row * PanelRows + n);
    }

    /// <summary>A whole tile shares the decoded weights.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static void Four<TLanes, TBytes, TShorts, TInts>(byte* block, byte* x, int n, float* y)
        where TLanes : IByteLanes<TBytes, TShorts, TInts>
        where TBytes : struct
        where TShorts : struct
        where TInts : struct
    {
        TInts s0 = default, s1 = default, s2 = default, s3 = default;
        byte* line = block + n * 4;
        uint* quads = Quads(x, Int8Operand.TileRows, 0, 0);
        for (byte* end = line + Steps * 4 * LineBytes; line < end;)
        {
            TShorts p0 = default, p1 = default, p2 = default, p3 = default;
            for (byte* stop = line + ShortSteps * 4 * LineBytes; line < stop; line += 4 * LineBytes, quads += 2 * Int8Operand.TileRows)
            {
                (TBytes low, TBytes high) = TLanes.Halves(TLanes.Load(line));
                p0 = TLanes.AddProducts(TLanes.AddProducts(p0, low, quads[0]), high, quads[4]);
                p1 = TLanes.AddProducts(TLanes.AddProducts(p1, low, quads[1]), high, quads[5]);
                p2 = TLanes.AddProducts(TLanes.AddProducts(p2, low, quads[2]), high, quads[6]);
                p3 = TLanes.AddProducts(TLanes.AddProducts(p3, low, quads[3]), high, quads[7]);
            }
            s0 = TLanes.AddPairs(s0, p0);
            s1 = TLanes.AddPairs(s1, p1);
            s2 = TLanes.AddPairs(s2, p2);
            s3 = TLanes.AddPairs(s3, p3);
        }
        int* starts = (int*)x;
        float* of = (float*)x + Int8Operand.TileRows, scales = (float*)(block + Int4Panels.CodeBytes) + n, to = y + n;
        TLanes.Fold(s0, starts[0], scales, of[0], to);
        TLanes.Fold(s1, starts[1], scales, of[1], to + PanelRows);
        TLanes.Fold(s2, starts[2], scales, of[2], to + 2 * PanelRows);
        TLanes.Fold(s3, starts[3], scales, of[3], to + 3 * PanelRows);
    }
}
