using Llama4Kernels.Kernels.Attention;
using Llama4Kernels.Kernels.Contracts;
using Llama4Kernels.Kernels.MatMul;

namespace Llama4Kernels.Kernels.Backends;

/// <summary>Which products and which attention a <see cref="CpuBackend"/> takes on this machine.</summary>
public static class CpuKernelChoices
{
    /// <summary>What the processor has, as far as choices depend on it.</summary>
    public static string Machine => CpuLimits.This.ToString();

    /// <summary>All records, best first: of products, then of attention.</summary>
    public static IReadOnlyList<CpuKernel> List() =>
        [
            .. CpuProducts.All.Select(record => new CpuKernel(
                record.Name, record.Format?.Name ?? "kept", record.Layout.Name, record.MultipliedAs(record.Format), record.Reason, record.Lacks(CpuLimits.This))),
            .. AttentionForms.All.Select(record => new CpuKernel(
                record.Name, record.InPairs ? "bf16 cache" : "f32 cache", record.InPairs ? "pairs" : "plain", record.Operands.ToString(), record.Reason, record.Lack(CpuLimits.This))),
        ];

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

    /// <summary>What would attend here over a cache of a format, and why not those before it in the list.</summary>
    /// <param name="shape">Heads.</param>
    /// <param name="format">The cache's.</param>
    /// <param name="activations">What operands may be rounded to.</param>
    /// <param name="forced">A record to be taken wherever it can be; null takes the best.</param>
    /// <exception cref="ArgumentException">There is no record of that name.</exception>
    /// <exception cref="PlatformNotSupportedException">The processor cannot run the forced record.</exception>
    public static OperationChoice ChooseAttention(AttentionShape shape, KvFormat format, ActivationPrecision activations, string? forced = null)
    {
        var forms = new AttentionForms(activations, forced);
        KvLayout layout = CpuKvStep.LayoutOf(1, 1, shape, format);
        return new OperationChoice(nameof(IBackend.Attention), $"{format} cache", forms.For(layout).Name, forms.For(layout).Reason, forms.Passed(layout));
    }
}

/// <summary>A record of products or of attention on the host, for people.</summary>
/// <param name="Name">Its name.</param>
/// <param name="Weights">Format of the weights, "kept" for all that other tools store; of attention, the cache's.</param>
/// <param name="Layout">Layout of them.</param>
/// <param name="Operands">What x is multiplied as.</param>
/// <param name="Reason">When it is taken and why then.</param>
/// <param name="Lacks">What this processor lacks for it, or null.</param>
public sealed record CpuKernel(string Name, string Weights, string Layout, string Operands, string Reason, string? Lacks);
