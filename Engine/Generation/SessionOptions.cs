namespace Llama4Kernels.Engine.Generation;

/// <summary>Sizes of an <see cref="InferenceSession"/>.</summary>
public sealed record SessionOptions
{
    /// <summary>Tokens a sequence may hold; null: the checkpoint's max_position_embeddings.</summary>
    public int? MaxContext { get; init; }

    /// <summary>Most rows of one forward step: prompts are prefilled in pieces of this size; null: what suits the backend.</summary>
    public int? StepRows { get; init; }

    /// <summary>Most rows of one step whose logits are computed, also the most sequences decoded together; null: what suits the backend.</summary>
    public int? MaxLogitRows { get; init; }

    /// <summary>Positions of one KV cache page.</summary>
    public int PageTokens { get; init; } = 64;
}
