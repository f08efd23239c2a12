namespace Llama4Kernels.Kernels.Attention;

/// <summary>Rows of a panel of the cache that a product takes one after another (<see cref="Contracts.KvPanels"/>).</summary>
internal unsafe struct PairRun
{
    /// <summary>The first pair of rows.</summary>
    public byte* Panel;

    /// <summary>Rows: all but those of a last pair that may be half full come two at a time.</summary>
    public long Rows;

    /// <summary>What is read next, asked for while the rows go by.</summary>
    public byte* Ahead;
}

/// <summary>What a product of operands and a panel's runs is like.</summary>
/// <param name="Rows">Rows of operands, 1 … <see cref="PairTile.MaxRows"/>.</param>
/// <param name="Vectors">Vectors of 16 columns that are computed, 1 … 4.</param>
/// <param name="PanelVectors">Vectors of 16 columns that the panel has.</param>
/// <param name="IsScores">Whether the result's rows are <see cref="PairTile.ScoreStride"/> floats apart, not <see cref="PairTile.SumStride"/>.</param>
/// <param name="Continues">Whether the result begins with what it was, times a factor for each row, not with zero.</param>
/// <param name="Asks">Lines that are asked for of what is read next with each pair of rows: 0, 1, 2 or 4.</param>
internal readonly record struct PairShape(int Rows, int Vectors, int PanelVectors, bool IsScores, bool Continues, int Asks);

/// <summary>What products of all forms have in common.</summary>
internal static class PairTile
{
    /// <summary>Most rows of operands: with four vectors of sums each, what 32 registers hold beside a panel's line.</summary>
    public const int MaxRows = 5;

    /// <summary>Elements from an operand row to the next, and most rows of a run.</summary>
    public const int OperandStride = 128;

    /// <summary>Floats from a row of scores to the next: of 128 positions and what a last vector has too many.</summary>
    public const int ScoreStride = OperandStride + 16;

    /// <summary>Floats from a row of weighted values to the next.</summary>
    public const int SumStride = 64;
}
