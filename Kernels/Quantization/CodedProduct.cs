using Llama4Kernels.Kernels.Contracts;
using Llama4Kernels.Kernels.MatMul;

namespace Llama4Kernels.Kernels.Quantization;

/// <summary>
/// <see cref="MatMul.MatMul"/> on the host with codes as other tools store them and rows of x rounded to int8 for each 128 columns
/// (<see cref="Int8Operand"/>), integer times integer: what <see cref="AffineProduct"/> computes, where activations may be rounded.
/// FLOPs 2·T·in·out; weight bytes as stored, once from memory, whatever the number of tokens. All implementations and any number of
/// tokens or threads give the same bits: the order of sums is that of <see cref="CodedTiles"/>. A NaN or an infinity in a row of x
/// makes the row's outputs NaN. FP8 has no integers and is not read.
/// </summary>
internal static unsafe partial class CodedProduct
{
    /// <summary>The records, best first: one for each way to run, whatever the format.</summary>
    public static readonly CpuProduct[] Products =
    [
        Record("avx512vnni", limits => limits.WhyNoIntegerDot(), "assembled tiles of 4 rows with the integer dot product", (ws, in o) => Run(ws, o, null)),
        Record("v512", limits => limits.WhyNoBytes512(), "products of bytes in vectors of 512 bits", (ws, in o) => Run(ws, o, &CodedTiles.Vector512)),
        Record("v256", limits => limits.WhyNoBytes256(), "products of bytes in vectors of 256 bits", (ws, in o) => Run(ws, o, &CodedTiles.Vector256)),
        Record("v128", limits => limits.WhyNoVectors(128), "vectors of 128 bits", (ws, in o) => Run(ws, o, &CodedTiles.Vector128)),
        Record("scalar", _ => null, "no vectors, on every machine", (ws, in o) => Run(ws, o, &CodedTiles.Scalar)),
    ];

    private static CpuProduct Record(string name, Func<CpuLimits, string?> lack, string reason, CpuProduct.Launcher launch) =>
        new($"matmul_coded_int8_{name}", CpuLayout.Lines, null, ActivationPrecision.Int8, lack, reason, launch) { Except = WeightEncoding.E4M3 };
}
