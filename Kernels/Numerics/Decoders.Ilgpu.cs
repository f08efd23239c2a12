using ILGPU;

namespace Llama4Kernels.Kernels.Numerics;

/// <summary>
/// How stored numbers become float32. Offsets count elements from the base of the view. The scales are those of groups within
/// a row or of whole rows; a decoder uses one kind and takes 1 for the other.
/// </summary>
public interface IDecoder<T>
    where T : unmanaged
{
    /// <summary>The value at an offset, its group's scale applied.</summary>
    float One(ArrayView<T> stored, ArrayView<float> scales, long at);

    /// <summary>Four values from an offset that is a multiple of 4, their group's scale applied.</summary>
    Float4 Quad(ArrayView<T> stored, ArrayView<float> scales, long at);

    /// <summary>The scale of a row.</summary>
    float RowScale(ArrayView<float> scales, long row);
}

/// <summary>float32 as it is.</summary>
public readonly struct F32Decoder : IDecoder<float>
{
    /// <inheritdoc/>
    public float One(ArrayView<float> stored, ArrayView<float> scales, long at) => stored[at];

    /// <inheritdoc/>
    public Float4 Quad(ArrayView<float> stored, ArrayView<float> scales, long at) => stored.Cast<Float4>()[at >> 2];

    /// <inheritdoc/>
    public float RowScale(ArrayView<float> scales, long row) => scales.Length > 0 ? scales[row] : 1f;
}

/// <summary>bfloat16 bits.</summary>
public readonly struct Bf16Decoder : IDecoder<ushort>
{
    /// <inheritdoc/>
    public float One(ArrayView<ushort> stored, ArrayView<float> scales, long at) => DeviceMath.FromBf16(stored[at]);

    /// <inheritdoc/>
    public Float4 Quad(ArrayView<ushort> stored, ArrayView<float> scales, long at)
    {
        Words2 words = stored.Cast<Words2>()[at >> 2];
        return new Float4(
            ILGPU.Interop.IntAsFloat(words.Low << 16),
            ILGPU.Interop.IntAsFloat(words.Low & 0xffff_0000u),
            ILGPU.Interop.IntAsFloat(words.High << 16),
            ILGPU.Interop.IntAsFloat(words.High & 0xffff_0000u));
    }

    /// <inheritdoc/>
    public float RowScale(ArrayView<float> scales, long row) => scales.Length > 0 ? scales[row] : 1f;
}

/// <summary>FP8 E4M3 codes.</summary>
public readonly struct Fp8Decoder : IDecoder<byte>
{
    /// <inheritdoc/>
    public float One(ArrayView<byte> stored, ArrayView<float> scales, long at) => DeviceMath.FromFp8(stored[at]);

    /// <inheritdoc/>
    public Float4 Quad(ArrayView<byte> stored, ArrayView<float> scales, long at)
    {
        uint word = stored.Cast<uint>()[at >> 2];
        return new Float4(
            DeviceMath.FromFp8((byte)word),
            DeviceMath.FromFp8((byte)(word >> 8)),
            DeviceMath.FromFp8((byte)(word >> 16)),
            DeviceMath.FromFp8((byte)(word >> 24)));
    }

    /// <inheritdoc/>
    public float RowScale(ArrayView<float> scales, long row) => scales.Length > 0 ? scales[row] : 1f;
}

/// <summary>
/// Signed 4-bit codes, two a byte, the even one in the low half; a scale for each 128. Rows are multiples of 128 long, so
/// groups are counted through.
/// </summary>
public readonly struct Int4Decoder : IDecoder<byte>
{
    private const int GroupShift = 7;

    /// <inheritdoc/>
    public float One(ArrayView<byte> stored, ArrayView<float> scales, long at) =>
        Value((uint)stored[at >> 1] >> ((int)(at & 1) << 2)) * scales[at >> GroupShift];

    /// <inheritdoc/>
    public Float4 Quad(ArrayView<byte> stored, ArrayView<float> scales, long at)
    {
        uint codes = stored.Cast<ushort>()[at >> 2];
        float scale = scales[at >> GroupShift];
        return new Float4(Value(codes) * scale, Value(codes >> 4) * scale, Value(codes >> 8) * scale, Value(codes >> 12) * scale);
    }

    /// <inheritdoc/>
    public float RowScale(ArrayView<float> scales, long row) => 1f;

    private static float Value(uint code) => (float)((int)((code & 0xfu) ^ 8u) - 8);
}
