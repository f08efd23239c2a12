using System.Runtime.CompilerServices;
using System.Runtime.Intrinsics;

namespace Llama4Kernels.Kernels.MatMul;

/// <summary>How a step (two columns k, k+1 of 32 rows) of a panel widens to float32 vectors.</summary>
internal unsafe interface IWeightFormat
{
    static abstract int StepBytes { get; }

    /// <summary>Rows 16·part … of column k.</summary>
    static abstract Vector512<float> Even512(byte* step, int part);

    /// <summary>Rows 16·part … of column k+1.</summary>
    static abstract Vector512<float> Odd512(byte* step, int part);

    /// <summary>Rows 8·part … of column k.</summary>
    static abstract Vector256<float> Even256(byte* step, int part);

    /// <summary>Rows 8·part … of column k+1.</summary>
    static abstract Vector256<float> Odd256(byte* step, int part);

    /// <summary>Rows 4·part … of column k.</summary>
    static abstract Vector128<float> Even128(byte* step, int part);

    /// <summary>Rows 4·part … of column k+1.</summary>
    static abstract Vector128<float> Odd128(byte* step, int part);
}

/// <summary>32 lanes of bf16 pairs.</summary>
internal readonly unsafe struct Bf16Weights : IWeightFormat
{
    private const uint High = 0xffff_0000;

    public static int StepBytes => 128;

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector512<float> Even512(byte* step, int part) => (Vector512.Load((uint*)step + 16 * part) << 16).AsSingle();

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector512<float> Odd512(byte* step, int part) => (Vector512.Load((uint*)step + 16 * part) & Vector512.Create(High)).AsSingle();

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector256<float> Even256(byte* step, int part) => (Vector256.Load((uint*)step + 8 * part) << 16).AsSingle();

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector256<float> Odd256(byte* step, int part) => (Vector256.Load((uint*)step + 8 * part) & Vector256.Create(High)).AsSingle();

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector128<float> Even128(byte* step, int part) => (Vector128.Load((uint*)step + 4 * part) << 16).AsSingle();

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector128<float> Odd128(byte* step, int part) => (Vector128.Load((uint*)step + 4 * part) & Vector128.Create(High)).AsSingle();
}

/// <summary>32 float32 of k, then 32 of k+1.</summary>
internal readonly unsafe struct F32Weights : IWeightFormat
{
    public static int StepBytes => 256;

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector512<float> Even512(byte* step, int part) => Vector512.Load((float*)step + 16 * part);

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector512<float> Odd512(byte* step, int part) => Vector512.Load((float*)step + 32 + 16 * part);

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector256<float> Even256(byte* step, int part) => Vector256.Load((float*)step + 8 * part);

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector256<float> Odd256(byte* step, int part) => Vector256.Load((float*)step + 32 + 8 * part);

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector128<float> Even128(byte* step, int part) => Vector128.Load((float*)step + 4 * part);

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector128<float> Odd128(byte* step, int part) => Vector128.Load((float*)step + 32 + 4 * part);
}
