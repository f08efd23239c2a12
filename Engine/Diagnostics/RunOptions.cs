using Llama4Kernels.Kernels.Contracts;

namespace Llama4Kernels.Engine.Diagnostics;

/// <summary>What <see cref="ModelRunner.Run"/> computes.</summary>
public sealed record RunOptions
{
    /// <summary>Positions whose logits are wanted, ascending; null for all.</summary>
    public int[]? Positions { get; init; }

    /// <summary>Pixels of all tiles as bf16 [tiles, channels, size, size], or null.</summary>
    public ushort[]? PixelValues { get; init; }

    /// <summary>Number of tiles in <see cref="PixelValues"/>.</summary>
    public int Tiles { get; init; }

    /// <summary>Rows per prefill step; 0 for the largest step.</summary>
    public int PrefillChunk { get; init; }

    /// <summary>Tokens to continue by argmax, not stopping at end tokens.</summary>
    public int Greedy { get; init; }

    /// <summary>Element type of cached keys and values; null: what the model's activations are.</summary>
    public KvFormat? CacheFormat { get; init; }

    /// <summary>Keep hidden states, attention outputs and router choices.</summary>
    public bool CaptureHidden { get; init; }
}
