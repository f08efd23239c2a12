using Llama4Kernels.Engine.Checkpoints.Weights;
using Llama4Kernels.Engine.Config;
using Llama4Kernels.Kernels.Contracts;
using Llama4Kernels.Kernels.Numerics;
using Llama4Kernels.Kernels.Quantization;

namespace Llama4Kernels.Engine.Checkpoints.Quantised;

/// <summary>
/// MLX's affine integers: X.weight U32 [out, in·bits / 32], X.scales and X.biases [out, groups]; experts have a dimension more.
/// Embedding, head and router have the form too.
/// </summary>
internal sealed class MlxForm(QuantizationConfig? config) : IStoredForm
{
    /// <inheritdoc/>
    public bool KeepsShape => false;

    /// <inheritdoc/>
    public bool Holds(ITensorSource source, string tensor) => source.TryGet(tensor, out StoredTensor? stored) && stored.Type.Name == "U32";

    /// <inheritdoc/>
    public void Check(ITensorSource source, WeightPart part, Weight weight, TensorReport report)
    {
        _ = source.TryGet(part.Tensor, out StoredTensor? stored);
        string module = Modules.Of(part.Tensor);
        if (weight.IsVector)
        {
            report.Fault(part.Tensor, $"is {stored!.Type}, expected F32, BF16 or F16.");
            return;
        }
        long columns = part.Shape[^1];
        bool same = stored!.Shape.Count == part.Shape.Length && stored.Shape.Take(part.Shape.Length - 1).SequenceEqual(part.Shape[..^1]);
        if (!same || Bits(stored, columns) is not int bits)
        {
            report.Fault(part.Tensor, $"has shape {stored.ShapeText}, expected [{string.Join(", ", part.Shape[..^1])}, {columns / 8}] for 4 bits or [{string.Join(", ", part.Shape[..^1])}, {columns / 4}] for 8; other numbers of bits are not supported.");
            return;
        }
        QuantizationGroup? group = config?.GroupOf(module);
        long count = source.TryGet(module + ".scales", out StoredTensor? scales) && scales.Shape.Count > 0 ? scales.Shape[^1] : 0;
        long groups = count > 0 && columns % count == 0 ? count : columns / (group?.Columns ?? 64);
        long[] expected = [.. part.Shape[..^1], groups];
        bool complete = ScaleChecks.Check(source, module + ".scales", part.Tensor, report, "group", expected);
        complete &= ScaleChecks.Check(source, module + ".biases", part.Tensor, report, "group", expected);
        if (!complete)
        {
            return;
        }
        ScaleChecks.CheckValues(source, module + ".scales", report, positive: false);
        ScaleChecks.CheckValues(source, module + ".biases", report, positive: false);
        _ = source.TryGet(module + ".biases", out StoredTensor? biases);
        if (biases!.Type != scales!.Type)
        {
            report.Fault(biases.Name, $"is {biases.Type}, but the scales are {scales.Type}.");
        }
        if (columns / groups is not (32 or 64 or 128))
        {
            report.Fault(scales.Name, $"makes groups of {columns / groups} inputs; 32, 64 and 128 are supported.");
        }
        Modules.CheckGroup(group, part.Tensor, $"{bits}-bit codes in groups of {columns / groups}", g => g.Bits == bits && g.Columns == columns / groups, report);
    }

    /// <inheritdoc/>
    public MatrixSource Open(ITensorSource source, WeightPart part)
    {
        string module = Modules.Of(part.Tensor);
        _ = source.TryGet(part.Tensor, out StoredTensor? stored);
        _ = source.TryGet(module + ".scales", out StoredTensor? scales);
        _ = source.TryGet(module + ".biases", out StoredTensor? biases);
        int bits = Bits(stored!, part.Columns)!.Value;
        long rowBytes = stored!.Shape[^1] * sizeof(uint), groups = scales!.Shape[^1];
        ElementType type = scales.Type.Element!.Value;
        nint skip = (nint)(part.FirstRow * groups * type.Size());
        var scale = new GroupNumbers(source.Address(scales) + skip, type, groups);
        WeightFormat format = KeptFormats.Integers(bits, (int)(part.Columns / groups), scale.ScaleKind, OffsetKind.Added);
        return new IntegerMatrix(
            source.Address(stored) + (nint)(part.FirstRow * rowBytes), rowBytes, part.Rows, part.Columns, format,
            scale, new GroupNumbers(source.Address(biases!) + skip, type, groups));
    }

    private static int? Bits(StoredTensor stored, long columns) =>
        stored.Shape[^1] * 8 == columns ? 4 : stored.Shape[^1] * 4 == columns ? 8 : null;
}
