using System.Runtime.InteropServices;
using Iced.Intel;
using Llama4Kernels.Kernels.Numerics;
using static Iced.Intel.AssemblerRegisters;

namespace Llama4Kernels.Kernels.MatMul;

/// <summary>How a pair of columns of a panel of <see cref="PackedMatrix"/> comes into two registers of bfloat16, for the BF16 dot product: a row for each format.</summary>
/// <param name="PairBytes">Bytes of a pair of columns of 32 outputs, whole cache lines.</param>
/// <param name="Constants">Lines of 64 bytes that loads want in registers.</param>
/// <param name="Temporaries">Registers that a load takes, those of the result among them.</param>
/// <param name="PrefetchingRows">Rows from which on a tile that streams a panel keeps too few lines in flight unless it asks ahead.</param>
/// <param name="Load">Emits a load.</param>
internal sealed unsafe record DotCodes(int PairBytes, byte[] Constants, int Temporaries, int PrefetchingRows, DotCodes.Loader Load)
{
    private const int LineBytes = 64, Outputs = PackedMatrix.PanelRows;

    /// <summary>Numbers as they are.</summary>
    public static DotCodes BF16 { get; } = new(2 * LineBytes, [], 2, 3, (a, weights, offset, _, free) =>
    {
        a.vmovdqu64(free[0], __zmmword_ptr[weights + offset]);
        a.vmovdqu64(free[1], __zmmword_ptr[weights + offset + LineBytes]);
        return (free[0], free[1]);
    });

    /// <summary>E4M3, every value of which is a bfloat16: its two bytes are looked up in tables of 128, and the sign is the code's.</summary>
    public static DotCodes Fp8 { get; } = new(LineBytes, Fp8Constants(), 3, 1, (a, weights, offset, constants, free) =>
    {
        (AssemblerRegisterZMM codes, AssemblerRegisterZMM low, AssemblerRegisterZMM high) = (free[0], free[1], free[2]);
        a.vpermb(codes, constants[0], __zmmword_ptr[weights + offset]);
        a.vmovdqa64(low, codes);
        a.vpermi2b(low, constants[2], constants[3]);
        a.vmovdqa64(high, codes);
        a.vpermi2b(high, constants[4], constants[5]);
        a.vpternlogd(high, codes, constants[1], Merge);
        a.vpunpcklbw(codes, low, high);
        a.vpunpckhbw(high, low, high);
        return (codes, high);
    });

    // A | (B & C).
    private const byte Merge = 0xf8;

    /// <summary>Emits the load of a pair: register of outputs 0 … 15, of outputs 16 … 31.</summary>
    public delegate (AssemblerRegisterZMM Low, AssemblerRegisterZMM High) Loader(
        Assembler a, AssemblerRegister64 weights, int offset, AssemblerRegisterZMM[] constants, AssemblerRegisterZMM[] free);

    /// <summary>The constants in memory that stays as long as the process.</summary>
    public nint ConstantsAddress { get; } = Place(Constants);

    /// <summary>Tiles of these codes; kept as long as the process.</summary>
    public DotTiles Tiles => field ??= new DotTiles(this);

    private static nint Place(byte[] constants)
    {
        byte* memory = (byte*)NativeMemory.AlignedAlloc((nuint)Math.Max(LineBytes, constants.Length), LineBytes);
        constants.CopyTo(new Span<byte>(memory, constants.Length));
        return (nint)memory;
    }

    /// <summary>The order of bytes, the sign's bit, tables of the low bytes and of the high ones.</summary>
    private static byte[] Fp8Constants()
    {
        byte[] lines = new byte[6 * LineBytes];
        for (int i = 0; i < LineBytes; i++)
        {
            // Interleaving takes eight bytes of each quarter for the first 16 outputs and eight for the others, two columns in turn.
            lines[i] = (byte)(i % 2 * Outputs + (i % 16 / 8 * 16) + (i / 16 * 4) + (i % 8 / 2));
            lines[LineBytes + i] = 0x80;
        }
        for (int code = 0; code < 2 * LineBytes; code++)
        {
            ushort value = Bf16.FromSingle(Numerics.Fp8.ToSingle((byte)code));
            lines[2 * LineBytes + code] = (byte)value;
            lines[4 * LineBytes + code] = (byte)(value >> 8);
        }
        return lines;
    }
}
