using Llama4Kernels.Kernels.Numerics;

namespace Llama4Kernels.Kernels.MatMul;

/// <summary>The assembled micro-kernels of this process, made at first use and kept.</summary>
internal static unsafe class AssembledTiles
{
    private static readonly Lazy<AssembledTile>[] s_f32 = Tiles(ElementType.F32), s_widen = Tiles(ElementType.BF16);

    private static readonly Lazy<NarrowTile>[] s_narrowF32 = Narrow(widens: false), s_narrowWiden = Narrow(widens: true);

    private static readonly Lazy<string?> s_fault = new(TryOne);

    /// <summary>Why they cannot be had, or null.</summary>
    public static string? Fault => s_fault.Value;

    /// <summary>The kernel for 1 … 12 tokens over float32 weights.</summary>
    public static delegate* unmanaged<byte*, byte*, long, float*, long, long, void> F32(int tokens) => s_f32[tokens - 1].Value.Run;

    /// <summary>The kernel for 1 … 12 tokens over bfloat16 weights, which it widens.</summary>
    public static delegate* unmanaged<byte*, byte*, long, float*, long, long, void> Widen(int tokens) => s_widen[tokens - 1].Value.Run;

    /// <summary>The kernel of AVX2 for 1 … 6 tokens over float32 weights.</summary>
    public static delegate* unmanaged<byte*, byte*, long, float*, long, void> NarrowF32(int tokens) => s_narrowF32[tokens - 1].Value.Run;

    /// <summary>The kernel of AVX2 for 1 … 6 tokens over bfloat16 weights, which it widens.</summary>
    public static delegate* unmanaged<byte*, byte*, long, float*, long, void> NarrowWiden(int tokens) => s_narrowWiden[tokens - 1].Value.Run;

    private static string? TryOne()
    {
        try
        {
            _ = F32(1);
            return null;
        }
        catch (PlatformNotSupportedException e)
        {
            return e.Message;
        }
    }

    private static Lazy<AssembledTile>[] Tiles(ElementType format) =>
        [.. Enumerable.Range(1, AssembledTile.MaxTokens).Select(tokens => new Lazy<AssembledTile>(() => new AssembledTile(tokens, format)))];

    private static Lazy<NarrowTile>[] Narrow(bool widens) =>
        [.. Enumerable.Range(1, NarrowTile.MaxTokens).Select(tokens => new Lazy<NarrowTile>(() => new NarrowTile(tokens, widens)))];
}
