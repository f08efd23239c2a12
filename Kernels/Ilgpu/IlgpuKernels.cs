using System.Reflection;
using Llama4Kernels.Kernels.Activation;
using Llama4Kernels.Kernels.Attention;
using Llama4Kernels.Kernels.Contracts;
using Llama4Kernels.Kernels.Embedding;
using Llama4Kernels.Kernels.ExpertRouting;
using Llama4Kernels.Kernels.MatMul;
using Llama4Kernels.Kernels.Normalization;
using Llama4Kernels.Kernels.Numerics;
using Llama4Kernels.Kernels.Quantization;
using Llama4Kernels.Kernels.Sampling;
using Llama4Kernels.Kernels.Vision;

namespace Llama4Kernels.Kernels.Ilgpu;

/// <summary>Every device kernel of this assembly.</summary>
public static class IlgpuKernels
{
    /// <summary>How kernels read and write the cache's elements, a row a format.</summary>
    private static readonly (KvFormat Format, Type Element, Type Decoder, Type Encoder)[] s_caches =
    [
        (KvFormat.F32, typeof(float), typeof(F32Decoder), typeof(F32Encoder)),
        (KvFormat.BF16, typeof(ushort), typeof(Bf16Decoder), typeof(Bf16Encoder)),
    ];

    /// <summary>The kernels, their names distinct.</summary>
    public static IReadOnlyList<IlgpuKernel> All { get; } =
    [
        Kernel("rms_norm", typeof(RmsNormIlgpu), nameof(RmsNormIlgpu.Run)),
        Kernel("layer_norm", typeof(LayerNormIlgpu), nameof(LayerNormIlgpu.Run)),
        Kernel("swiglu", typeof(SwiGluIlgpu), nameof(SwiGluIlgpu.Run)),
        Kernel("gelu", typeof(GeluIlgpu), nameof(GeluIlgpu.Run)),
        Kernel("residual_add", typeof(ResidualAddIlgpu), nameof(ResidualAddIlgpu.Run)),
        Kernel("embed_f32", typeof(TokenEmbeddingIlgpu), nameof(TokenEmbeddingIlgpu.F32)),
        Kernel("embed_bf16", typeof(TokenEmbeddingIlgpu), nameof(TokenEmbeddingIlgpu.Bf16)),
        Kernel("embed_f16", typeof(TokenEmbeddingIlgpu), nameof(TokenEmbeddingIlgpu.F16)),
        Kernel("matvec_f32", typeof(MatMulIlgpu), nameof(MatMulIlgpu.VectorF32)),
        Kernel("matvec_bf16", typeof(MatMulIlgpu), nameof(MatMulIlgpu.VectorBf16)),
        Kernel("matvec_fp8", typeof(MatMulIlgpu), nameof(MatMulIlgpu.VectorFp8)),
        Kernel("matvec_int4", typeof(MatMulIlgpu), nameof(MatMulIlgpu.VectorInt4)),
        Kernel("matvec_fp8a", typeof(MatMulIlgpu), nameof(MatMulIlgpu.VectorFp8Activations)),
        Kernel("matmul_f32", typeof(MatMulIlgpu), nameof(MatMulIlgpu.TiledF32)),
        Kernel("matmul_bf16", typeof(MatMulIlgpu), nameof(MatMulIlgpu.TiledBf16)),
        Kernel("matmul_fp8", typeof(MatMulIlgpu), nameof(MatMulIlgpu.TiledFp8)),
        Kernel("matmul_int4", typeof(MatMulIlgpu), nameof(MatMulIlgpu.TiledInt4)),
        Kernel("matmul_fp8a", typeof(MatMulIlgpu), nameof(MatMulIlgpu.TiledFp8Activations)),
        Kernel("expert_matvec_f32", typeof(ExpertProductIlgpu), nameof(ExpertProductIlgpu.VectorF32)),
        Kernel("expert_matvec_bf16", typeof(ExpertProductIlgpu), nameof(ExpertProductIlgpu.VectorBf16)),
        Kernel("expert_matvec_fp8", typeof(ExpertProductIlgpu), nameof(ExpertProductIlgpu.VectorFp8)),
        Kernel("expert_matvec_int4", typeof(ExpertProductIlgpu), nameof(ExpertProductIlgpu.VectorInt4)),
        Kernel("expert_matvec_fp8a", typeof(ExpertProductIlgpu), nameof(ExpertProductIlgpu.VectorFp8Activations)),
        Kernel("expert_matmul_f32", typeof(ExpertProductIlgpu), nameof(ExpertProductIlgpu.TiledF32)),
        Kernel("expert_matmul_bf16", typeof(ExpertProductIlgpu), nameof(ExpertProductIlgpu.TiledBf16)),
        Kernel("expert_matmul_fp8", typeof(ExpertProductIlgpu), nameof(ExpertProductIlgpu.TiledFp8)),
        Kernel("expert_matmul_int4", typeof(ExpertProductIlgpu), nameof(ExpertProductIlgpu.TiledInt4)),
        Kernel("expert_matmul_fp8a", typeof(ExpertProductIlgpu), nameof(ExpertProductIlgpu.TiledFp8Activations)),
        Kernel("matvec_affine", typeof(AffineProductIlgpu), nameof(AffineProductIlgpu.Vector)),
        Kernel("matmul_affine", typeof(AffineProductIlgpu), nameof(AffineProductIlgpu.Tiled)),
        Kernel("expert_matvec_affine", typeof(AffineProductIlgpu), nameof(AffineProductIlgpu.ExpertVector)),
        Kernel("expert_matmul_affine", typeof(AffineProductIlgpu), nameof(AffineProductIlgpu.ExpertTiled)),
        Kernel("embed_affine", typeof(AffineProductIlgpu), nameof(AffineProductIlgpu.Embed)),
        Kernel("place_columns", typeof(PlaceColumnsIlgpu), nameof(PlaceColumnsIlgpu.Run)),
        Kernel("quantise_fp8", typeof(QuantiserIlgpu), nameof(QuantiserIlgpu.Fp8Rows)),
        .. s_caches.SelectMany(Cache),
        Kernel("attention_combine", typeof(PagedAttentionIlgpu), nameof(PagedAttentionIlgpu.Combine)),
        Kernel("route_topk", typeof(TopKRoutingIlgpu), nameof(TopKRoutingIlgpu.Choose)),
        Kernel("route_group", typeof(TopKRoutingIlgpu), nameof(TopKRoutingIlgpu.Sort)),
        Kernel("gather_scaled", typeof(ExpertFeedForwardIlgpu), nameof(ExpertFeedForwardIlgpu.Gather)),
        Kernel("scatter_add", typeof(ExpertFeedForwardIlgpu), nameof(ExpertFeedForwardIlgpu.Scatter)),
        Kernel("unfold_patches", typeof(PatchUnfoldIlgpu), nameof(PatchUnfoldIlgpu.Run)),
        Kernel("append_class_token", typeof(ClassTokenIlgpu), nameof(ClassTokenIlgpu.Run)),
        Kernel("rotate_pairs", typeof(RotateNormAppendIlgpu), nameof(RotateNormAppendIlgpu.Rotate)),
        Kernel("vision_attention", typeof(VisionAttentionIlgpu), nameof(VisionAttentionIlgpu.Run)),
        Kernel("pixel_shuffle", typeof(PixelShuffleIlgpu), nameof(PixelShuffleIlgpu.Run)),
        Kernel("top_k", typeof(LogitKernels), nameof(LogitKernels.TopK)),
        Kernel("softmax_sums", typeof(LogitKernels), nameof(LogitKernels.SoftmaxSums)),
        Kernel("temperature", typeof(SamplingKernels), nameof(SamplingKernels.Temperature)),
        Kernel("keep_top_k", typeof(SamplingKernels), nameof(SamplingKernels.KeepTopK)),
        Kernel("top_p", typeof(SamplingKernels), nameof(SamplingKernels.TopP)),
        Kernel("min_p", typeof(SamplingKernels), nameof(SamplingKernels.MinP)),
        Kernel("draw", typeof(SamplingKernels), nameof(SamplingKernels.Draw)),
    ];

