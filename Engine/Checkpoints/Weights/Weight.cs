namespace Llama4Kernels.Engine.Checkpoints.Weights;

/// <summary>One weight of a model, whatever its files call it: a matrix [out, in], or a vector as a single row.</summary>
/// <param name="Role">What it is for.</param>
/// <param name="Layer">The layer of the text model or of the vision tower; −1 outside layers.</param>
/// <param name="Expert">The routed expert, or −1.</param>
/// <param name="Rows">Output features; 1 for a vector.</param>
/// <param name="Columns">Input features, or the vector's elements.</param>
internal sealed record Weight(WeightRole Role, int Layer, int Expert, int Rows, int Columns)
{
    /// <summary>Whether it belongs to the vision tower, the adapter or the projector.</summary>
    public bool IsVision => Role >= WeightRole.PatchEmbedding;

    /// <summary>Whether files store it with one dimension.</summary>
    public bool IsVector => Role switch
    {
        WeightRole.FinalNorm or WeightRole.AttentionNorm or WeightRole.FeedForwardNorm or WeightRole.ClassEmbedding => true,
        WeightRole.QueryBias or WeightRole.KeyBias or WeightRole.ValueBias or WeightRole.AttentionOutputBias => true,
        WeightRole.PreNorm or WeightRole.PostNorm or WeightRole.VisionAttentionNorm or WeightRole.VisionMlpNorm => true,
        WeightRole.PreNormBias or WeightRole.PostNormBias or WeightRole.VisionAttentionNormBias or WeightRole.VisionMlpNormBias => true,
        WeightRole.VisionQueryBias or WeightRole.VisionKeyBias or WeightRole.VisionValueBias or WeightRole.VisionOutputBias => true,
        WeightRole.VisionFc1Bias or WeightRole.VisionFc2Bias => true,
        _ => false,
    };

    /// <summary>Whether it is a factor of a product that published files store quantised.</summary>
    public bool IsLinear => Role is WeightRole.OutputHead or (>= WeightRole.Query and <= WeightRole.AttentionOutput) or (>= WeightRole.Gate and <= WeightRole.ExpertDown);
}
