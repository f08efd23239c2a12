namespace Llama4Kernels.Kernels.Quantization;

/// <summary>Where the codes and scales of a row go: in a device's rows they lie together, in a processor's panels apart.</summary>
/// <param name="codes">First code of the first group.</param>
/// <param name="step">Bytes from one code to the next; of codes of less than a byte, from byte to byte.</param>
/// <param name="groupBytes">Bytes from a group's first code to the next one's.</param>
/// <param name="scales">Scale of the first group.</param>
/// <param name="scaleBytes">Bytes from a group's scale to the next one's.</param>
internal readonly unsafe struct RowTarget(byte* codes, long step, long groupBytes, float* scales, long scaleBytes)
{
    public long Step => step;

    public byte* Codes(int group) => codes + group * groupBytes;

    public float* Scale(int group) => (float*)((byte*)scales + group * scaleBytes);
}
