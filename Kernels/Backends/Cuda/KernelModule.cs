namespace Llama4Kernels.Kernels.Backends.Cuda;

/// <summary>A compiled device kernel: one module with one entry, which carries the kernel's name.</summary>
/// <param name="Name">The kernel's name, also the entry to look up in the loaded module.</param>
/// <param name="Sm">Compute capability it is for, 90 for sm_90.</param>
/// <param name="Text">PTX.</param>
/// <param name="Arguments">Parameters in order.</param>
/// <param name="MaxThreads">Most threads of a group it may be launched with.</param>
public sealed record KernelModule(string Name, int Sm, string Text, IReadOnlyList<KernelArgument> Arguments, int MaxThreads);
