namespace Llama4Kernels.PtxEmulator.Parsing;

/// <summary>A kernel's parameter.</summary>
/// <param name="Name">Its name.</param>
/// <param name="Offset">First byte in the parameter block.</param>
/// <param name="Size">Bytes.</param>
/// <param name="Align">Alignment in bytes.</param>
public sealed record PtxParameter(string Name, long Offset, long Size, int Align);
