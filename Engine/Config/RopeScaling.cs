namespace Llama4Kernels.Engine.Config;

/// <summary>The "llama3" scaling of rotary frequencies.</summary>
/// <param name="Factor">Divisor of the low frequencies.</param>
/// <param name="LowFreqFactor">Wavelengths above original/low are divided.</param>
/// <param name="HighFreqFactor">Wavelengths below original/high stay; at least <paramref name="LowFreqFactor"/>.</param>
/// <param name="OriginalMaxPositions">Context length of the unscaled model, in tokens.</param>
public sealed record RopeScaling(double Factor, double LowFreqFactor, double HighFreqFactor, int OriginalMaxPositions);
