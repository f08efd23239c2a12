using Llama4Kernels.Kernels.Contracts;

namespace Llama4Kernels.Kernels.Quantization;

/// <summary>What follows from a format for the way its codes are taken apart and packed.</summary>
internal static class CodeFormats
{
    /// <summary>What the bits of a code, counted from 0, stand for before scale and offset.</summary>
    public static float Value(WeightEncoding encoding, int bits, int code) => encoding switch
    {
        WeightEncoding.Unsigned => code,
        WeightEncoding.Integer => code - (1 << (bits - 1)),
        WeightEncoding.Iq4 => CodeTables.Iq4[code],
        WeightEncoding.E2M1 => CodeTables.Fp4[code],
        _ => Numerics.Fp8.ToSingle((byte)code),
    };

    /// <summary>Whether codes stand for the values of a table, and not for their own.</summary>
    public static bool IsTable(WeightEncoding encoding) => encoding is WeightEncoding.Iq4 or WeightEncoding.E2M1;

    /// <summary>Codes of so many bits that are packed together, into whole words.</summary>
    public static int Unit(int bits) => bits switch
    {
        3 or 5 => 32,
        6 => 16,
        _ => 32 / bits,
    };

    extension(WeightFormat format)
    {
        /// <summary>Codes that are packed together: columns are padded to a multiple of them, and groups consist of whole units.</summary>
        public int Unit => Unit(format.Bits);

        /// <summary>Columns of a group in a matrix of some columns.</summary>
        public int Group(int columns) => format.GroupColumns == 0 ? columns : Math.Min(format.GroupColumns, columns);

        /// <summary>Columns that lie together with their scales: those of a two-level scale, or a group.</summary>
        public int Slab(int columns) => format.IsTwoLevel ? WeightFormat.SuperColumns : format.Group(columns);

        /// <summary>What the bits of a code, counted from 0, stand for before scale and offset.</summary>
        public float Value(int code) => Value(format.Encoding, format.Bits, code);

        /// <summary>A weight of its code's value, scale and offset; rounded once where the exact value is no float32.</summary>
        public float Weight(float value, float scale, float offset) => format.Offset switch
        {
            OffsetKind.None => value * scale,
            OffsetKind.Zero => (value - offset) * scale,
            _ => MathF.FusedMultiplyAdd(value, scale, offset),
        };
    }
}
