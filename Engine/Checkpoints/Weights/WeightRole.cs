namespace Llama4Kernels.Engine.Checkpoints.Weights;

/// <summary>What a weight is for. D hidden size, H query heads, K key/value heads, d head size, F width, V vocabulary, Dv width of the vision tower.</summary>
internal enum WeightRole
{
    /// <summary>[V, D]</summary>
    Embedding,

    /// <summary>[V, D]</summary>
    OutputHead,

    /// <summary>[D]</summary>
    FinalNorm,

    /// <summary>[D]</summary>
    AttentionNorm,

    /// <summary>[H·d, D]</summary>
    Query,

    /// <summary>[K·d, D]</summary>
    Key,

    /// <summary>[K·d, D]</summary>
    Value,

    /// <summary>[D, H·d]</summary>
    AttentionOutput,

    /// <summary>[H·d]</summary>
    QueryBias,

    /// <summary>[K·d]</summary>
    KeyBias,

    /// <summary>[K·d]</summary>
    ValueBias,

    /// <summary>[D]</summary>
    AttentionOutputBias,

    /// <summary>[D]</summary>
    FeedForwardNorm,

    /// <summary>[E, D]</summary>
    Router,

    /// <summary>[F, D] of a dense layer.</summary>
    Gate,

    /// <summary>[F, D] of a dense layer.</summary>
    Up,

    /// <summary>[D, F] of a dense layer.</summary>
    Down,

    /// <summary>[F, D]</summary>
    SharedGate,

    /// <summary>[F, D]</summary>
    SharedUp,

    /// <summary>[D, F]</summary>
    SharedDown,

    /// <summary>[F, D] of one expert.</summary>
    ExpertGate,

    /// <summary>[F, D] of one expert.</summary>
    ExpertUp,

    /// <summary>[D, F] of one expert.</summary>
    ExpertDown,

    /// <summary>[Dv, channels·patch²]</summary>
    PatchEmbedding,

    /// <summary>[Dv]</summary>
    ClassEmbedding,

    /// <summary>[patches + 1, Dv]</summary>
    Positions,

    /// <summary>[Dv]</summary>
    PreNorm,

    /// <summary>[Dv]</summary>
    PreNormBias,

    /// <summary>[Dv]</summary>
    PostNorm,

    /// <summary>[Dv]</summary>
    PostNormBias,

    /// <summary>[Dv]</summary>
    VisionAttentionNorm,

    /// <summary>[Dv]</summary>
    VisionAttentionNormBias,

    /// <summary>[Dv, Dv]</summary>
    VisionQuery,

    /// <summary>[Dv]</summary>
    VisionQueryBias,

    /// <summary>[Dv, Dv]</summary>
    VisionKey,

    /// <summary>[Dv]</summary>
    VisionKeyBias,

    /// <summary>[Dv, Dv]</summary>
    VisionValue,

    /// <summary>[Dv]</summary>
    VisionValueBias,

    /// <summary>[Dv, Dv]</summary>
    VisionOutput,

    /// <summary>[Dv]</summary>
    VisionOutputBias,

    /// <summary>[Dv]</summary>
    VisionMlpNorm,

    /// <summary>[Dv]</summary>
    VisionMlpNormBias,

    /// <summary>[4·Dv, Dv]</summary>
    VisionFc1,

    /// <summary>[4·Dv]</summary>
    VisionFc1Bias,

    /// <summary>[Dv, 4·Dv]</summary>
    VisionFc2,

    /// <summary>[Dv]</summary>
    VisionFc2Bias,

    /// <summary>[P, 4·Dv]</summary>
    AdapterFc1,

    /// <summary>[P, P]</summary>
    AdapterFc2,

    /// <summary>[D, P]</summary>
    Projector,
}
