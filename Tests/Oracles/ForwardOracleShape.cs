namespace Llama4Kernels.Tests.Oracles;

/// <summary>What the plain forward pass needs to know of a model; the arrays have one entry per layer.</summary>
internal sealed record ForwardOracleShape
{
    public int Hidden { get; init; } = 64;

    public int Heads { get; init; } = 4;

    public int KvHeads { get; init; } = 2;

    public int HeadDim { get; init; } = 16;

    public int ExpertWidth { get; init; } = 48;

    public int DenseWidth { get; init; } = 80;

    public int Vocabulary { get; init; } = 200;

    public int Experts { get; init; } = 4;

    public int PerToken { get; init; } = 1;

    public bool[] Rope { get; init; } = [true, true, true, false];

    public bool[] Moe { get; init; } = [true, true, true, true];

    /// <summary>Layers with a chunked mask; null: those with rotary embedding.</summary>
    public bool[]? Chunked { get; init; }

    public int? Chunk { get; init; } = 32;

    public bool Bias { get; init; }

    public bool QkNorm { get; init; } = true;

    public bool Temperature { get; init; } = true;

    public double FloorScale { get; init; } = 16;

    public double AttnScale { get; init; } = 0.1;

    public float Theta { get; init; } = 500000;

    public (float Factor, float Low, float High, int Original)? Scaling { get; init; }

    public bool Tied { get; init; }

    public double Eps { get; init; } = 1e-5;

    public int Layers => Rope.Length;
}
