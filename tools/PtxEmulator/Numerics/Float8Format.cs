namespace Llama4Kernels.PtxEmulator.Numerics;

/// <summary>The two 8-bit floating-point formats.</summary>
internal enum Float8Format
{
    E4M3,
    E5M2,
}
