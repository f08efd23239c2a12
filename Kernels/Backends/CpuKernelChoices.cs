using Llama4Kernels.Kernels.Contracts;
using Llama4Kernels.Kernels.MatMul;

namespace Llama4Kernels.Kernels.Backends;

/// <summary>Which products a <see cref="CpuBackend"/> takes on this machine.</summary>
public static class CpuKernelChoices
{
    /// <summary>What the processor has, as far as choices depend on it.</summary>
    public static string Machine => CpuLimits.This.ToString();

    /// <summary>All records, best first.</summary>
    public static IReadOnlyList<CpuKernel> List() =>
        [.. CpuProducts.All.Select(record => new CpuKernel(
            record.Name, record.Format?.Name ?? "kept", record.Layout.Name, record.MultipliedAs(record.Format), record.Reason, record.Lacks(CpuLimits.This)))];

    /// <summary>What would compute a product here, and why not those before it in the list. Of experts each is a product.</summary>
    /// <param name="gemm">The product.</param>
    /// <param name="forced">A record to be taken wherever it can be; null takes the best.</param>
    /// <exception cref="ArgumentException">There is no record of that name.</exception>
    /// <exception cref="NotSupportedException">No record takes the product.</exception>
    public static ProductChoice Choose(GemmDesc gemm, string? forced = null)
    {
        (CpuProduct chosen, IReadOnlyList<string> passed) = new CpuProducts(gemm.Activations, forced).Explain(gemm with { Experts = 0 });
        return new ProductChoice(gemm, chosen.Name, chosen.Layout.Name, 0, 0, chosen.Reason, passed) { Operands = chosen.MultipliedAs(gemm.Weights) };
    }
}

/// <summary>A record of products on the host, for people.</summary>
/// <param name="Name">Its name.</param>
/// <param name="Weights">Format of the weights; "kept" for all that other tools store.</param>
/// <param name="Layout">Layout of the weights.</param>
/// <param name="Operands">What x is multiplied as.</param>
/// <param name="Reason">When it is taken and why then.</param>
/// <param name="Lacks">What this processor lacks for it, or null.</param>
public sealed record CpuKernel(string Name, string Weights, string Layout, string Operands, string Reason, string? Lacks);
