using Llama4Kernels.Kernels.Contracts;
using Llama4Kernels.Kernels.MatMul;

namespace Llama4Kernels.Kernels.Quantization;

/// <summary>
/// <see cref="MatMul.MatMul"/> on the host with codes that the engine makes, decoded in registers. FLOPs 2·T·in·out; weight
/// bytes in·out (FP8) or in·out/2 (int4) per four tokens, mostly from cache. A sum has one accumulator per scale, columns
/// ascending, so it depends neither on the number of tokens nor on the threads. NaN propagates.
/// </summary>
internal static unsafe partial class QuantisedProduct
{
    /// <summary>The records, best first of each format.</summary>
    public static readonly CpuProduct[] Products =
    [
        Vectors(WeightFormat.Int4, (ws, in o) => Run(ws, o, &VectorInt4)),
        Scalar(WeightFormat.Int4, (ws, in o) => Run(ws, o, &ScalarInt4)),
        Vectors(WeightFormat.Fp8, (ws, in o) => Run(ws, o, &VectorFp8)),
        Scalar(WeightFormat.Fp8, (ws, in o) => Run(ws, o, &ScalarFp8)),
        Vectors(WeightFormat.Fp8Activations, (ws, in o) => Run(ws, o, &VectorFp8)),
        Scalar(WeightFormat.Fp8Activations, (ws, in o) => Run(ws, o, &ScalarFp8)),
    ];

    private static CpuProduct Vectors(WeightFormat format, CpuProduct.Launcher launch) =>
        new($"matmul_{format}_vectors", CpuLayout.Panels, format, ActivationPrecision.Float32, limits => limits.WhyNoVectors(256),
            "vectors of the processor's width, four rows share a decoded step", launch);

    private static CpuProduct Scalar(WeightFormat format, CpuProduct.Launcher launch) =>
        new($"matmul_{format}_scalar", CpuLayout.Panels, format, ActivationPrecision.Float32, _ => null, "no vectors, on every machine", launch);
}
