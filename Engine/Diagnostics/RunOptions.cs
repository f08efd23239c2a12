using Llama4Kernels.Kernels.Contracts;

namespace Llama4Kernels.Engine.Diagnostics;

/// <summary>What <see cref="ModelRunner.Run"/> computes. A value out of range throws <see cref="ArgumentException"/> where it is set.</summary>
public sealed record RunOptions
{
    /// <summary>Positions whose logits are wanted, ascending; null for all.</summary>
    public int[]? Positions { get; init; }

    /// <summary>Pixels of all tiles as bf16 [tiles, channels, size, size], or null.</summary>
    public ushort[]? PixelValues { get; init; }

    /// <summary>Number of tiles in <see cref="PixelValues"/>.</summary>
    public int Tiles
    {
        get;
        init => field = NotNegative(value, nameof(Tiles));
    }

    /// <summary>Rows per prefill step; 0 for the largest step.</summary>
    public int PrefillChunk
    {
        get;
        init => field = NotNegative(value, nameof(PrefillChunk));
    }

    /// <summary>Tokens to continue by argmax, not stopping at end tokens.</summary>
    public int Greedy
    {
        get;
        init => field = NotNegative(value, nameof(Greedy));
    }

    /// <summary>Element type of cached keys and values; null: what the model's activations are.</summary>
    public KvFormat? CacheFormat
    {
        get;
        init => field = value is null || Enum.IsDefined(value.Value) ? value : throw new ArgumentException($"{nameof(CacheFormat)} is no format that there is.", nameof(CacheFormat));
    }

    /// <summary>Keep hidden states, attention outputs and router choices.</summary>
    public bool CaptureHidden { get; init; }

    private static int NotNegative(int value, string name) => value >= 0 ? value : throw new ArgumentException($"{name} must be 0 or more, not {value}.", name);
}
