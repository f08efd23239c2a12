using Llama4Kernels.Kernels.Numerics;

namespace Llama4Kernels.Kernels.MatMul;

/// <summary>The assembled micro-kernels of this process, made at first use and kept.</summary>
internal static unsafe class AssembledTiles
{
    private static readonly Lazy<(AssembledTile[] F32, AssembledTile[] Widen, string? Fault)> s_made = new(Make);

    /// <summary>Why they cannot be had, or null.</summary>
    public static string? Fault => s_made.Value.Fault;

    /// <summary>The kernel for 1 … 12 tokens over float32 weights.</summary>
    public static delegate* unmanaged<byte*, byte*, long, float*, long, long, void> F32(int tokens) => s_made.Value.F32[tokens - 1].Run;

    /// <summary>The kernel for 1 … 12 tokens over bfloat16 weights, which it widens.</summary>
    public static delegate* unmanaged<byte*, byte*, long, float*, long, long, void> Widen(int tokens) => s_made.Value.Widen[tokens - 1].Run;

    private static (AssembledTile[] F32, AssembledTile[] Widen, string? Fault) Make()
    {
        try
        {
            return (Tiles(t => new AssembledTile(t, ElementType.F32)), Tiles(t => new AssembledTile(t, ElementType.BF16)), null);
        }
        catch (PlatformNotSupportedException e)
        {
            return ([], [], e.Message);
        }
    }

    private static AssembledTile[] Tiles(Func<int, AssembledTile> make) =>
        [.. Enumerable.Range(1, AssembledTile.MaxTokens).Select(make)];
}