    /// <summary>The kernel of a name.</summary>
    /// <exception cref="ArgumentException">There is none.</exception>
    public static IlgpuKernel Get(string name) =>
        All.FirstOrDefault(kernel => kernel.Name == name) ?? throw new ArgumentException($"There is no ILGPU kernel '{name}'.", nameof(name));

    /// <summary>The kernels on a cache of one format.</summary>
    private static IlgpuKernel[] Cache((KvFormat Format, Type Element, Type Decoder, Type Encoder) cache) =>
    [
        Kernel(cache.Format.KernelName("rotate_norm_append"), typeof(RotateNormAppendIlgpu), nameof(RotateNormAppendIlgpu.Append), cache.Element, cache.Encoder),
        Kernel(cache.Format.KernelName("attention"), typeof(PagedAttentionIlgpu), nameof(PagedAttentionIlgpu.Prefill), cache.Element, cache.Decoder),
        Kernel(cache.Format.KernelName("attention_split"), typeof(PagedAttentionIlgpu), nameof(PagedAttentionIlgpu.Split), cache.Element, cache.Decoder),
    ];

    private static IlgpuKernel Kernel(string name, Type type, string method, params Type[] generic)
    {
        MethodInfo found = type.GetMethod(method, BindingFlags.Public | BindingFlags.Static)!;
        return new(name, generic.Length > 0 ? found.MakeGenericMethod(generic) : found, GroupReduce.MaxThreads);
    }
}
