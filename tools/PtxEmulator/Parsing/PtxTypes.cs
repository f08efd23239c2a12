namespace Llama4Kernels.PtxEmulator.Parsing;

/// <summary>Sizes of PTX types.</summary>
internal static class PtxTypes
{
    /// <summary>Bits of a type without its dot; 0 for what is no type.</summary>
    public static int Bits(string type) => type switch
    {
        "pred" => 1,
        "b8" or "u8" or "s8" or "e4m3" or "e5m2" => 8,
        "b16" or "u16" or "s16" or "f16" or "bf16" or "e4m3x2" or "e5m2x2" => 16,
        "b32" or "u32" or "s32" or "f32" or "f16x2" or "bf16x2" or "u16x2" or "s16x2" or "tf32" => 32,
        "b64" or "u64" or "s64" or "f64" or "texref" or "samplerref" or "surfref" => 64,
        "b128" => 128,
        _ => 0,
    };

    /// <summary>The f32 code of a number given as f64 code. A NaN keeps its sign and payload, also a signalling one.</summary>
    public static uint ToSingle(ulong code) => double.IsNaN(BitConverter.UInt64BitsToDouble(code))
        ? (uint)(code >> 32 & 0x8000_0000) | 0x7F80_0000 | ((uint)(code >> 29) & 0x7F_FFFF)
        : BitConverter.SingleToUInt32Bits((float)BitConverter.UInt64BitsToDouble(code));

    /// <summary>The f64 code of an f32 code, with the rule of <see cref="ToSingle"/> for NaN.</summary>
    public static ulong ToDouble(uint code) => float.IsNaN(BitConverter.UInt32BitsToSingle(code))
        ? (ulong)(code & 0x8000_0000) << 32 | 0x7FF0_0000_0000_0000 | (ulong)(code & 0x7F_FFFF) << 29
        : BitConverter.DoubleToUInt64Bits(BitConverter.UInt32BitsToSingle(code));

    public static int Bytes(string type) => Math.Max(1, Bits(type) / 8);
}
