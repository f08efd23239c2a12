using System.Runtime.CompilerServices;
using Llama4Kernels.Kernels.Contracts;
using Llama4Kernels.Kernels.Numerics;

namespace Llama4Kernels.Kernels.Quantization;

/// <summary>Where a piece of a row of codes goes, taken apart: bits as the file has them, each kind by itself.</summary>
internal readonly unsafe struct CodeRow(byte* codes, byte* scales, byte* offsets, ushort* supers)
{
    /// <summary>A byte per column, unsigned.</summary>
    public byte* Codes => codes;

    /// <summary>The groups' scales, <see cref="WeightFormat.GroupScaleBytes"/> each.</summary>
    public byte* Scales => scales;

    /// <summary>The groups' offsets, <see cref="WeightFormat.GroupOffsetBytes"/> each.</summary>
    public byte* Offsets => offsets;

    /// <summary>The halves of two-level scales, d, or d and d', of 256 columns.</summary>
    public ushort* Supers => supers;

    /// <summary>The scale and the offset of a group of a slab.</summary>
    public (float Scale, float Offset) Parameters(WeightFormat format, int group)
    {
        float scale = format.Scale switch
        {
            ScaleKind.TwoLevel => Half(supers[0]) * (sbyte)Scales[group],
            ScaleKind.Nibbles => Half(supers[0]) * (Scales[group] & 15),
            _ => Number(format.Scale, Scales, group),
        };
        float offset = format.Offset switch
        {
            OffsetKind.Added => Number(format.Scale, Offsets, group),
            OffsetKind.Zero => Offsets[group],
            OffsetKind.TwoLevel => -(Half(supers[1]) * (format.Scale == ScaleKind.Nibbles ? Scales[group] >> 4 : Offsets[group])),
            _ => -0f,
        };
        return (scale, offset);
    }

    /// <summary>2^(e − 128), which for the two smallest is no normal float32.</summary>
    public static float Power(int e) => BitConverter.UInt32BitsToSingle(e < 2 ? 0x0020_0000u << e : (uint)(e - 1) << 23);

    private static float Number(ScaleKind kind, byte* numbers, int index) => kind switch
    {
        ScaleKind.F32 => Unsafe.ReadUnaligned<float>(numbers + 4 * index),
        ScaleKind.F16 => Half(Unsafe.ReadUnaligned<ushort>(numbers + 2 * index)),
        ScaleKind.BF16 => Bf16.ToSingle(Unsafe.ReadUnaligned<ushort>(numbers + 2 * index)),
        _ => Power(numbers[index]),
    };

    private static float Half(ushort bits) => (float)BitConverter.UInt16BitsToHalf(bits);
}
