using System.Reflection;
using Llama4Kernels.Kernels.Activation;
using Llama4Kernels.Kernels.Embedding;
using Llama4Kernels.Kernels.MatMul;
using Llama4Kernels.Kernels.Normalization;
using Llama4Kernels.Kernels.Numerics;

namespace Llama4Kernels.Kernels.Ilgpu;

/// <summary>Every device kernel of this assembly.</summary>
public static class IlgpuKernels
{
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
        Kernel("matmul_f32", typeof(MatMulIlgpu), nameof(MatMulIlgpu.TiledF32)),
        Kernel("matmul_bf16", typeof(MatMulIlgpu), nameof(MatMulIlgpu.TiledBf16)),
        Kernel("matmul_fp8", typeof(MatMulIlgpu), nameof(MatMulIlgpu.TiledFp8)),
        Kernel("expert_matmul_f32", typeof(MatMulIlgpu), nameof(MatMulIlgpu.ExpertF32)),
        Kernel("expert_matmul_bf16", typeof(MatMulIlgpu), nameof(MatMulIlgpu.ExpertBf16)),
        Kernel("expert_matmul_fp8", typeof(MatMulIlgpu), nameof(MatMulIlgpu.ExpertFp8)),
    ];

    /// <summary>The kernel of a name.</summary>
    /// <exception cref="ArgumentException">There is none.</exception>
    public static IlgpuKernel Get(string name) =>
        All.FirstOrDefault(kernel => kernel.Name == name) ?? throw new ArgumentException($"There is no ILGPU kernel '{name}'.", nameof(name));

    private static IlgpuKernel Kernel(string name, Type type, string method) =>
        new(name, type.GetMethod(method, BindingFlags.Public | BindingFlags.Static)!, GroupReduce.MaxThreads);
}
