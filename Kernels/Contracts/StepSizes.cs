using System.Numerics;

namespace Llama4Kernels.Kernels.Contracts;

/// <summary>How many rows a backend likes in a forward step.</summary>
/// <param name="Rows">Rows of a step of a prompt: as many as make its products pay.</param>
/// <param name="GraphRows">Most rows of a step that it keeps to repeat; 0 if it keeps none.</param>
/// <param name="LogitRows">Rows whose logits a step may give: also the most sequences decoded together.</param>
public sealed record StepSizes(int Rows, int GraphRows, int LogitRows)
{
    /// <summary>
    /// Rows with which a step that repeats is run, the last ones without meaning: a power of two, so that steps of all numbers of
    /// sequences have few shapes.
    /// </summary>
    public int Padded(int rows) => rows <= GraphRows ? Math.Min((int)BitOperations.RoundUpToPowerOf2((uint)rows), GraphRows) : rows;
}
