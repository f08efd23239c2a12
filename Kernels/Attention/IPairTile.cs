using System.Runtime.Intrinsics;

namespace Llama4Kernels.Kernels.Attention;

/// <summary>
/// The products of attention over keys and values that lie in pairs: y[r, c] ← y[r, c]·factor[r] + Σ x[r, i] · panel[i, c] over
/// the rows i of a few runs, ascending, in one chain of sums for each element, whatever the number of rows and vectors.
/// </summary>
internal unsafe interface IPairTile
{
    /// <summary>Bytes of an element of x.</summary>
    static abstract int OperandBytes { get; }

    /// <summary>Stores 32 numbers as elements of x.</summary>
    static abstract void Store(Vector512<float> low, Vector512<float> high, byte* to);

    /// <summary>
    /// Turns the scores of <paramref name="count"/> positions into weights 2^((score − largest) · log₂e / √d), adds them to the
    /// sums of weights, and leaves the factors which bring what was summed before to the new maximum.
    /// </summary>
    /// <param name="unit">The unit.</param>
    /// <param name="rows">Its rows.</param>
    /// <param name="count">Positions, 1 … 128. Weights behind them, up to 32 after 32, are 0, whatever the scores.</param>
    /// <param name="begins">Whether nothing was summed before: then no factor is left.</param>
    /// <param name="scale">1/√d</param>
    static abstract void Weigh(PairUnit unit, int rows, int count, bool begins, float scale);

    /// <summary>Computes it.</summary>
    /// <param name="shape">What it is like.</param>
    /// <param name="runs">The panel's runs, which go on until <paramref name="count"/> rows are taken.</param>
    /// <param name="x">Operands, rows <see cref="PairTile.OperandStride"/> elements apart; the element behind the last may be read.</param>
    /// <param name="y">Result.</param>
    /// <param name="count">Rows of the panel that count, at least 1: what lies behind them, also in the last pair, has no influence, not even as NaN.</param>
    /// <param name="factors">One for each row; not read if nothing continues.</param>
    /// <param name="ahead">Bytes behind <see cref="PairRun.Ahead"/> at which to ask.</param>
    static abstract void Multiply(in PairShape shape, PairRun* runs, byte* x, float* y, long count, float* factors, long ahead);
}
