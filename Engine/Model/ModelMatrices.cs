using Llama4Kernels.Engine.Checkpoints.Weights;
using Llama4Kernels.Engine.Config;
using Llama4Kernels.Kernels.Contracts;

namespace Llama4Kernels.Engine.Model;

/// <summary>A matrix that a model packs.</summary>
/// <param name="First">The weight in its first rows.</param>
/// <param name="Sources">All that is stacked in it.</param>
/// <param name="Format">The format that the options bring it into; null keeps what is stored.</param>
/// <param name="IsKept">Whether the options name another format, but it is stored quantised and stays as it is.</param>
internal sealed record ModelMatrix(Weight First, MatrixSource[] Sources, WeightFormat? Format, bool IsKept)
{
    /// <summary>Sources and format as a backend packs them.</summary>
    public (MatrixSource[] Sources, WeightFormat? Format) ToPack() => SchemeFormats.ToPack(Sources, Format);

    /// <summary>What it is, for people.</summary>
    public string Name => First switch
    {
        { Role: WeightRole.OutputHead } => "output head",
        { Expert: >= 0 } => $"experts of layer {First.Layer}",
        { IsVision: true, Layer: < 0 } => "vision",
        { IsVision: true } => $"vision layer {First.Layer}",
        _ => $"layer {First.Layer}",
    };
}

/// <summary>The matrices that a model packs, whoever packs, saves or counts them: what is stacked in each, and which format it is to have.</summary>
/// <param name="config">The model.</param>
/// <param name="weights">Its weights.</param>
/// <param name="options">Which formats they become.</param>
internal sealed class ModelMatrices(ModelConfig config, WeightCatalogue weights, ModelOptions options)
{
    /// <summary>All of them; the output head also where it is the embedding.</summary>
    public IEnumerable<ModelMatrix> All => Firsts.Select(Of);

    /// <summary>The weights in their first rows.</summary>
    public IEnumerable<Weight> Firsts => ModelWeights.Of(config, head: true).Where(WeightStacks.IsFirst);

    /// <summary>The matrix that begins with a weight.</summary>
    public ModelMatrix this[WeightRole first, int layer = -1, int expert = -1] => Of(new Weight(first, layer, expert, 0, 0));

    /// <summary>The matrix that begins with a weight.</summary>
    public ModelMatrix Of(Weight first)
    {
        WeightRole[] roles = WeightStacks.Of(first.Role).ToArray();
        MatrixSource[] sources = Array.ConvertAll(roles, role => weights.Open(weights[
            role == WeightRole.OutputHead && config.TieWordEmbeddings ? WeightRole.Embedding : role, first.Layer, first.Expert]));
        WeightFormat? format = FormatOf(first, sources);
        bool isKept = format is not null && SchemeFormats.AreKept(sources);
        return new ModelMatrix(first, sources, isKept ? null : format, isKept && Array.Exists(sources, source => source.Format != format));
    }

    private WeightFormat? FormatOf(Weight first, MatrixSource[] sources) => first.Role switch
    {
        WeightRole.ExpertGate or WeightRole.ExpertDown => options.Expert(config.Text, first.Layer, sources),
        WeightRole.SharedGate or WeightRole.SharedDown => options.FeedForward(isMoe: true),
        WeightRole.Gate or WeightRole.Down => options.FeedForward(isMoe: false),
        WeightRole.Query or WeightRole.AttentionOutput => options.FormatOf(LinearParts.Attention),
        WeightRole.OutputHead => options.FormatOf(LinearParts.Head),
        _ => null,
    };
}
