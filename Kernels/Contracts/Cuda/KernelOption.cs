namespace Llama4Kernels.Kernels.Contracts.Cuda;

/// <summary>A kernel that an operation uses, for reports.</summary>
/// <param name="Operation">The operation, as <c>IBackend</c> calls it.</param>
/// <param name="Kernel">Its kernel.</param>
/// <param name="Reason">When it is taken and why then.</param>
internal sealed record KernelOption(string Operation, string Kernel, string Reason);
