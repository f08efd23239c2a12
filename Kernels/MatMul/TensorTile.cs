using Llama4Kernels.Interop.Cuda;
using Llama4Kernels.Kernels.Ptx;
using Llama4Kernels.Kernels.Quantization;

namespace Llama4Kernels.Kernels.MatMul;

/// <summary>What a block of a product on tensor cores computes, and how its warps share it out.</summary>
/// <param name="Outputs">Outputs of a block.</param>
/// <param name="Tokens">Tokens of a block.</param>
/// <param name="WarpOutputs">Outputs of a warp, whole units of 32.</param>
/// <param name="WarpTokens">Tokens of a warp, whole eights.</param>
/// <param name="Stages">Steps of 64 columns that lie in shared memory at once.</param>
/// <param name="BlocksPerProcessor">Blocks that there shall be registers for.</param>
internal sealed record TensorTile(int Outputs, int Tokens, int WarpOutputs, int WarpTokens, int Stages, int BlocksPerProcessor)
{
    /// <summary>The first architecture with what kernels on tensor cores are made of.</summary>
    public const int FirstSm = 80;

    /// <summary>Bytes of a token's values in a step.</summary>
    public const int RowBytes = 2 * Int4Operand.HalfBytes;

    /// <summary>Warps side by side along the tokens.</summary>
    public int TokenWarps => Tokens / WarpTokens;

    /// <summary>Threads of a block.</summary>
    public int Threads => 32 * (Outputs / WarpOutputs) * TokenWarps;

    /// <summary>Tiles of 16 outputs of a warp.</summary>
    public int WarpTiles => WarpOutputs / MatrixFragments.M;

    /// <summary>Eights of tokens of a warp.</summary>
    public int WarpEights => WarpTokens / MatrixFragments.N;

    /// <summary>Rows that a pass of the block's threads copies, eight threads each.</summary>
    public int CopiedRows => Threads / (RowBytes / 16);

    /// <summary>Tiles of tokens that a grid has for rows of one matrix, or at most of experts.</summary>
    public int TokenTiles(int rows, int experts) => experts == 0 ? (rows + Tokens - 1) / Tokens : Math.Min(rows, (rows + (experts * (Tokens - 1))) / Tokens);

    /// <summary>Blocks of a product.</summary>
    public (CudaDim3 Grid, CudaDim3 Block) Extents(int rows, int outputs, int experts) =>
        (new((outputs + Outputs - 1) / Outputs, TokenTiles(rows, experts)), new(Threads));
}
