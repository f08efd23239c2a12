namespace Llama4Kernels.Kernels.Backends;

/// <summary>Choices of a <see cref="CpuBackend"/>.</summary>
public sealed record CpuBackendOptions
{
    /// <summary>Threads, the calling one included; 0 means one per logical processor.</summary>
    public int Threads { get; init; }
}
