using System.Runtime.CompilerServices;
using Llama4Kernels.Engine.Checkpoints.Weights;
using Llama4Kernels.Engine.Config;
using Llama4Kernels.Kernels.Contracts;
using Llama4Kernels.Kernels.Quantization;

namespace Llama4Kernels.Engine.Checkpoints.Quantised;

/// <summary>
/// compressed-tensors' packed integers in place of "X.weight": X.weight_packed [out, words], weight_scale [out, groups],
/// weight_shape, and with zero points weight_zero_point [words, groups], which are packed along the output features.
/// </summary>
internal sealed class PackedIntegerForm(QuantizationConfig? config) : IStoredForm
{
    private const string PackedEnd = ".weight_packed", ScaleEnd = ".weight_scale", ShapeEnd = ".weight_shape", ZeroEnd = ".weight_zero_point", OrderEnd = ".weight_g_idx";

    /// <inheritdoc/>
    public bool Holds(ITensorSource source, string tensor) => !source.TryGet(tensor, out _) && source.TryGet(Modules.Of(tensor) + PackedEnd, out _);

    /// <inheritdoc/>
    public void Check(ITensorSource source, WeightPart part, Weight weight, TensorReport report)
    {
        string module = Modules.Of(part.Tensor), name = module + PackedEnd;
        report.Know(name);
        Modules.CheckLinear(weight, name, report);
        _ = source.TryGet(name, out StoredTensor? packed);
        if (packed!.Type.Name != "I32")
        {
            report.Fault(name, $"is {packed.Type}: {(packed.Type.Name == "U8" ? "4-bit floats are" : "it is")} not supported; I32 words of integers are. {QuantizationConfig.Advice}");
            return;
        }
        QuantizationGroup? group = config?.GroupOf(module);
        CheckShape(source, part, module, report);
        if (Bits(packed, part) is not int bits)
        {
            report.Fault(name, $"has shape {packed.ShapeText}; [{part.Rows}, {Words(part.Columns, 4)}] for 4 bits or [{part.Rows}, {Words(part.Columns, 8)}] for 8 are expected.");
            return;
        }
        bool zeros = source.TryGet(module + ZeroEnd, out StoredTensor? zero);
        int groups = Groups(source, module, part, group, report);
        CheckOrder(source, module, part.Columns, groups, report);
        if (groups == 0)
        {
            return;
        }
        ScaleChecks.CheckValues(source, module + ScaleEnd, report);
        if (zeros)
        {
            report.Know(zero!.Name);
            long words = (part.Rows * (long)bits + 31) / 32;
            if (zero.Type.Name != "I32" || !zero.Shape.SequenceEqual([words, groups]))
            {
                report.Fault(zero.Name, $"is {zero.Type} {zero.ShapeText}, expected I32 [{words}, {groups}].");
            }
        }
        string what = $"{bits}-bit codes{(zeros ? " with" : " without")} zero points in {(groups == 1 ? "one group a row" : $"groups of {part.Columns / groups}")}";
        Modules.CheckGroup(group, name, what, g => !g.IsFloat && g.Bits == bits && g.Symmetric != zeros && HasGroups(g, part.Columns, groups), report);
    }

    /// <inheritdoc/>
    public MatrixSource Open(ITensorSource source, WeightPart part)
    {
        string module = Modules.Of(part.Tensor);
        _ = source.TryGet(module + PackedEnd, out StoredTensor? packed);
        _ = source.TryGet(module + ScaleEnd, out StoredTensor? scale);
        int bits = Bits(packed!, part)!.Value;
        int groups = scale!.Elements == 1 ? 1 : (int)scale.Shape[^1];
        var scales = new GroupNumbers(source.Address(scale), scale.Type.Element, scale.Elements == 1 ? 0 : groups);
        bool zeros = source.TryGet(module + ZeroEnd, out StoredTensor? zero);
        WeightFormat format = KeptFormats.Integers(bits, Group(part.Columns, groups), scales.ScaleKind, zeros ? OffsetKind.Zero : OffsetKind.None);
        return new IntegerMatrix(
            source.Address(packed!), packed!.Shape[1] * sizeof(int), part.Rows, part.Columns, format, scales,
            zeros ? new GroupNumbers(source.Address(zero!), null, groups, Bits: bits) : default);
    }

