namespace Llama4Kernels.Kernels.Rope;

/// <summary>The rotary frequencies f_j, equal to the reference's bits.</summary>
public static class RopeFrequencies
{
    /// <summary>
    /// f_j = 1 / theta^(2j/d) for j = 0 … d/2 − 1, with the reference's roundings: the exponent, the power and the quotient
    /// are each rounded to float32.
    /// </summary>
    /// <param name="headDim">Head size d, even.</param>
    /// <param name="theta">Base, positive.</param>
    /// <param name="scaling">Long-context scaling, or null.</param>
    /// <returns>[headDim / 2].</returns>
    /// <exception cref="ArgumentException">The head size is odd, or a number is not positive.</exception>
    public static float[] Compute(int headDim, float theta, RopeScaling? scaling = null)
    {
        ArgumentOutOfRangeException.ThrowIfNegativeOrZero(headDim);
        if (headDim % 2 != 0)
        {
            throw new ArgumentException($"Head size {headDim} is odd; rotation works on pairs.", nameof(headDim));
        }
        if (!(theta > 0))
        {
            throw new ArgumentOutOfRangeException(nameof(theta), theta, "The rotary base must be positive.");
        }
        if (scaling is not null && !((float)scaling.Factor > 0 && (float)scaling.LowFreqFactor > 0
            && scaling.HighFreqFactor >= scaling.LowFreqFactor && scaling.OriginalMaxPositions > 0))
        {
            throw new ArgumentException($"{scaling} needs positive numbers and high ≥ low.", nameof(scaling));
        }
        float[] frequencies = new float[headDim / 2];
        for (int j = 0; j < frequencies.Length; j++)
        {
            float exponent = (float)(2.0 * j / headDim);
            float power = (float)Math.Pow(theta, exponent);
            float frequency = 1f / power;
            frequencies[j] = scaling is null ? frequency : Scale(frequency, scaling);
        }
        return frequencies;
    }

    private static float Scale(float frequency, RopeScaling scaling)
    {
        // The reference's numbers are float32.
        float factor = (float)scaling.Factor, low = (float)scaling.LowFreqFactor, high = (float)scaling.HighFreqFactor;
        float wavelength = (float)(2 * Math.PI) / frequency;
        if (wavelength < scaling.OriginalMaxPositions / high)
        {
            return frequency;
        }
        // With low = high nothing lies between, and the interpolation would divide by zero.
        if (wavelength > scaling.OriginalMaxPositions / low || high == low)
        {
            return frequency / factor;
        }
        float smooth = (scaling.OriginalMaxPositions / wavelength - low) / (high - low);
        return (1 - smooth) * frequency / factor + smooth * frequency;
    }
}
