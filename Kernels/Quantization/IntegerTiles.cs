using Iced.Intel;
using Llama4Kernels.Interop.Memory;
using Llama4Kernels.Kernels.Assembly;
using Llama4Kernels.Kernels.MatMul;

namespace Llama4Kernels.Kernels.Quantization;

/// <summary>The assembled tiles of a product of integers, made at first use and kept: one for each number of rows and what is prefetched meanwhile.</summary>
/// <param name="emit">
/// Writes the tile of 1, 2 or 4 rows that prefetches 0, 1, 2 or 4 lines into the second-level cache for each four that it reads, and
/// that brings its stream's own next lines into the first-level cache or does not.
/// </param>
internal sealed unsafe class IntegerTiles(Action<Assembler, int, int, bool> emit)
{
    // In the order in which Run finds them.
    private static readonly (int Rows, int Lines, bool Near)[] s_forms = [(1, 0, false), (2, 0, false), (4, 0, false), (4, 1, false), (4, 2, false), (4, 2, true), (4, 4, true)];

    private readonly Lazy<ExecutableMemory[]> _tiles = new(() => [.. s_forms.Select(form => NativeCode.Make(a => emit(a, form.Rows, form.Lines, form.Near)))]);

    /// <summary>Adds blocks of a panel times a tile of x to y.</summary>
    public void Run(byte* blocks, byte* x, int rows, int groups, float* y, Lookahead ahead)
    {
        int form = rows < Int8Operand.TileRows ? rows - 1 : ahead.Lines switch
        {
            0 => 2,
            1 => 3,
            2 => ahead.Near ? 5 : 4,
            _ => 6,
        };
        ((delegate* unmanaged<byte*, byte*, float*, long, byte*, void>)_tiles.Value[form].Address)(blocks, x, y, groups, (byte*)ahead.Address);
    }
}
