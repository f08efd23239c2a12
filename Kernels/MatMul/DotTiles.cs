namespace Llama4Kernels.Kernels.MatMul;

/// <summary>The assembled tiles for codes times the BF16 dot product, made at first use and kept.</summary>
/// <param name="codes">What the weights are.</param>
internal sealed unsafe class DotTiles(DotCodes codes)
{
    private static readonly (int Lines, bool Near)[] s_prefetches = [(0, false), (1, false), (2, false), (4, true)];

    private readonly Lazy<AssembledDotTile[]> _tiles = new(() =>
        [.. Enumerable.Range(1, DotOperand.TileRows).SelectMany(rows => s_prefetches.Select(prefetch => new AssembledDotTile(codes, rows, prefetch.Lines, prefetch.Near)))]);

    /// <summary>Weights that are bfloat16; as <see cref="Run"/>.</summary>
    public static void BF16(byte* weights, byte* x, int rows, int pairs, float* from, float* y, Lookahead ahead) => DotCodes.BF16.Tiles.Run(weights, x, rows, pairs, from, y, ahead);

    /// <summary>E4M3 codes; as <see cref="Run"/>.</summary>
    public static void Fp8(byte* weights, byte* x, int rows, int pairs, float* from, float* y, Lookahead ahead) => DotCodes.Fp8.Tiles.Run(weights, x, rows, pairs, from, y, ahead);

    /// <summary>Multiplies.</summary>
    /// <param name="weights">Pairs of columns of a panel.</param>
    /// <param name="x">The same pairs of a tile of <see cref="DotOperand"/>.</param>
    /// <param name="rows">Rows of the tile.</param>
    /// <param name="pairs">How many pairs.</param>
    /// <param name="from">[rows, 32], where sums begin.</param>
    /// <param name="y">[rows, 32], filled; may be <paramref name="from"/>.</param>
    /// <param name="ahead">What to prefetch meanwhile: no line, 1 or 2 of each four that are read, or 4 and the stream's own next ones.</param>
    private void Run(byte* weights, byte* x, int rows, int pairs, float* from, float* y, Lookahead ahead)
    {
        int prefetch = ahead.Lines == 4 ? 3 : ahead.Lines;
        _tiles.Value[(rows - 1) * s_prefetches.Length + prefetch].Run(weights, x, from, y, pairs, (byte*)ahead.Address);
    }
}
