using Llama4Kernels.Interop.Memory;
using Llama4Kernels.Kernels.Assembly;

namespace Llama4Kernels.Kernels.MatMul;

/// <summary>Tiles of 1 to 14 tokens with vdpbf16ps, assembled at first use and kept for the life of the process.</summary>
internal readonly unsafe struct Bf16DotTiles : ITiles
{
    private static readonly ExecutableMemory?[] s_code = new ExecutableMemory?[Bf16DotAssembler.MaxTokens + 1];
    private static readonly delegate* unmanaged<TileArguments*, void>[] s_tiles = new delegate* unmanaged<TileArguments*, void>[Bf16DotAssembler.MaxTokens + 1];

    /// <summary>Why the tiles cannot run here; null if they can.</summary>
    public static string? Unavailable { get; } = Load();

    public static int MaxTokens => Bf16DotAssembler.MaxTokens;

    public static bool Bf16Pairs => true;

    public static int Fit(int tokens) => tokens;

    public static void Run(int tokens, byte* x, byte* w, int steps, float* c, long cStride, bool accumulate)
    {
        var arguments = new TileArguments { X = x, W = w, Steps = steps, C = c, StrideBytes = cStride * sizeof(float), Accumulate = accumulate ? 1 : 0 };
        s_tiles[tokens](&arguments);
    }

    private static string? Load()
    {
        if (!CpuFeatures.Avx512Bf16)
        {
            return "The processor or the system has no AVX512_BF16.";
        }
        try
        {
            for (int tokens = 1; tokens < s_code.Length; tokens++)
            {
                s_code[tokens] = new ExecutableMemory(Bf16DotAssembler.Assemble(tokens, OperatingSystem.IsWindows()));
                s_tiles[tokens] = (delegate* unmanaged<TileArguments*, void>)s_code[tokens]!.Address;
            }
            return null;
        }
        catch (ExecutableMemoryException failure)
        {
            return failure.Message;
        }
    }
}
