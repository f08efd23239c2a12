namespace Llama4Kernels.Kernels.Contracts;

/// <summary>Whose addresses a piece of memory has.</summary>
public enum MemoryPlace
{
    /// <summary>The host's: its pointers.</summary>
    Host,

    /// <summary>A device's: only launches and copies reach it.</summary>
    Device,
}
