namespace Llama4Kernels.Kernels.Vision;

/// <summary>The two-dimensional rotary table of the vision tower.</summary>
public static class VisionRope
{
    /// <summary>
    /// Pairs (cos, sin) for grid² patches, row-major, and the class token last (angle 0). The first half of a head's pairs
    /// turns by the column, the second by the row; both count from 1.
    /// </summary>
    /// <param name="grid">Patches along one side g.</param>
    /// <param name="headDim">Head size d, a multiple of 4.</param>
    /// <param name="theta">Base, positive.</param>
    /// <returns>[(g² + 1) · d].</returns>
    /// <exception cref="ArgumentException">The head size is no multiple of 4, or a number is not positive.</exception>
    public static float[] Angles(int grid, int headDim, float theta)
    {
        ArgumentOutOfRangeException.ThrowIfNegativeOrZero(grid);
        ArgumentOutOfRangeException.ThrowIfNegativeOrZero(headDim);
        if (headDim % 4 != 0)
        {
            throw new ArgumentException($"Head size {headDim} is no multiple of 4: half its pairs turn by the column, half by the row.", nameof(headDim));
        }
        if (!(theta > 0))
        {
            throw new ArgumentOutOfRangeException(nameof(theta), theta, "The rotary base must be positive.");
        }
        int quarter = headDim / 4;
        float[] table = new float[checked((grid * grid + 1) * headDim)];
        for (int row = 0; row <= grid * grid; row++)
        {
            bool isClassToken = row == grid * grid;
            for (int pair = 0; pair < 2 * quarter; pair++)
            {
                int coordinate = (pair < quarter ? row % grid : row / grid) + 1;
                float frequency = 1f / (float)Math.Pow(theta, (float)(2.0 * (pair % quarter) / (headDim / 2)));
                double angle = isClassToken ? 0 : (double)(coordinate * frequency);
                table[row * headDim + 2 * pair] = (float)Math.Cos(angle);
                table[row * headDim + 2 * pair + 1] = (float)Math.Sin(angle);
            }
        }
        return table;
    }
}
