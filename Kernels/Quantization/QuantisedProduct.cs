using System.Runtime.Intrinsics;
using Llama4Kernels.Kernels.Contracts;
using Llama4Kernels.Kernels.MatMul;

namespace Llama4Kernels.Kernels.Quantization;

/// <summary>
/// <see cref="MatMul.MatMul"/> on the host with codes that the engine makes and operands that stay float32. FLOPs 2·T·in·out; weight
/// bytes in·out (FP8) or in·out/2 (int4) once per 96 tokens, from memory the first time. A sum has one accumulator per scale, columns
/// ascending, so it depends neither on the number of tokens nor on the threads, nor on what runs it. NaN propagates.
/// </summary>
internal static unsafe partial class QuantisedProduct
{
    /// <summary>The records, best first of each format.</summary>
    public static readonly CpuProduct[] Products = [.. Records<PairedHalves>(WeightFormat.Int4), .. Records<FloatingBytes>(WeightFormat.Fp8), .. Records<FloatingBytes>(WeightFormat.Fp8Activations)];

    private static CpuProduct[] Records<TCodes>(WeightFormat format)
        where TCodes : unmanaged, IPanelCodes
    {
        return
        [
            Record("avx512", limits => limits.WhyNoAssembly(), "from five rows on assembled tiles over decoded weights, before in vectors of 512 bits",
                (ws, in o) => Run<Lanes512, Vector512<float>, Vector512<uint>, TCodes>(ws, o, &PanelTiles.AssembledF32)),
            Record("avx2", limits => limits.WhyNoAssembly256(), "the same in vectors of 256 bits",
                (ws, in o) => Run<Lanes256, Vector256<float>, Vector256<uint>, TCodes>(ws, o, &PanelTiles.NarrowF32)),
            Record("v512", limits => limits.WhyNoVectors(512), "vectors of 512 bits",
                (ws, in o) => Run<Lanes512, Vector512<float>, Vector512<uint>, TCodes>(ws, o, &PanelTiles.F32<Lanes512, Vector512<float>, Vector512<uint>>)),
            Record("v256", limits => limits.WhyNoVectors(256), "vectors of 256 bits",
                (ws, in o) => Run<Lanes256, Vector256<float>, Vector256<uint>, TCodes>(ws, o, &PanelTiles.F32<Lanes256, Vector256<float>, Vector256<uint>>)),
            Record("v128", limits => limits.WhyNoVectors(128), "vectors of 128 bits",
                (ws, in o) => Run<Lanes128, Vector128<float>, Vector128<uint>, TCodes>(ws, o, &PanelTiles.F32<Lanes128, Vector128<float>, Vector128<uint>>)),
            Record("scalar", _ => null, "no vectors, on every machine",
                (ws, in o) => Run<Lane, float, uint, TCodes>(ws, o, &PanelTiles.F32<Lane, float, uint>)),
        ];

        CpuProduct Record(string runs, Func<CpuLimits, string?> lack, string reason, CpuProduct.Launcher launch) =>
            new($"matmul_{format}_{runs}", CpuLayout.Panels, format, ActivationPrecision.Float32, lack, reason, launch);
    }
}
