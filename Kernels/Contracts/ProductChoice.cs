using Llama4Kernels.Interop.Cuda;

namespace Llama4Kernels.Kernels.Contracts;

/// <summary>What computes a product, for people.</summary>
/// <param name="Gemm">The product.</param>
/// <param name="Kernel">The record, by its name.</param>
/// <param name="Layout">Layout of the weights, chosen when they are packed.</param>
/// <param name="SharedBytes">On a device, dynamic shared memory of a block; else 0.</param>
/// <param name="SharedLimit">Most that the device has for a block; else 0.</param>
/// <param name="Reason">When it is taken and why then.</param>
/// <param name="Passed">The records before it in the list that read these weights, each with why it was passed by.</param>
public sealed record ProductChoice(GemmDesc Gemm, string Kernel, string Layout, int SharedBytes, int SharedLimit, string Reason, IReadOnlyList<string> Passed)
{
    /// <summary>What x is multiplied as: its values, rounded ones, or codes.</summary>
    public string Operands { get; init; } = "";

    /// <summary>On a device, blocks.</summary>
    public CudaDim3 Grid { get; init; }

    /// <summary>On a device, threads of a block.</summary>
    public CudaDim3 Block { get; init; }
}
