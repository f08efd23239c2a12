using Llama4Kernels.Kernels.Assembly;
using Llama4Kernels.Kernels.Numerics;

namespace Llama4Kernels.Kernels.MatMul;

/// <summary>The assembled micro-kernels of this process, made at first use and kept.</summary>
internal static unsafe class AssembledTiles
{
    private static readonly Lazy<(AssembledTile[] F32, AssembledTile[] Widen, AssembledTile[] Dot, string? Fault)> Made = new(Make);

    /// <summary>Why they cannot be had, or null.</summary>
    public static string? Fault => Made.Value.Fault;

    /// <summary>The kernel for 1 … 12 tokens.</summary>
    public static delegate* unmanaged<byte*, byte*, long, float*, long, long, void> Get(int tokens, ElementType format, bool dot) =>
        (format == ElementType.F32 ? Made.Value.F32 : dot ? Made.Value.Dot : Made.Value.Widen)[tokens - 1].Run;

    private static (AssembledTile[] F32, AssembledTile[] Widen, AssembledTile[] Dot, string? Fault) Make()
    {
        try
        {
            return (
                Tiles(t => new AssembledTile(t, ElementType.F32, dot: false)),
                Tiles(t => new AssembledTile(t, ElementType.BF16, dot: false)),
                CpuFeatures.Avx512Bf16 ? Tiles(t => new AssembledTile(t, ElementType.BF16, dot: true)) : [],
                null);
        }
        catch (PlatformNotSupportedException e)
        {
            return ([], [], [], e.Message);
        }
    }

    private static AssembledTile[] Tiles(Func<int, AssembledTile> make) =>
        [.. Enumerable.Range(1, AssembledTile.MaxTokens).Select(make)];
}
