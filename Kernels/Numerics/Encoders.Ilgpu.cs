namespace Llama4Kernels.Kernels.Numerics;

/// <summary>How a float32 is stored.</summary>
public interface IEncoder<out T>
    where T : unmanaged
{
    /// <summary>The stored form.</summary>
    T Encode(float value);
}

/// <summary>float32 as it is.</summary>
public readonly struct F32Encoder : IEncoder<float>
{
    /// <inheritdoc/>
    public float Encode(float value) => value;
}

/// <summary>bfloat16 bits, nearest even.</summary>
public readonly struct Bf16Encoder : IEncoder<ushort>
{
    /// <inheritdoc/>
    public ushort Encode(float value) => DeviceMath.ToBf16(value);
}
