namespace Llama4Kernels.Kernels.Contracts.Cuda;

/// <summary>Where compiled device kernels come from: a folder made ahead of time, or a compiler.</summary>
public interface IKernelModules
{
    /// <summary>Names of the kernels there are.</summary>
    IReadOnlyList<string> Names { get; }

    /// <summary>The module of a kernel.</summary>
    /// <param name="name">One of <see cref="Names"/>.</param>
    /// <param name="sm">Compute capability, 90 for sm_90.</param>
    /// <exception cref="ArgumentException">There is no such kernel.</exception>
    /// <exception cref="ArgumentOutOfRangeException">There is none for that capability.</exception>
    KernelModule Get(string name, int sm);
}
