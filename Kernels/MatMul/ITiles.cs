namespace Llama4Kernels.Kernels.MatMul;

/// <summary>
/// Register tiles: a few tokens times the 32 rows of a panel. Every output is one float32 sum over ascending k, whatever
/// the tile, so results depend neither on the batch nor on how k is cut.
/// </summary>
internal unsafe interface ITiles
{
    /// <summary>Tokens of the largest tile.</summary>
    static abstract int MaxTokens { get; }

    /// <summary>Whether activations are packed as bf16 pairs (4 bytes a step and token) instead of float32 (8 bytes).</summary>
    static abstract bool Bf16Pairs { get; }

    /// <summary>Tokens of the smallest tile that holds <paramref name="tokens"/>.</summary>
    static abstract int Fit(int tokens);

    /// <summary>c[t, r] (+)= Σ over steps; x packed [2·steps, tokens] or pairs [steps, tokens]; c rows are cStride floats apart.</summary>
    static abstract void Run(int tokens, byte* x, byte* w, int steps, float* c, long cStride, bool accumulate);
}
