using System.Runtime.CompilerServices;
using Llama4Kernels.Kernels.Contracts;

namespace Llama4Kernels.Kernels.Attention;

/// <summary>
/// A worker's workspace of attention over pairs: the runs of a tile of the cache, and for each token of a tile of queries and each
/// part of a group of heads its <see cref="PairUnit"/>. A group of more heads than a product takes is cut into equal parts.
/// </summary>
internal readonly unsafe struct PairWork
{
    private readonly byte* _start;
    private readonly int _group;
    private readonly long _unitBytes;
    private readonly int _operandBytes;

    /// <param name="plan">The call.</param>
    /// <param name="start">The workspace, or null to ask for its size alone.</param>
    /// <param name="operandBytes">Bytes of an element of operands.</param>
    public PairWork(in AttentionPlan plan, float* start, int operandBytes)
    {
        _start = (byte*)start;
        _group = plan.Group;
        _operandBytes = operandBytes;
        Parts = (plan.Group + PairTile.MaxRows - 1) / PairTile.MaxRows;
        Runs = new PairRuns((PairRun*)start, plan);
        _unitBytes = PairUnit.BytesOf(plan, operandBytes);
        Floats = (Runs.Bytes + (plan.TileRows / plan.Group * Parts * _unitBytes)) / sizeof(float);
        ChunkBytes = PairTile.MaxRows * PairTile.OperandStride * operandBytes;
        Chunks = Runs.Chunks;
    }

    /// <summary>Floats of it.</summary>
    public long Floats { get; }

    /// <summary>Parts of a group of heads.</summary>
    public int Parts { get; }

    public PairRuns Runs { get; }

    private int ChunkBytes { get; }

    private int Chunks { get; }

    /// <summary>Heads of a part.</summary>
    public int Rows(int part) => _group / Parts + (part < _group % Parts ? 1 : 0);

    /// <summary>The first head of a part.</summary>
    public int FirstRow(int part) => part * (_group / Parts) + Math.Min(part, _group % Parts);

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public PairUnit Unit(int token, int part) => new(_start + Runs.Bytes + ((token * Parts) + part) * _unitBytes, ChunkBytes, Chunks, _operandBytes);
}

/// <summary>
/// What belongs to a unit: queries [chunks of 128 components, 5, 128] and weights [5, 128] as operands, scores [5, 144], sums
/// [panels of values, 5, 64], and for each row the largest score, the factor of what was summed before and 16 sums of weights.
/// </summary>
internal readonly unsafe struct PairUnit
{
    private const int RowFloats = 16;

    /// <summary>Bytes from the largest scores, a unit's start, to <see cref="Factors"/> and to <see cref="Weight"/>.</summary>
    public const int FactorBytes = RowFloats * sizeof(float), WeightBytes = 3 * RowFloats * sizeof(float);

    private readonly byte* _start;
    private readonly int _chunkBytes, _queryBytes;

    public PairUnit(byte* start, int chunkBytes, int chunks, int operandBytes)
    {
        _start = start;
        _chunkBytes = chunkBytes;
        _queryBytes = chunks * chunkBytes;
        OperandBytes = operandBytes;
    }

    private int OperandBytes { get; }

    /// <summary>Bytes of a unit: whole lines.</summary>
    public static long BytesOf(in AttentionPlan plan, int operandBytes) =>
        ((PairRuns.ChunksOf(plan) + 1) * PairTile.MaxRows * PairTile.OperandStride * operandBytes)
        + (((3 + PairTile.MaxRows) * RowFloats + PairTile.MaxRows * (PairTile.ScoreStride + plan.ValuePanels.Count * PairTile.SumStride)) * sizeof(float));

    /// <summary>The largest scores so far.</summary>
    public float* Maximum => (float*)_start;

    /// <summary>Factors of what was summed before.</summary>
    public float* Factors => (float*)(_start + FactorBytes);

    /// <summary>Factors of 1.</summary>
    public float* Ones => (float*)_start + 2 * RowFloats;

    /// <summary>16 sums of weights of a row.</summary>
    public float* Weight(int row) => (float*)(_start + WeightBytes) + row * RowFloats;

    public byte* Query(int chunk) => _start + (3 + PairTile.MaxRows) * RowFloats * sizeof(float) + chunk * _chunkBytes;

    public byte* Weights => Query(0) + _queryBytes;

    public float* Scores => (float*)(Weights + PairTile.MaxRows * PairTile.OperandStride * OperandBytes);

    public float* Sum(int panel) => Scores + PairTile.MaxRows * (PairTile.ScoreStride + panel * PairTile.SumStride);
}
