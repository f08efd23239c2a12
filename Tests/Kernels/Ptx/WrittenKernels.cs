using Llama4Kernels.Kernels.Attention;
using Llama4Kernels.Kernels.ExpertRouting;
using Llama4Kernels.Kernels.Machine;
using Llama4Kernels.Kernels.MatMul;
using Llama4Kernels.Kernels.Normalization;
using Llama4Kernels.Kernels.Ptx;
using Llama4Kernels.Kernels.Quantization;

namespace Llama4Kernels.Tests.Kernels.Ptx;

/// <summary>All kernels that are written with <see cref="KernelWriter"/>, with the room that their text lies in.</summary>
internal static class WrittenKernels
{
    private const string Machine = "Machine";

    /// <summary>Targets of the written texts.</summary>
    public static IReadOnlyList<int> Targets { get; } = [80, 90];

    public static IReadOnlyList<(string Room, string Name, int Sm, KernelWriter Writer)> All { get; } =
    [
        .. from sm in Targets
           from experts in (bool[])[false, true]
           from rows in Int4MatVecPtx.RowCounts
           select ("Quantization", Int4MatVecPtx.Name(rows, experts), sm, Int4MatVecPtx.Write(rows, experts, sm)),
        .. from sm in Targets
           from experts in (bool[])[false, true]
           from tile in Int4GemmPtx.Tiles
           select ("Quantization", Int4GemmPtx.Name(tile, experts), sm, Int4GemmPtx.Write(tile, experts, sm)),
        .. from sm in Targets
           from experts in (bool[])[false, true]
           from tile in Bf16MatVecPtx.Tiles
           select ("MatMul", Bf16MatVecPtx.Name(tile, experts), sm, Bf16MatVecPtx.Write(tile, experts, sm)),
        .. from sm in Targets
           from experts in (bool[])[false, true]
           from tile in Bf16GemmPtx.Tiles
           select ("MatMul", Bf16GemmPtx.Name(tile, experts), sm, Bf16GemmPtx.Write(tile, experts, sm)),
        .. from sm in Targets
           from experts in (bool[])[false, true]
           from tile in Fp8MatVecPtx.Tiles
           select ("Quantization", Fp8MatVecPtx.Name(tile, experts), sm, Fp8MatVecPtx.Write(tile, experts, sm)),
        .. from sm in Targets
           from experts in (bool[])[false, true]
           from tile in Fp8GemmPtx.Tiles
           select ("Quantization", Fp8GemmPtx.Name(tile, experts), sm, Fp8GemmPtx.Write(tile, experts, sm)),
        .. from sm in Targets from quantises in (bool[])[false, true] select ("Quantization", Fp8OperandPtx.Name(quantises), sm, Fp8OperandPtx.Write(quantises, sm)),
        .. from sm in Targets select ("Quantization", Int4OperandPtx.Name, sm, Int4OperandPtx.Write(sm)),
        .. from sm in Targets select ("Attention", AttentionFoldPtx.Name, sm, AttentionFoldPtx.Write(sm)),
        .. from sm in Targets select ("ExpertRouting", NormRouterPtx.Name, sm, NormRouterPtx.Write(sm)),
        .. from sm in Targets select ("ExpertRouting", ExpertGateUpPtx.Name, sm, ExpertGateUpPtx.Write(sm)),
        .. from sm in Targets select ("ExpertRouting", ExpertDownPtx.Name, sm, ExpertDownPtx.Write(sm)),
        .. from sm in Targets from pageTokens in CacheTilePtx.PageSizes select ("Attention", SplitAttentionPtx.Name(pageTokens), sm, SplitAttentionPtx.Write(pageTokens, sm)),
        .. from sm in Targets from pageTokens in CacheTilePtx.PageSizes select ("Attention", PrefillAttentionPtx.Name(pageTokens), sm, PrefillAttentionPtx.Write(pageTokens, sm)),
        .. from sm in Targets select ("Normalization", RmsNormPtx.Name, sm, RmsNormPtx.Write(sm)),
        .. from loads in ReadProbe.Loads select (Machine, ReadProbe.Name(loads), Targets[0], ReadProbe.Write(loads, Targets[0])),
        .. from sm in Targets select (Machine, LaunchProbe.Name, sm, LaunchProbe.Write(sm)),
        .. from decodes in (bool[])[false, true] select (Machine, MatrixProbe.Name(decodes), Targets[0], MatrixProbe.Write(decodes, Targets[0])),
    ];
}
