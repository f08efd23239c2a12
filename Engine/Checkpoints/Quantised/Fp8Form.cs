using Llama4Kernels.Engine.Checkpoints.Weights;
using Llama4Kernels.Engine.Config;
using Llama4Kernels.Kernels.Contracts;
using Llama4Kernels.Kernels.Numerics;
using Llama4Kernels.Kernels.Quantization;

namespace Llama4Kernels.Engine.Checkpoints.Quantised;

/// <summary>
/// E4M3 codes with multipliers: one for each output feature, one for all, or one for each block, as the configuration says. Those of
/// "X.weight" are "X.weight_scale"; those of fused experts "gate_up_proj" are "gate_up_proj_scale" (one for each output feature of
/// each expert) or "gate_up_proj_weight_scale" (one for all experts, or each).
/// </summary>
internal sealed class Fp8Form(QuantizationConfig? config) : IStoredForm
{
    /// <inheritdoc/>
    public bool Holds(ITensorSource source, string tensor) => source.TryGet(tensor, out StoredTensor? stored) && stored.Type.Element == ElementType.F8E4M3;

    /// <inheritdoc/>
    public void Check(ITensorSource source, WeightPart part, Weight weight, TensorReport report)
    {
        _ = source.TryGet(part.Tensor, out StoredTensor? stored);
        if (!weight.IsLinear)
        {
            report.Fault(part.Tensor, $"is {stored!.Type}, expected F32, BF16 or F16.");
            return;
        }
        if (stored!.Strides is not null)
        {
            report.Fault(part.Tensor, "is FP8 with gaps between its elements.");
            return;
        }
        string name = ScaleName(source, part.Tensor);
        QuantizationGroup? block = Block(part.Tensor);
        long[][] shapes = (part.Shape, block) switch
        {
            ([var rows, var columns], { } b) => [[(rows + b.Rows - 1) / b.Rows, (columns + b.Columns - 1) / b.Columns]],
            ([_, _], _) when IsWhole(part.Tensor) => [[1], []],
            ([var rows, _], _) => [[rows], [rows, 1]],
            ([var experts, _, var outputs], _) => [[experts, outputs], [experts, 1, outputs], [experts, outputs, 1], [experts], [1], []],
            _ => [],
        };
        string per = block is not null ? "block" : IsWhole(part.Tensor) ? "tensor" : "row";
        if (!ScaleChecks.Check(source, name, part.Tensor, report, per, shapes))
        {
            return;
        }
        ScaleChecks.CheckValues(source, name, report, per);
        Modules.CheckGroup(config?.GroupOf(Modules.Of(part.Tensor)), part.Tensor, "8-bit floats", group => group.IsFloat, report);
    }

    /// <inheritdoc/>
    public MatrixSource Open(ITensorSource source, WeightPart part)
    {
        _ = source.TryGet(part.Tensor, out StoredTensor? stored);
        _ = source.TryGet(ScaleName(source, part.Tensor), out StoredTensor? scales);
        ElementType type = scales!.Type.Element!.Value;
        nint codes = source.Address(stored!), scale = source.Address(scales);
        if (part.Shape.Length == 2 && Block(part.Tensor) is { } block)
        {
            var numbers = new GroupNumbers(scale, type, scales.Shape[^1], block.Rows);
            return new BlockFp8Matrix(codes, part.Rows, part.Columns, KeptFormats.Fp8Blocks(block.Columns, numbers.ScaleKind), numbers);
        }
        nint first = codes + (nint)(part.FirstRow * part.RowElements + part.FirstColumn);
        StridedMatrix matrix = part.Transposed
            ? new StridedMatrix(first, ElementType.F8E4M3, part.Columns, part.Rows, 1, part.RowElements)
            : new StridedMatrix(first, ElementType.F8E4M3, part.Rows, part.Columns, part.RowElements, 1);
        // Of fused experts [experts, in, out] the output features are columns, and each expert has its own, or one.
        long expert = part.Transposed ? part.FirstRow / part.Rows : 0;
        bool many = scales.Elements > (part.Transposed ? part.Shape[0] : 1);
        long own = part.Transposed
            ? many ? expert * part.RowElements + part.FirstColumn : scales.Elements > 1 ? expert : 0
            : many ? part.FirstRow : 0;
        return matrix with { RowScales = scale + (nint)(own * type.Size()), RowScaleType = type, RowScaleStride = many ? 1 : 0 };
    }

    private static string ScaleName(ITensorSource source, string tensor)
    {
        string usual = tensor + "_scale", modelOpt = tensor + "_weight_scale";
        return !source.TryGet(usual, out _) && source.TryGet(modelOpt, out _) ? modelOpt : usual;
    }

    private bool IsWhole(string tensor) => config?.GroupOf(Modules.Of(tensor)) is { IsFloat: true, Strategy: QuantizationStrategy.Tensor };

    private QuantizationGroup? Block(string tensor) =>
        config?.GroupOf(Modules.Of(tensor)) is { IsFloat: true, Strategy: QuantizationStrategy.Block } block ? block : null;
}
