using Llama4Kernels.Kernels.Contracts;

namespace Llama4Kernels.Kernels.Quantization;

/// <summary>
/// Columns of a row that are taken apart at once: up to 256, whole slabs, or a part of one that is longer.
/// </summary>
/// <param name="First">The first column.</param>
/// <param name="Count">How many.</param>
internal readonly unsafe record struct CodePiece(int First, int Count)
{
    /// <summary>The most columns of a piece.</summary>
    public const int MaxColumns = 256;

    /// <summary>Bytes of a piece's codes, with room to read 64 beyond.</summary>
    public const int CodeBytes = MaxColumns + 64;

    /// <summary>Bytes of a piece's numbers: four of scale and of offset for each four columns, and the halves of two-level scales.</summary>
    public const int NumberBytes = 2 * MaxColumns + 2 * sizeof(ushort);

    /// <summary>The column after the last.</summary>
    public int End => First + Count;

    /// <summary>The piece of a row that has a column.</summary>
    public static CodePiece Containing(WeightFormat format, int columns, int column)
    {
        int slab = format.Slab(columns);
        int begin = slab > MaxColumns ? column / slab * slab : 0;
        int size = slab > MaxColumns ? MaxColumns : MaxColumns / slab * slab;
        int first = begin + (column - begin) / size * size;
        int end = Math.Min(columns, slab > MaxColumns ? begin + slab : int.MaxValue);
        return new CodePiece(first, Math.Min(size, end - first));
    }

    /// <summary>A row of a piece in memory of <see cref="CodeBytes"/> and <see cref="NumberBytes"/>.</summary>
    public static CodeRow Row(byte* codes, byte* numbers) => new(codes, numbers, numbers + MaxColumns, (ushort*)(numbers + 2 * MaxColumns));
}
