using Llama4Kernels.Kernels.Rope;

namespace Llama4Kernels.Engine.Config;

/// <summary>Sizes and constants of the text model.</summary>
internal sealed record TextConfig
{
    /// <summary>Width of the residual stream.</summary>
    public required int HiddenSize { get; init; }

    /// <summary>Number of layers.</summary>
    public required int Layers { get; init; }

    /// <summary>Query heads.</summary>
    public required int Heads { get; init; }

    /// <summary>Key/value heads; divides <see cref="Heads"/>.</summary>
    public required int KvHeads { get; init; }

    /// <summary>Elements of a head; even. <c>Heads·HeadDim</c> need not be <see cref="HiddenSize"/>.</summary>
    public required int HeadDim { get; init; }

    /// <summary>Width of each routed expert and of the shared expert.</summary>
    public required int IntermediateSize { get; init; }

    /// <summary>Width of the dense feed-forward layers.</summary>
    public required int IntermediateSizeMlp { get; init; }

    /// <summary>Rows of the embedding and of the output head.</summary>
    public required int VocabSize { get; init; }

    /// <summary>Routed experts of a MoE layer; 0 if no layer is one.</summary>
    public required int Experts { get; init; }

    /// <summary>Experts chosen per token; 0 if no layer is MoE.</summary>
    public required int ExpertsPerToken { get; init; }

    /// <summary>Epsilon of every RMS norm and of the QK norm.</summary>
    public required float RmsNormEps { get; init; }

    /// <summary>Base of the rotary frequencies.</summary>
    public required double RopeTheta { get; init; }

    /// <summary>Scaling of the rotary frequencies, or null for none.</summary>
    public required RopeScaling? RopeScaling { get; init; }

    /// <summary>Divisors of the rotary frequencies, one for each pair of a head, where a file gives them and no scaling rule does; null otherwise.</summary>
    public IReadOnlyList<float>? RopeDivisors { get; init; }

    /// <summary>Block length of chunked attention in tokens; null means that no layer is chunked.</summary>
    public required int? AttentionChunkSize { get; init; }

    /// <summary>Whether q, k, v and o have biases.</summary>
    public required bool AttentionBias { get; init; }

    /// <summary>Weightless RMS norm of query and key heads on the layers with rotary embedding.</summary>
    public required bool UseQkNorm { get; init; }

    /// <summary>Scale queries by position on the layers without rotary embedding.</summary>
    public required bool TemperatureTuning { get; init; }

    /// <summary>Positions per temperature step.</summary>
    public required float FloorScale { get; init; }

    /// <summary>Strength of the temperature.</summary>
    public required float AttnScale { get; init; }

    /// <summary>Longest sequence the model is meant for, in tokens.</summary>
    public required int MaxPositions { get; init; }

    /// <summary>Token that begins a text.</summary>
    public required int BosToken { get; init; }

    /// <summary>Tokens that end generation; may be empty.</summary>
    public required IReadOnlyList<int> EosTokens { get; init; }

    /// <summary>Padding token, if the model names one.</summary>
    public required int? PadToken { get; init; }

    /// <summary>The kind of each layer.</summary>
    public required IReadOnlyList<LayerConfig> LayerKinds { get; init; }
}
