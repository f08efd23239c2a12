namespace Llama4Kernels.Kernels.Rope;

/// <summary>Frequency scaling of rotary embeddings for long contexts (Llama 3 and Scout form).</summary>
/// <param name="Factor">Divisor of the frequencies whose wavelength is long.</param>
/// <param name="LowFrequencyFactor">Wavelengths above OriginalContext / this are divided.</param>
/// <param name="HighFrequencyFactor">Wavelengths below OriginalContext / this stay as they are.</param>
/// <param name="OriginalContext">Context length in tokens before scaling.</param>
public sealed record RopeScaling(float Factor, float LowFrequencyFactor, float HighFrequencyFactor, int OriginalContext);
