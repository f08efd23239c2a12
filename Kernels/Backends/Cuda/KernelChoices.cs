using Llama4Kernels.Kernels.Activation;
using Llama4Kernels.Kernels.Attention;
using Llama4Kernels.Kernels.Contracts;
using Llama4Kernels.Kernels.Contracts.Cuda;
using Llama4Kernels.Kernels.Embedding;
using Llama4Kernels.Kernels.ExpertRouting;
using Llama4Kernels.Kernels.MatMul;
using Llama4Kernels.Kernels.Normalization;
using Llama4Kernels.Kernels.Ptx;
using Llama4Kernels.Kernels.Quantization;
using Llama4Kernels.Kernels.Sampling;
using Llama4Kernels.Kernels.Vision;

namespace Llama4Kernels.Kernels.Backends.Cuda;

/// <summary>Which kernels a <see cref="CudaBackend"/> uses.</summary>
public static class KernelChoices
{
    private static readonly KernelOption[] Options =
    [
        .. TokenEmbeddingCuda.Kernels, .. RmsNormCuda.Kernels, .. Int4MatVecCuda.Kernels, .. MatMulCuda.Kernels, .. RotateNormAppendCuda.Kernels, .. PagedAttentionCuda.Kernels,
        .. SwiGluCuda.Kernels, .. ResidualAddCuda.Kernels, .. TopKRoutingCuda.Kernels, .. ExpertFeedForwardCuda.Kernels,
        .. LayerNormCuda.Kernels, .. GeluCuda.Kernels, .. PatchUnfoldCuda.Kernels, .. ClassTokenCuda.Kernels, .. VisionAttentionCuda.Kernels, .. PixelShuffleCuda.Kernels,
        .. ArgMaxCuda.Kernels,
        .. CudaProducts.All.Select(record => new KernelOption(record.IsGrouped ? "ExpertFeedForward" : "Linear", record.Kernel, record.Reason)),
    ];

    /// <summary>The kernels that operations take from a set of modules, in the order in which each operation considers them.</summary>
    public static IReadOnlyList<KernelChoice> List(IKernelModules modules)
    {
        ArgumentNullException.ThrowIfNull(modules);
        var all = new CombinedKernelModules(PtxKernelModules.All, modules);
        List<KernelChoice> choices = [];
        foreach (KernelOption option in Options)
        {
            string[] names = [.. all.Names.Where(name => Names(option, name))];
            choices.AddRange(names.Length == 0
                ? [new KernelChoice(option.Operation, option.Kernel, "missing", option.Reason)]
                : names.Select(name => new KernelChoice(option.Operation, name, Source(all.PlaceOf(name)), option.Reason)));
        }
        return choices;
    }

    /// <summary>What would compute a product, and why not those before it in the list.</summary>
    /// <param name="gemm">The product.</param>
    /// <param name="device">The device.</param>
    /// <param name="forced">A record to be taken wherever it can be; null takes the best.</param>
    /// <exception cref="ArgumentException">There is no record of that name.</exception>
    /// <exception cref="NotSupportedException">No record takes the product.</exception>
    public static ProductChoice Choose(GemmDesc gemm, DeviceLimits device, string? forced = null)
    {
        (CudaProduct chosen, IReadOnlyList<string> passed) = new CudaProducts(device, gemm.Activations, forced).Explain(gemm);
        return new ProductChoice(gemm, chosen.Kernel, chosen.Layout.Name, chosen.SharedBytes, device.SharedBytes, chosen.Reason, passed);
    }

    /// <summary>Where modules come from, in words.</summary>
    internal static string Source(IKernelModules modules) => modules switch
    {
        CombinedKernelModules combined => string.Join("; ", combined.Places.Reverse().Select(Source)),
        PtxKernelModules => "PTX, part of the library",
        FolderKernelModules => "compiled ahead of time",
        _ => "C#, compiled by ILGPU",
    };

    private static bool Names(KernelOption option, string name) => !option.Kernel.EndsWith('_')
        ? name == option.Kernel
        : name.StartsWith(option.Kernel, StringComparison.Ordinal) && !name.AsSpan(option.Kernel.Length).Contains('_')
            && !Options.Any(other => other.Kernel == name);
}
