using Llama4Kernels.Engine.Config;
using Llama4Kernels.Kernels.Contracts;
using Llama4Kernels.Kernels.Numerics;
using Llama4Kernels.Kernels.Quantization;

namespace Llama4Kernels.Engine.Model;

/// <summary>The formats that a scheme brings weights into; null keeps what is stored.</summary>
internal static class SchemeFormats
{
    /// <summary>Of the shared expert of a mixture layer, or of a dense layer's block.</summary>
    public static WeightFormat? FeedForward(this WeightScheme scheme, bool isMoe) =>
        isMoe && scheme == WeightScheme.Int4 ? WeightFormat.Int4 : null;

    /// <summary>Of a routed expert's matrix.</summary>
    public static WeightFormat? Expert(this WeightScheme scheme, TextConfig c, int layer, MatrixSource[] sources) => scheme switch
    {
        WeightScheme.Int4 => WeightFormat.Int4,
        WeightScheme.Fp8 when (layer != 0 && layer != c.Layers - 1) || Array.TrueForAll(sources, IsFp8) => WeightFormat.Fp8Activations,
        _ => null,
    };

    /// <summary>Whether sources are codes of somebody else's, which are not quantised a second time.</summary>
    public static bool AreKept(ReadOnlySpan<MatrixSource> sources)
    {
        foreach (MatrixSource source in sources)
        {
            if (source is CodedMatrix)
            {
                return true;
            }
        }
        return false;
    }

    private static bool IsFp8(MatrixSource source) => source is StridedMatrix { Type: ElementType.F8E4M3 };
}
