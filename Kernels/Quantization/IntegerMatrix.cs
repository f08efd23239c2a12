using System.Runtime.CompilerServices;
using System.Runtime.Intrinsics;
using Llama4Kernels.Kernels.Contracts;

namespace Llama4Kernels.Kernels.Quantization;

/// <summary>
/// Rows of integers of 2, 4 or 8 bits, the first in the lowest bits of a byte, with scales for groups of columns: the packed
/// weights of compressed-tensors, its bytes, and those of MLX.
/// </summary>
/// <param name="Data">The first code; no alignment is assumed.</param>
/// <param name="RowBytes">Bytes between rows.</param>
/// <param name="Rows">Output features.</param>
/// <param name="Columns">Input features.</param>
/// <param name="Codes">Bits, groups and what a code stands for.</param>
/// <param name="Scales">[rows, groups]</param>
/// <param name="Offsets">[rows, groups]; nothing for symmetric formats.</param>
/// <param name="IsSigned">Whether bytes are signed; here they count from −128.</param>
public sealed unsafe record IntegerMatrix(
    nint Data, long RowBytes, int Rows, int Columns, WeightFormat Codes, GroupNumbers Scales, GroupNumbers Offsets = default, bool IsSigned = false)
    : CodedMatrix(Rows, Columns, Codes)
{
    /// <inheritdoc/>
    public override IEnumerable<(nint Address, long Bytes)> Extents
    {
        get
        {
            int groups = Codes.ScalesPerRow(Columns);
            yield return (Data, Rows * RowBytes);
            yield return Scales.Extent(Rows, groups);
            if (Codes.Offset != OffsetKind.None)
            {
                yield return Offsets.Extent(Rows, groups);
            }
        }
    }

    /// <inheritdoc/>
    internal override void Check()
    {
        if (Data == 0 || Scales.Data == 0 || (Offsets.Data == 0) != (Codes.Offset == OffsetKind.None))
        {
            throw new ArgumentException($"A matrix {Codes.Name} [{Rows}, {Columns}] needs codes, scales and, if its format has them, offsets.");
        }
    }

    /// <inheritdoc/>
    internal override void ReadCodes(int row, CodePiece piece, CodeRow to)
    {
        byte* from = (byte*)Data + row * RowBytes + (long)piece.First * Codes.Bits / 8;
        int bytes = piece.Count * Codes.Bits / 8;
        Expect(from + bytes, bytes);
        int group = Codes.Group(Columns);
        int first = piece.First / group, groups = (piece.End - 1) / group + 1 - first;
        Scales.Copy(row, first, groups, to.Scales);
        if (Codes.Offset != OffsetKind.None)
        {
            Offsets.Copy(row, first, groups, to.Offsets);
        }
        switch (Codes.Bits)
        {
            case 8:
                Bytes(from, piece.Count, to.Codes);
                break;
            case 4:
                Halves(from, piece.Count, to.Codes);
                break;
            default:
                for (int c = 0; c < piece.Count; c++)
                {
                    to.Codes[c] = (byte)(from[c / 4] >> (c % 4 * 2) & 3);
                }
                break;
        }
    }

    private void Bytes(byte* from, int count, byte* codes)
    {
        byte flip = IsSigned ? (byte)0x80 : (byte)0;
        int c = 0;
        for (; c <= count - Vector256<byte>.Count; c += Vector256<byte>.Count)
        {
            (Vector256.Load(from + c) ^ Vector256.Create(flip)).Store(codes + c);
        }
        for (; c < count; c++)
        {
            codes[c] = (byte)(from[c] ^ flip);
        }
    }

    private static void Halves(byte* from, int count, byte* codes)
    {
        int c = 0;
        for (; c <= count - 16; c += 16)
        {
            // Each byte twice, the low half of the first and the high half of the second.
            Vector128<ushort> bytes = Vector128.WidenLower(Vector128.CreateScalarUnsafe(Unsafe.ReadUnaligned<ulong>(from + c / 2)).AsByte());
            ((bytes | bytes << 4) & Vector128.Create((ushort)0x0f0f)).AsByte().Store(codes + c);
        }
        for (; c < count; c++)
        {
            codes[c] = (byte)(from[c / 2] >> (c % 2 * 4) & 15);
        }
    }
}
