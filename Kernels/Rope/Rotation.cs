using System.Runtime.CompilerServices;
using System.Runtime.Intrinsics;

namespace Llama4Kernels.Kernels.Rope;

/// <summary>Rotation of adjacent pairs, in place.</summary>
internal static unsafe class Rotation
{
    /// <summary>
    /// (x₂ⱼ, x₂ⱼ₊₁) ← (x₂ⱼ cos − x₂ⱼ₊₁ sin, x₂ⱼ sin + x₂ⱼ₊₁ cos) for <paramref name="count"/> elements, with
    /// <paramref name="angles"/> [count] as pairs (cos, sin).
    /// </summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static void Apply(float* x, float* angles, int count)
    {
        Vector512<int> even = Vector512.Create(0, 0, 2, 2, 4, 4, 6, 6, 8, 8, 10, 10, 12, 12, 14, 14);
        Vector512<int> odd = even + Vector512<int>.One;
        Vector512<int> swap = Vector512<int>.Indices ^ Vector512<int>.One;
        Vector512<float> signs = Vector512.Create(-1f, 1, -1, 1, -1, 1, -1, 1, -1, 1, -1, 1, -1, 1, -1, 1);
        int c = 0;
        for (; c <= count - Vector512<float>.Count; c += Vector512<float>.Count)
        {
            Vector512<float> v = Vector512.Load(x + c);
            Vector512<float> angle = Vector512.Load(angles + c);
            Vector512<float> cos = Vector512.Shuffle(angle, even);
            Vector512<float> sin = Vector512.Shuffle(angle, odd) * signs;
            (v * cos + Vector512.Shuffle(v, swap) * sin).Store(x + c);
        }
        for (; c < count; c += 2)
        {
            float a = x[c];
            float b = x[c + 1];
            x[c] = a * angles[c] - b * angles[c + 1];
            x[c + 1] = a * angles[c + 1] + b * angles[c];
        }
    }
}