    /// <summary>Columns of a group as a format counts them: a single one is the row, unless the row has a usual group's length.</summary>
    public static int Group(int columns, int groups) => groups == 1 && columns is not (32 or 64 or 128) ? 0 : columns / groups;

    private static long Words(int columns, int bits) => ((long)columns * bits + 31) / 32;

    private static int? Bits(StoredTensor packed, WeightPart part) =>
        packed.Shape is [var rows, var words] && rows == part.Rows
            ? words == Words(part.Columns, 4) ? 4 : words == Words(part.Columns, 8) ? 8 : null
            : null;

    private static bool HasGroups(QuantizationGroup group, int columns, int groups) => group.Strategy switch
    {
        // W8A16 had a scale per row once.
        QuantizationStrategy.Group => group.Columns == 0 || groups == Math.Max(1, columns / group.Columns),
        _ => groups == 1,
    };

    private static void CheckShape(ITensorSource source, WeightPart part, string module, TensorReport report)
    {
        string name = module + ShapeEnd;
        report.Know(name);
        if (!source.TryGet(name, out StoredTensor? shape))
        {
            report.Fault(name, $"missing, but {module + PackedEnd} needs it.");
        }
        else if (shape.Type.Name is not ("I64" or "I32") || !shape.Shape.SequenceEqual([2L]))
        {
            report.Fault(name, $"is {shape.Type} {shape.ShapeText}, expected I64 [2].");
        }
        else if (Read(source, shape) is var (rows, columns) && (rows, columns) != (part.Rows, part.Columns))
        {
            report.Fault(name, $"says [{rows}, {columns}], expected [{part.Rows}, {part.Columns}].");
        }
    }

    private static unsafe (long Rows, long Columns) Read(ITensorSource source, StoredTensor shape)
    {
        byte* data = (byte*)source.Address(shape);
        return shape.Type.Name == "I64"
            ? (Unsafe.ReadUnaligned<long>(data), Unsafe.ReadUnaligned<long>(data + 8))
            : (Unsafe.ReadUnaligned<int>(data), Unsafe.ReadUnaligned<int>(data + 4));
    }

    private static unsafe void CheckOrder(ITensorSource source, string module, int columns, int groups, TensorReport report)
    {
        string name = module + OrderEnd;
        if (!source.TryGet(name, out StoredTensor? order))
        {
            return;
        }
        report.Know(name);
        if (groups == 0)
        {
            return;
        }
        if (order.Type.Name != "I32" || order.Elements != columns)
        {
            report.Fault(name, $"is {order.Type} {order.ShapeText}, expected I32 [{columns}].");
            return;
        }
        // −1 anywhere says that it is not used; groups one after another say what is so without it.
        var groupOf = new ReadOnlySpan<int>((void*)source.Address(order), columns);
        int size = columns / groups, column = 0;
        while (column < columns && groupOf[column] == column / size)
        {
            column++;
        }
        if (column < columns && !groupOf.Contains(-1))
        {
            report.Fault(name, "columns are regrouped (g_idx); use a file quantised with actorder 'weight' or null.");
        }
    }

    /// <summary>Groups of a row, 0 if the scales are wrong.</summary>
    private static int Groups(ITensorSource source, string module, WeightPart part, QuantizationGroup? group, TensorReport report)
    {
        string name = module + ScaleEnd;
        if (source.TryGet(name, out StoredTensor? scale) && scale.Elements == 1 && part.Rows > 1 && group?.Strategy == QuantizationStrategy.Tensor)
        {
            report.Know(name);
            return 1;
        }
        int unit = scale?.Shape is [_, var count] && count > 0 && part.Columns % count == 0 ? (int)count : 0;
        long[] expected = [part.Rows, unit > 0 ? unit : group is { Columns: > 0 } g ? Math.Max(1, part.Columns / g.Columns) : 1];
        if (!ScaleChecks.Check(source, name, module + PackedEnd, report, "group", expected))
        {
            return 0;
        }
        int columns = part.Columns / unit;
        if (unit > 1 && columns % 8 != 0)
        {
            report.Fault(name, $"makes groups of {columns} inputs; groups are multiples of 8.");
            return 0;
        }
        return unit;
    }
}
