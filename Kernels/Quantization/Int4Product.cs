using Llama4Kernels.Kernels.Contracts;
using Llama4Kernels.Kernels.MatMul;

namespace Llama4Kernels.Kernels.Quantization;

/// <summary>
/// <see cref="MatMul.MatMul"/> on the host with int4 weights and rows of x rounded to int8 for each 128 columns
/// (<see cref="Int8Operand"/>), integer times integer. FLOPs 2·T·in·out; weight bytes 0.53·in·out once from memory, whatever the
/// number of tokens. All implementations and any number of tokens or threads give the same bits: in a group sums are exact, and
/// groups are added in ascending order. A NaN or an infinity in a row of x makes the row's outputs NaN.
/// </summary>
internal static unsafe partial class Int4Product
{
    /// <summary>The records, best first.</summary>
    public static readonly CpuProduct[] Products =
    [
        Record("avx512vnni", limits => limits.WhyNoIntegerDot(), "assembled tiles of 4 rows with the integer dot product", (ws, in o) => Run(ws, o, &Int4PanelTiles.Assembled)),
        Record("avxvnni", limits => limits.WhyNoIntegerDot256(), "the same in vectors of 256 bits", (ws, in o) => Run(ws, o, &Int4PanelTiles.NarrowDot)),
        Record("avx2", limits => limits.WhyNoAssembly256(), "assembled tiles of 4 rows with products of bytes in vectors of 256 bits", (ws, in o) => Run(ws, o, &Int4PanelTiles.Narrow)),
        Record("v512", limits => limits.WhyNoBytes512(), "products of bytes in vectors of 512 bits, tiles of 4 rows", (ws, in o) => Run(ws, o, &Int4PanelTiles.Vector512)),
        Record("v256", limits => limits.WhyNoBytes256(), "products of bytes in vectors of 256 bits, tiles of 4 rows", (ws, in o) => Run(ws, o, &Int4PanelTiles.Vector256)),
        Record("v128", limits => limits.WhyNoVectors(128), "vectors of 128 bits, tiles of 4 rows", (ws, in o) => Run(ws, o, &Int4PanelTiles.Vector128)),
        Record("scalar", _ => null, "no vectors, on every machine", (ws, in o) => Run(ws, o, &Int4PanelTiles.Scalar)),
    ];

    private static CpuProduct Record(string name, Func<CpuLimits, string?> lack, string reason, CpuProduct.Launcher launch) =>
        new($"matmul_int4_int8_{name}", CpuLayout.IntegerPanels, WeightFormat.Int4, ActivationPrecision.Int8, lack, reason, launch);
}
