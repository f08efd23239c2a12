using Llama4Kernels.Kernels.Contracts;

namespace Llama4Kernels.Engine.Model;

/// <summary>Packed weights of the vision tower, adapter and projector. Dv is the tower's width.</summary>
internal sealed class VisionWeights
{
    /// <summary>[Dv, channels·patch²]</summary>
    public required IMatrix PatchEmbedding { get; init; }

    /// <summary>[1, Dv]</summary>
    public required Tensor ClassEmbedding { get; init; }

    /// <summary>[g²+1, Dv], class token last.</summary>
    public required Tensor Positions { get; init; }

    public required LayerNormWeights PreNorm { get; init; }

    public required VisionLayerWeights[] Layers { get; init; }

    public required LayerNormWeights PostNorm { get; init; }

    /// <summary>[P, 4·Dv]</summary>
    public required IMatrix AdapterFc1 { get; init; }

    /// <summary>[P, P]</summary>
    public required IMatrix AdapterFc2 { get; init; }

    /// <summary>[D, P]</summary>
    public required IMatrix Projector { get; init; }
}

/// <summary>Weights of one vision block.</summary>
internal sealed class VisionLayerWeights
{
    public required LayerNormWeights AttentionNorm { get; init; }

    /// <summary>[3·Dv, Dv]</summary>
    public required IMatrix Qkv { get; init; }

    /// <summary>[1, 3·Dv]</summary>
    public required Tensor QkvBias { get; init; }

    /// <summary>[Dv, Dv]</summary>
    public required IMatrix Output { get; init; }

    /// <summary>[1, Dv]</summary>
    public required Tensor OutputBias { get; init; }

    public required LayerNormWeights MlpNorm { get; init; }

    /// <summary>[Fv, Dv]</summary>
    public required IMatrix Fc1 { get; init; }

    /// <summary>[1, Fv]</summary>
    public required Tensor Fc1Bias { get; init; }

    /// <summary>[Dv, Fv]</summary>
    public required IMatrix Fc2 { get; init; }

    /// <summary>[1, Dv]</summary>
    public required Tensor Fc2Bias { get; init; }
}

/// <summary>Affine parameters of a layer norm, each [1, Dv].</summary>
internal readonly record struct LayerNormWeights(Tensor Weight, Tensor Bias);
