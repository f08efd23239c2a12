namespace Llama4Kernels.PtxEmulator.Numerics;

/// <summary>The two 16-bit floating-point formats.</summary>
internal enum HalfFormat
{
    F16,
    BF16,
}
