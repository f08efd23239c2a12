namespace Llama4Kernels.Engine.Generation;

/// <summary>Sizes of an <see cref="InferenceSession"/>.</summary>
public sealed record SessionOptions
{
    /// <summary>Tokens a sequence may hold; null: the checkpoint's max_position_embeddings.</summary>
    public int? MaxContext { get; init; }

    /// <summary>Most rows of one forward step: prompts are prefilled in pieces of this size.</summary>
    public int StepRows { get; init; } = 512;

    /// <summary>Most rows of one step whose logits are computed; also the most sequences decoded together.</summary>
    public int MaxLogitRows { get; init; } = 16;

    /// <summary>Positions of one KV cache page.</summary>
    public int PageTokens { get; init; } = 64;
}
