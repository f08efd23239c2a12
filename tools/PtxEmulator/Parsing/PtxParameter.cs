namespace Llama4Kernels.PtxEmulator.Parsing;

/// <summary>A kernel's parameter.</summary>
/// <param name="Name">Its name.</param>
/// <param name="Type">Type of an element as it is declared, without its dot: b8, u32, f32 and so on.</param>
/// <param name="Offset">First byte in the parameter block.</param>
/// <param name="Size">Bytes.</param>
/// <param name="Align">Alignment in bytes.</param>
public sealed record PtxParameter(string Name, string Type, long Offset, long Size, int Align);
