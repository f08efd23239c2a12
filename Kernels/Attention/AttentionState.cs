using System.Runtime.Intrinsics;
using Llama4Kernels.Kernels.Activation;

namespace Llama4Kernels.Kernels.Attention;

/// <summary>Softmax state of the rows of a tile over some of the keys.</summary>
internal readonly unsafe struct AttentionState(float* start, int rows, int paddedDim)
{
    /// <summary>Unnormalised weighted sum of values [rows, padded].</summary>
    public float* Sum { get; } = start;

    /// <summary>Largest score, divided by √d [rows]; −∞ for a row that saw no key.</summary>
    public float* Maximum { get; } = start + (long)rows * paddedDim;

    /// <summary>Sum of exponentials [rows].</summary>
    public float* Weight { get; } = start + (long)rows * (paddedDim + 1);

    /// <summary>Empties it.</summary>
    public void Clear(int rows, int paddedDim)
    {
        new Span<float>(Sum, rows * paddedDim).Clear();
        new Span<float>(Maximum, rows).Fill(float.NegativeInfinity);
        new Span<float>(Weight, rows).Clear();
    }

    /// <summary>Takes over another.</summary>
    public void Take(AttentionState other, int rows, int paddedDim)
    {
        new ReadOnlySpan<float>(other.Sum, rows * paddedDim).CopyTo(new Span<float>(Sum, rows * paddedDim));
        new ReadOnlySpan<float>(other.Maximum, rows).CopyTo(new Span<float>(Maximum, rows));
        new ReadOnlySpan<float>(other.Weight, rows).CopyTo(new Span<float>(Weight, rows));
    }

    /// <summary>this ← this combined with part, which covers later keys.</summary>
    public void Fold(AttentionState part, int rows, int paddedDim)
    {
        for (int row = 0; row < rows; row++)
        {
            // A row that saw no key of the part keeps its bits.
            if (part.Maximum[row] == float.NegativeInfinity)
            {
                continue;
            }
            float maximum = MathF.Max(Maximum[row], part.Maximum[row]);
            float reference = maximum == float.NegativeInfinity ? 0f : maximum;
            float old = VectorMath.Exp(Maximum[row] - reference);
            float added = VectorMath.Exp(part.Maximum[row] - reference);
            Maximum[row] = maximum;
            Weight[row] = Weight[row] * old + part.Weight[row] * added;
            float* sum = Sum + (long)row * paddedDim;
            float* other = part.Sum + (long)row * paddedDim;
            for (int c = 0; c < paddedDim; c += Vector512<float>.Count)
            {
                (Vector512.Load(sum + c) * old + Vector512.Load(other + c) * added).Store(sum + c);
            }
        }
    }

    /// <summary>Writes the normalised sums to the output rows of the tile.</summary>
    public void Finish(in AttentionPlan plan, in AttentionTile tile, int kvHead)
    {
        int row = 0;
        for (int token = 0; token < tile.Tokens; token++)
        {
            float* y = plan.Output + (long)(tile.Row + token) * plan.OutputColumns + (long)kvHead * plan.Group * plan.HeadDim;
            for (int head = 0; head < plan.Group; head++, row++, y += plan.HeadDim)
            {
                Scale(Sum + (long)row * plan.PaddedDim, 1f / Weight[row], y, plan.HeadDim);
            }
        }
    }

    /// <summary>y ← x · factor.</summary>
    public static void Scale(float* x, float factor, float* y, int count)
    {
        int i = 0;
        for (; i <= count - Vector512<float>.Count; i += Vector512<float>.Count)
        {
            (Vector512.Load(x + i) * factor).Store(y + i);
        }
        for (; i < count; i++)
        {
            y[i] = x[i] * factor;
        }
    }
}
