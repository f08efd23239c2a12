namespace Llama4Kernels.Kernels.Quantization;

/// <summary>Where the codes and scales of a row go: codes of a group follow one another.</summary>
/// <param name="codes">First code of the first group.</param>
/// <param name="groupBytes">Bytes from a group's first code to the next one's.</param>
/// <param name="scales">Scale of the first group.</param>
/// <param name="scaleBytes">Bytes from a group's scale to the next one's.</param>
internal readonly unsafe struct RowTarget(byte* codes, long groupBytes, float* scales, long scaleBytes)
{
    public byte* Codes(int group) => codes + group * groupBytes;

    public float* Scale(int group) => (float*)((byte*)scales + group * scaleBytes);
}
