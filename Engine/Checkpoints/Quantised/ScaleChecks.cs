using System.Runtime.CompilerServices;
using Llama4Kernels.Engine.Checkpoints.Weights;
using Llama4Kernels.Kernels.Numerics;

namespace Llama4Kernels.Engine.Checkpoints.Quantised;

/// <summary>What holds of the scales of every quantised form.</summary>
internal static unsafe class ScaleChecks
{
    /// <summary>Whether a companion is there, has a type of numbers and one of the shapes; says what is wrong otherwise.</summary>
    public static bool Check(ITensorSource source, string name, string owner, TensorReport report, string per, params ReadOnlySpan<long[]> shapes)
    {
        report.Know(name);
        if (!source.TryGet(name, out StoredTensor? scales))
        {
            report.Fault(name, $"missing, but {owner} is quantised and needs it.");
            return false;
        }
        if (!scales.Type.IsPlain)
        {
            report.Fault(name, $"is {scales.Type}, expected F32, BF16 or F16.");
            return false;
        }
        List<string> expected = [];
        foreach (long[] shape in shapes)
        {
            if (shape.SequenceEqual(scales.Shape))
            {
                return true;
            }
            expected.Add($"[{string.Join(", ", shape)}]");
        }
        report.Fault(name, $"has shape {scales.ShapeText}, expected one scale per {per}, {string.Join(" or ", expected)}.");
        return false;
    }

    /// <summary>Faults the first scale that is not finite, or not positive where it must be.</summary>
    public static void CheckValues(ITensorSource source, string name, TensorReport report, string per = "group", bool positive = true)
    {
        _ = source.TryGet(name, out StoredTensor? scales);
        long bad = FirstBad((byte*)source.Address(scales!), scales!.Elements, scales.Type.Element!.Value, positive);
        if (bad >= 0)
        {
            float value = Read((byte*)source.Address(scales), bad, scales.Type.Element.Value);
            string kind = name.EndsWith(".biases", StringComparison.Ordinal) ? "offset" : "scale";
            report.Fault(name, $"the {kind} of {per} {bad} is {value}, it must be {(positive ? "positive and finite" : "finite")}.");
        }
    }

    private static long FirstBad(byte* data, long count, ElementType type, bool positive)
    {
        // There may be hundreds of millions: halves are judged by their bits.
        if (type == ElementType.F32)
        {
            for (long i = 0; i < count; i++)
            {
                float value = Unsafe.ReadUnaligned<float>(data + 4 * i);
                if (!float.IsFinite(value) || (positive && value <= 0))
                {
                    return i;
                }
            }
            return -1;
        }
        int special = type == ElementType.BF16 ? 0x7f80 : 0x7c00;
        for (long i = 0; i < count; i++)
        {
            int bits = Unsafe.ReadUnaligned<ushort>(data + 2 * i);
            if ((bits & special) == special || (positive && (bits is 0 or >= 0x8000)))
            {
                return i;
            }
        }
        return -1;
    }

    private static float Read(byte* data, long index, ElementType type) => type switch
    {
        ElementType.F32 => Unsafe.ReadUnaligned<float>(data + 4 * index),
        ElementType.BF16 => Bf16.ToSingle(Unsafe.ReadUnaligned<ushort>(data + 2 * index)),
        _ => (float)BitConverter.UInt16BitsToHalf(Unsafe.ReadUnaligned<ushort>(data + 2 * index)),
    };
}
