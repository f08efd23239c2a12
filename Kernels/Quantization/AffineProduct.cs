using System.Runtime.Intrinsics;
using Llama4Kernels.Kernels.Contracts;
using Llama4Kernels.Kernels.MatMul;

namespace Llama4Kernels.Kernels.Quantization;

/// <summary>
/// <see cref="MatMul.MatMul"/> on the host with weights w = s·c + β that are decoded on the way: each weight is the float32
/// that its code, scale and offset stand for. FLOPs 2·T·in·out; weight bytes as stored, per 96 tokens. An output is the sum, in
/// ascending order, of the sums of 128 columns, each of those one accumulator in ascending column order: it depends neither on
/// the number of tokens, nor on the threads, nor on the width of vectors. NaN propagates.
/// </summary>
internal static unsafe partial class AffineProduct
{
    /// <summary>The records, best first: one for each way to run, whatever the format.</summary>
    public static readonly CpuProduct[] Products =
    [
        Record("avx512", limits => limits.WhyNoAssembly(), "vectors of 512 bits; from five rows on assembled tiles over decoded weights",
            (ws, in o) => Run<Lanes512, Vector512<float>, Vector512<uint>>(ws, o, &PanelTiles.AssembledF32)),
        Record("avx2", limits => limits.WhyNoAssembly256(), "vectors of 256 bits; from three rows on assembled tiles over decoded weights",
            (ws, in o) => Run<Lanes256, Vector256<float>, Vector256<uint>>(ws, o, &PanelTiles.NarrowF32)),
        Record("v512", limits => limits.WhyNoVectors(512), "vectors of 512 bits",
            (ws, in o) => Run<Lanes512, Vector512<float>, Vector512<uint>>(ws, o, &PanelTiles.F32<Lanes512, Vector512<float>, Vector512<uint>>)),
        Record("v256", limits => limits.WhyNoVectors(256), "vectors of 256 bits",
            (ws, in o) => Run<Lanes256, Vector256<float>, Vector256<uint>>(ws, o, &PanelTiles.F32<Lanes256, Vector256<float>, Vector256<uint>>)),
        Record("v128", limits => limits.WhyNoVectors(128), "vectors of 128 bits",
            (ws, in o) => Run<Lanes128, Vector128<float>, Vector128<uint>>(ws, o, &PanelTiles.F32<Lanes128, Vector128<float>, Vector128<uint>>)),
        Record("scalar", _ => null, "no vectors, on every machine",
            (ws, in o) => Run<Lane, float, uint>(ws, o, &PanelTiles.F32<Lane, float, uint>)),
    ];

    private static CpuProduct Record(string runs, Func<CpuLimits, string?> lack, string reason, CpuProduct.Launcher launch) =>
        new($"matmul_coded_{runs}", CpuLayout.Slabs, null, ActivationPrecision.Float32, lack, reason, launch);
}
