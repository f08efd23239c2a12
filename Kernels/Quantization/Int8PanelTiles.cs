using System.Runtime.CompilerServices;
using System.Runtime.Intrinsics;
using Llama4Kernels.Kernels.MatMul;

namespace Llama4Kernels.Kernels.Quantization;

/// <summary>
/// Blocks of a panel of <see cref="Int8Panels"/> times a tile of 1, 2 or 4 rows of <see cref="Int8Operand"/>, added to a tile
/// [rows, 32]: one method for each way to run it, all with the same bits. In each run of 32 columns the integers are summed exactly,
/// the runs of 128 columns give, in ascending order, t = sum · scale for the first and t = fma(sum, scale, t) for the others, and then
/// y = fma(t, scale of x, y).
/// </summary>
internal static unsafe class Int8PanelTiles
{
    private const int PanelRows = Int8Panels.PanelRows, Runs = Int8Panels.Runs, Quads = Int8Panels.RunColumns / 4;

    private static readonly IntegerTiles s_tiles = new(AssembledInt8Tile.Emit);

    private static readonly IntegerTiles s_narrowDot = new((a, rows, ahead, near) => NarrowInt8Tile.Emit(a, rows, ahead, near, new ByteDot(true)));

    private static readonly IntegerTiles s_narrow = new((a, rows, ahead, near) => NarrowInt8Tile.Emit(a, rows, ahead, near, new ByteDot(false)));

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
        float* scales = stackalloc float[Runs * PanelRows];
        for (int g = 0; g < groups; g++, blocks += Int8Panels.BlockBytes, x += rows * Int8Panels.Operand.GroupBytes)
        {
            Scales(blocks, scales);
            for (int r = 0; r < rows; r++)
            {
                for (int n = 0; n < PanelRows; n++)
                {
                    float total = 0;
                    for (int run = 0; run < Runs; run++)
                    {
                        int sum = ((int*)x)[run * rows + r];
                        for (int quad = 0; quad < Quads; quad++)
                        {
                            byte* codes = blocks + run * Int8Panels.RunBytes + (quad * PanelRows + n) * 4;
                            sbyte* own = (sbyte*)Quad(x, rows, r, run, quad);
                            sum += codes[0] * own[0] + codes[1] * own[1] + codes[2] * own[2] + codes[3] * own[3];
                        }
                        total = run == 0 ? sum * scales[n] : MathF.FusedMultiplyAdd(sum, scales[run * PanelRows + n], total);
                    }
                    y[r * PanelRows + n] = MathF.FusedMultiplyAdd(total, ((float*)x)[Runs * rows + r], y[r * PanelRows + n]);
                }
            }
        }
    }

    /// <summary>Four columns of a row of x.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static uint* Quad(byte* x, int rows, int row, int run, int quad) => (uint*)x + (Runs + 1 + run * Quads + quad) * rows + row;

    /// <summary>A block's scales, [run, output].</summary>
    private static void Scales(byte* block, float* scales)
    {
        for (int run = 0; run < Runs; run++)
        {
            ushort* halves = (ushort*)(block + run * Int8Panels.RunBytes + Int8Panels.CodeBytes);
            AffineParameters.Halves(halves).Store(scales + run * PanelRows);
            AffineParameters.Halves(halves + PanelRows / 2).Store(scales + run * PanelRows + PanelRows / 2);
        }
    }

    /// <summary>Products of unsigned with signed bytes leave 16 bits: low and high halves of codes are summed apart.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static void Vectors<TLanes, TBytes, TShorts, TInts>(byte* blocks, byte* x, int rows, int groups, float* y, Lookahead ahead)
        where TLanes : IByteLanes<TBytes, TShorts, TInts>
        where TBytes : struct
        where TShorts : struct
        where TInts : struct
    {
        float* scales = stackalloc float[Runs * PanelRows], totals = stackalloc float[PanelRows];
        for (int g = 0; g < groups; g++, blocks += Int8Panels.BlockBytes, x += rows * Int8Panels.Operand.GroupBytes)
        {
            Scales(blocks, scales);
            for (int r = 0; r < rows; r++)
            {
                float scale = ((float*)x)[Runs * rows + r];
                for (int n = 0; n < PanelRows; n += TLanes.Outputs)
                {
                    for (int run = 0; run < Runs; run++)
                    {
                        if (r == 0)
                        {
                            int part = n / TLanes.Outputs * Runs + run;
                            ahead.Ask(g, Int8Panels.BlockBytes, part, part + 1, PanelRows / TLanes.Outputs * Runs);
                        }
                        TShorts low = default, high = default;
                        for (int quad = 0; quad < Quads; quad++)
                        {
                            (TBytes lows, TBytes highs) = TLanes.Halves(TLanes.Load(blocks + run * Int8Panels.RunBytes + (quad * PanelRows + n) * 4));
                            uint own = *Quad(x, rows, r, run, quad);
                            low = TLanes.AddProducts(low, lows, own);
                            high = TLanes.AddProducts(high, highs, own);
                        }
                        TInts sum = TLanes.Join(TLanes.AddPairs(default, low), TLanes.AddPairs(default, high), ((int*)x)[run * rows + r]);
                        TLanes.Fold(sum, scales + run * PanelRows + n, totals + n, run == 0);
                    }
                    TLanes.AddScaled(totals + n, scale, y + r * PanelRows + n);
                }
            }
        }
    }
}
