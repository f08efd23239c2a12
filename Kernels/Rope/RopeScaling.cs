namespace Llama4Kernels.Kernels.Rope;

/// <summary>The "llama3" scaling of rotary frequencies for long contexts, as configurations state it.</summary>
/// <param name="Factor">Divisor of the frequencies whose wavelength is long.</param>
/// <param name="LowFreqFactor">Wavelengths above OriginalMaxPositions / this are divided.</param>
/// <param name="HighFreqFactor">Wavelengths below OriginalMaxPositions / this stay as they are; at least <paramref name="LowFreqFactor"/>.</param>
/// <param name="OriginalMaxPositions">Context length in tokens before scaling.</param>
public sealed record RopeScaling(double Factor, double LowFreqFactor, double HighFreqFactor, int OriginalMaxPositions);
