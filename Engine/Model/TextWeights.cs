using Llama4Kernels.Kernels.Contracts;

namespace Llama4Kernels.Engine.Model;

/// <summary>Packed weights of the text model.</summary>
internal sealed class TextWeights
{
    public required IEmbedding Embedding { get; init; }

    public required IMatrix LmHead { get; init; }

    /// <summary>[1, D]</summary>
    public required Tensor FinalNorm { get; init; }

    public required LayerWeights[] Layers { get; init; }

    /// <summary>Matrices that decoding one token reads, with the first <paramref name="topK"/> experts of each mixture layer.</summary>
    public IEnumerable<IMatrix> MatricesPerToken(int topK) => Layers.SelectMany(layer => layer.MatricesPerToken(topK)).Append(LmHead);
}

/// <summary>Packed weights of one decoder layer. Exactly one of Dense and Experts is set.</summary>
internal sealed class LayerWeights
{
    /// <summary>[1, D]</summary>
    public required Tensor AttentionNorm { get; init; }

    /// <summary>Query, key and value projection stacked: [(H+2K)·d, D]</summary>
    public required IMatrix Qkv { get; init; }

    /// <summary>[1, (H+2K)·d], only with attention_bias.</summary>
    public Tensor? QkvBias { get; init; }

    /// <summary>[D, H·d]</summary>
    public required IMatrix Output { get; init; }

    /// <summary>[1, D], only with attention_bias.</summary>
    public Tensor? OutputBias { get; init; }

    /// <summary>[1, D]</summary>
    public required Tensor FeedForwardNorm { get; init; }

    /// <summary>The dense feed-forward block, or the shared expert of a mixture layer.</summary>
    public required FeedForwardWeights FeedForward { get; init; }

    /// <summary>[E, D]; null on dense layers.</summary>
    public IMatrix? Router { get; init; }

    /// <summary>Routed experts; empty on dense layers.</summary>
    public ExpertWeights[] Experts { get; init; } = [];

    public IEnumerable<IMatrix> MatricesPerToken(int topK)
    {
        IEnumerable<IMatrix> always = [Qkv, Output, FeedForward.GateUp, FeedForward.Down, .. Router is null ? [] : (IMatrix[])[Router]];
        return always.Concat(Experts.Take(topK).SelectMany(expert => new[] { expert.GateUp, expert.Down }));
    }
}

/// <summary>A SwiGLU block of width F.</summary>
/// <param name="GateUp">Gate and up stacked: [2F, D]</param>
/// <param name="Down">[D, F]</param>
internal sealed record FeedForwardWeights(IMatrix GateUp, IMatrix Down)
{
    public int Width => Down.Columns;
}
