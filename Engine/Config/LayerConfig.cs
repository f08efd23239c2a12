namespace Llama4Kernels.Engine.Config;

/// <summary>What kind of layer a text layer is.</summary>
/// <param name="UsesRope">Rotary embedding (and QK norm if the model has it); otherwise no positions, but query temperature.</param>
/// <param name="IsChunked">Attention stays within blocks of <see cref="TextConfig.AttentionChunkSize"/>; otherwise full causal.</param>
/// <param name="IsMoe">Routed experts and a shared expert; otherwise one dense feed-forward block.</param>
internal sealed record LayerConfig(bool UsesRope, bool IsChunked, bool IsMoe);
