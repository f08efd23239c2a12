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

    public static int Bytes(string type) => Math.Max(1, Bits(type) / 8);
}
