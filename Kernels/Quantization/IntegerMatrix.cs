using System.Runtime.CompilerServices;
using System.Runtime.Intrinsics;

namespace Llama4Kernels.Kernels.Quantization;

/// <summary>
/// Rows of integers of 2, 4 or 8 bits, the first in the lowest bits of a byte, with scales for groups of columns: the packed
/// weights of compressed-tensors, its bytes, and those of MLX.
/// </summary>
/// <param name="Data">The first code; no alignment is assumed.</param>
/// <param name="RowBytes">Bytes between rows.</param>
/// <param name="Rows">Output features.</param>
/// <param name="Columns">Input features.</param>
/// <param name="Format">Bits, groups and what a code stands for.</param>
/// <param name="Scales">[rows, groups]</param>
/// <param name="Offsets">[rows, groups]; nothing for symmetric formats.</param>
/// <param name="IsSigned">Whether bytes are signed; here they count from −128.</param>
internal sealed unsafe record IntegerMatrix(
    nint Data, long RowBytes, int Rows, int Columns, CodeFormat Format, GroupNumbers Scales, GroupNumbers Offsets = default, bool IsSigned = false)
    : CodedMatrix(Rows, Columns, Format)
{
    /// <inheritdoc/>
    public override IEnumerable<(nint Address, long Bytes)> Extents => [(Data, Rows * RowBytes)];

    /// <summary>Symmetric integers as llm-compressor and the engine have them.</summary>
    /// <param name="bits">4 or 8.</param>
    /// <param name="group">Columns of a group, 0 for a row.</param>
    /// <param name="scale">Type of the scales.</param>
    public static CodeFormat Symmetric(int bits, int group, ScaleKind scale) =>
        new($"int{bits}{GroupName(group)}-{TypeName(scale)}", bits, CodeKind.Centred, group, scale, OffsetKind.None);

    /// <summary>As <see cref="Symmetric"/> with a zero point for each group.</summary>
    public static CodeFormat WithZeros(int bits, int group, ScaleKind scale) =>
        new($"uint{bits}{GroupName(group)}-{TypeName(scale)}-zero", bits, CodeKind.Unsigned, group, scale, OffsetKind.Zero);

    /// <summary>MLX's affine integers: a scale and an offset for each group.</summary>
    public static CodeFormat Affine(int bits, int group, ScaleKind scale) =>
        new($"uint{bits}{GroupName(group)}-{TypeName(scale)}-affine", bits, CodeKind.Unsigned, group, scale, OffsetKind.Added);

    /// <inheritdoc/>
    internal override void Check()
    {
        if (Data == 0 || Scales.Data == 0 || (Offsets.Data == 0) != (Format.Offset == OffsetKind.None))
        {
            throw new ArgumentException($"A matrix {Format.Name} [{Rows}, {Columns}] needs codes, scales and, if its format has them, offsets.");
        }
    }

    /// <inheritdoc/>
    internal override void ReadCodes(int row, CodePiece piece, CodeRow to)
    {
        byte* from = (byte*)Data + row * RowBytes + (long)piece.First * Format.Bits / 8;
        int group = Format.Group(Columns);
        int first = piece.First / group, groups = (piece.End - 1) / group + 1 - first;
        Scales.Copy(row, first, groups, to.Scales);
        if (Format.Offset != OffsetKind.None)
        {
            Offsets.Copy(row, first, groups, to.Offsets);
        }
        switch (Format.Bits)
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

    private static string GroupName(int group) => group == 0 ? "row" : $"g{group}";

    private static string TypeName(ScaleKind scale) => scale.ToString().ToLowerInvariant();

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
