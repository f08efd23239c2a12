namespace Llama4Kernels.Kernels.Backends;

/// <summary>What does an operation, for people.</summary>
/// <param name="Operation">The operation, as <see cref="IBackend"/> calls it.</param>
/// <param name="Case">What the choice depends on.</param>
/// <param name="Kernel">The kernel.</param>
/// <param name="Reason">When it is taken and why then.</param>
/// <param name="Passed">The records before it in the list, each with why it was passed by.</param>
public sealed record OperationChoice(string Operation, string Case, string Kernel, string Reason, IReadOnlyList<string> Passed);
