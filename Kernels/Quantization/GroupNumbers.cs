using System.Runtime.CompilerServices;
using Llama4Kernels.Kernels.Contracts;
using Llama4Kernels.Kernels.Numerics;

namespace Llama4Kernels.Kernels.Quantization;

/// <summary>Scales or offsets [rows, groups] as a file has them: numbers of one type, or integers that are packed down the columns.</summary>
/// <param name="Data">The first number; no alignment is assumed.</param>
/// <param name="Type">Their type; null for integers.</param>
/// <param name="RowStride">Elements between rows, 0 if all rows share theirs; for packed integers those between words.</param>
/// <param name="RowsPerNumber">Rows that share a number.</param>
/// <param name="Bits">Of an integer: 4 or 8, the first row in a word's lowest bits; for 8 and <see cref="IsByte"/> a byte each.</param>
/// <param name="IsByte">Whether integers are signed bytes, which count from −128.</param>
public readonly record struct GroupNumbers(nint Data, ElementType? Type, long RowStride, int RowsPerNumber = 1, int Bits = 0, bool IsByte = false)
{
    /// <summary>How such numbers are kept as scales.</summary>
    public ScaleKind ScaleKind => Type switch
    {
        ElementType.F32 => ScaleKind.F32,
        ElementType.F16 => ScaleKind.F16,
        ElementType.BF16 => ScaleKind.BF16,
        _ => throw new ArgumentException($"Scales are float32, bf16 or half, not {Type}.", nameof(Type)),
    };

    /// <summary>The stretch of memory that has the numbers of so many rows and groups.</summary>
    internal (nint Address, long Bytes) Extent(int rows, int groups)
    {
        int rowsPerNumber = Type is null && !IsByte ? 32 / Bits : RowsPerNumber;
        long last = (long)((rows - 1) / rowsPerNumber) * RowStride + groups;
        return (Data, last * (Type?.Size() ?? (IsByte ? 1 : sizeof(uint))));
    }

    /// <summary>Copies a row's numbers of some groups, integers as bytes without sign.</summary>
    internal unsafe void Copy(int row, int group, int count, byte* to)
    {
        byte* data = (byte*)Data;
        if (Type is ElementType type)
        {
            long at = (long)(row / RowsPerNumber) * RowStride + group;
            Unsafe.CopyBlockUnaligned(to, data + at * type.Size(), (uint)(count * type.Size()));
            return;
        }
        int perWord = 32 / Bits;
        for (int i = 0; i < count; i++)
        {
            to[i] = IsByte
                ? (byte)(data[row * RowStride + group + i] ^ 0x80)
                : (byte)(Unsafe.ReadUnaligned<uint>(data + (row / perWord * RowStride + group + i) * sizeof(uint)) >> (row % perWord * Bits) & ((1u << Bits) - 1));
        }
    }
}
