using Llama4Kernels.Interop.Cuda;
using Llama4Kernels.Kernels.Activation;
using Llama4Kernels.Kernels.Attention;
using Llama4Kernels.Kernels.Contracts;
using Llama4Kernels.Kernels.Contracts.Cuda;
using Llama4Kernels.Kernels.Embedding;
using Llama4Kernels.Kernels.ExpertRouting;
using Llama4Kernels.Kernels.MatMul;
using Llama4Kernels.Kernels.Normalization;
using Llama4Kernels.Kernels.Numerics;
using Llama4Kernels.Kernels.Ptx;
using Llama4Kernels.Kernels.Quantization;
using Llama4Kernels.Kernels.Sampling;
using Llama4Kernels.Kernels.Vision;

namespace Llama4Kernels.Kernels.Backends.Cuda;

/// <summary>Which kernels a <see cref="CudaBackend"/> uses.</summary>
public static class KernelChoices
{
    private static readonly KernelOption[] s_options =
    [
        .. TokenEmbeddingCuda.Records.Options, .. RmsNormCuda.Records.Options, .. Int4OperandCuda.Kernels, .. Fp8OperandCuda.Kernels, .. MatMulCuda.Kernels, .. RotateNormAppendCuda.Records.Options, .. PagedAttentionCuda.Records.Options, .. PagedAttentionCuda.Kernels,
        .. SwiGluCuda.Kernels, .. ResidualAddCuda.Kernels, .. TopKRoutingCuda.Kernels, .. ExpertFeedForwardCuda.Kernels, .. FeedForwardCuda.Kernels,
        .. LayerNormCuda.Kernels, .. GeluCuda.Kernels, .. PatchUnfoldCuda.Kernels, .. ClassTokenCuda.Kernels, .. VisionAttentionCuda.Kernels, .. PixelShuffleCuda.Kernels,
        .. ArgMaxCuda.Kernels, .. TokenDrawCuda.Kernels,
        .. CudaProducts.All.Select(record => new KernelOption(record.IsGrouped ? "ExpertFeedForward" : "Linear", record.Kernel, record.Reason)),
    ];

    /// <summary>The kernels that operations take from a set of modules, in the order in which each operation considers them.</summary>
    public static IReadOnlyList<KernelChoice> List(IKernelModules modules)
    {
        ArgumentNullException.ThrowIfNull(modules);
        var all = new CombinedKernelModules(PtxKernelModules.All, modules);
        List<KernelChoice> choices = [];
        foreach (KernelOption option in s_options)
        {
            choices.Add(new KernelChoice(option.Operation, option.Kernel, all.Names.Contains(option.Kernel) ? Source(all.PlaceOf(option.Kernel)) : "missing", option.Reason));
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
        (CudaDim3 grid, CudaDim3 block) = chosen.Extents(gemm.Rows, gemm.Outputs, gemm.Inner, gemm.Experts);
        return new ProductChoice(gemm, chosen.Kernel, chosen.Layout.Name, chosen.SharedBytes, device.SharedBytes, chosen.Reason, passed) { Operands = chosen.MultipliedAs(gemm.Weights), Grid = grid, Block = block };
    }

    /// <summary>What does the operations other than products that have a choice, and why not those before it in the lists.</summary>
    /// <param name="cache">The cache.</param>
    /// <param name="shape">Heads.</param>
    /// <param name="table">Elements of the table of embeddings.</param>
    /// <param name="activations">What may be made of operands.</param>
    /// <param name="device">The device.</param>
    /// <exception cref="ArgumentNullException">There is no cache or device.</exception>
    /// <exception cref="NotSupportedException">No record takes one of them.</exception>
    public static IReadOnlyList<OperationChoice> Choose(KvLayout cache, AttentionShape shape, ElementType table, ActivationPrecision activations, DeviceLimits device) =>
    [
        Choose(TokenEmbeddingCuda.Records, table, $"{table} table"),
        Choose(RotateNormAppendCuda.Records, cache.Format, $"{cache.Format} cache"),
        Choose(PagedAttentionCuda.Records, new AttentionCase(true, shape, cache, activations, device), $"one row a sequence, {cache.Format} cache, heads of {shape.HeadDim}"),
        Choose(PagedAttentionCuda.Records, new AttentionCase(false, shape, cache, activations, device), $"several rows a sequence, {cache.Format} cache, heads of {shape.HeadDim}"),
    ];

    private static OperationChoice Choose<TCase, TLaunch>(KernelRecords<TCase, TLaunch> records, TCase what, string text)
        where TLaunch : Delegate
    {
        KernelRecord<TCase, TLaunch> chosen = records.Choose(what);
        return new OperationChoice(records.Operation, text, chosen.Kernel, chosen.Reason, records.Passed(what));
    }

    /// <summary>Where modules come from, in words.</summary>
    internal static string Source(IKernelModules modules) => modules switch
    {
        CombinedKernelModules combined => string.Join("; ", combined.Places.Reverse().Select(Source)),
        PtxKernelModules => "PTX, part of the library",
        FolderKernelModules => "compiled ahead of time",
        _ => "C#, compiled by ILGPU",
    };
}
