namespace Llama4Kernels.Engine.Diagnostics;

/// <summary>Logits and, if asked for, intermediate activations of one run. T is the number of input tokens.</summary>
public sealed class LogitsResult
{
    /// <summary>Logits [positions, V].</summary>
    public required float[] Logits { get; init; }

    /// <summary>The positions of the rows of <see cref="Logits"/>.</summary>
    public required int[] Positions { get; init; }

    /// <summary>Tokens continued by argmax.</summary>
    public int[] Greedy { get; internal set; } = [];

    /// <summary>Most cache blocks that chunked layers held after a step.</summary>
    public int MaxChunkedBlocks { get; internal set; }

    /// <summary>After the final norm [T, D]; empty unless captured.</summary>
    public float[] HiddenFinal { get; internal set; } = [];

    /// <summary>Hidden state [T, D] after so many layers.</summary>
    public Dictionary<int, float[]> HiddenAfterLayer { get; } = [];

    /// <summary>Attention block output [T, D] by layer.</summary>
    public Dictionary<int, float[]> AttentionOutputs { get; } = [];

    /// <summary>Router choices [T, k] and scores by layer.</summary>
    public Dictionary<int, (int[] Experts, float[] Scores)> Routers { get; } = [];

    /// <summary>Vision states by stage: "embedded", "features", "projected".</summary>
    public Dictionary<string, float[]> Vision { get; } = [];
}
