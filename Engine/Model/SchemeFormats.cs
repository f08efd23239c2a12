using Llama4Kernels.Engine.Config;
using Llama4Kernels.Kernels.Contracts;
using Llama4Kernels.Kernels.MatMul;
using Llama4Kernels.Kernels.Numerics;
using Llama4Kernels.Kernels.Quantization;

namespace Llama4Kernels.Engine.Model;

/// <summary>The formats that a model's options bring weights into; null keeps what is stored.</summary>
internal static class SchemeFormats
{
    /// <summary>Of the weights of a part, whatever its layer.</summary>
    public static WeightFormat? FormatOf(this ModelOptions options, LinearParts part) => !options.Included.HasFlag(part) ? null : options.Weights switch
    {
        WeightScheme.Int4 => WeightFormat.Int4,
        WeightScheme.Fp8 => WeightFormat.Fp8Activations,
        WeightScheme.Int8 => KeptFormats.Int8,
        _ => null,
    };

    /// <summary>Of the shared expert of a mixture layer, or of a dense layer's block.</summary>
    public static WeightFormat? FeedForward(this ModelOptions options, bool isMoe) => options.FormatOf(isMoe ? LinearParts.Shared : LinearParts.Dense);

    /// <summary>Of a routed expert's matrix: in FP8, those of the first and the last layer only if they are stored so.</summary>
    public static WeightFormat? Expert(this ModelOptions options, TextConfig c, int layer, MatrixSource[] sources)
    {
        bool isOuter = layer == 0 || layer == c.Layers - 1;
        return options.Weights == WeightScheme.Fp8 && isOuter && !Array.TrueForAll(sources, IsFp8) ? null : options.FormatOf(LinearParts.Experts);
    }

    /// <summary>
    /// Sources and format as a backend packs them. Codes of somebody else's stay; numbers that are to become codes of a form that files have
    /// are read as such codes, and these then stay too.
    /// </summary>
    public static (MatrixSource[] Sources, WeightFormat? Format) ToPack(MatrixSource[] sources, WeightFormat? format) =>
        format is null || AreKept(sources) ? (sources, null)
        : WeightFormat.All.Contains(format) ? (sources, format)
        : (Array.ConvertAll(sources, source => (MatrixSource)new QuantisedMatrix(source)), null);

    /// <summary>Whether sources are codes of somebody else's, which are not quantised a second time.</summary>
    public static bool AreKept(ReadOnlySpan<MatrixSource> sources)
    {
        foreach (MatrixSource source in sources)
        {
            if (source is CodedMatrix or SavedMatrix { PlainType: null })
            {
                return true;
            }
        }
        return false;
    }

    private static bool IsFp8(MatrixSource source) => source is StridedMatrix { Type: ElementType.F8E4M3 };
}
