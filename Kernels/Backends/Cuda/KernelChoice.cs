namespace Llama4Kernels.Kernels.Backends.Cuda;

/// <summary>A kernel that the CUDA backend uses, for people.</summary>
/// <param name="Operation">The operation, as <see cref="IBackend"/> calls it.</param>
/// <param name="Kernel">The kernel's name.</param>
/// <param name="Source">Where its text comes from; "missing" if the modules do not have it.</param>
/// <param name="Reason">When it is taken and why then.</param>
public sealed record KernelChoice(string Operation, string Kernel, string Source, string Reason);
