using Iced.Intel;
using Llama4Kernels.Kernels.Contracts;
using static Iced.Intel.AssemblerRegisters;

namespace Llama4Kernels.Kernels.Quantization;

/// <summary>
/// Assembles, for AVX-512, what <see cref="CodedParameters"/> does, with the same bits, where a tile needs it: so every line of a
/// panel is read once and in ascending order, which reads memory two to three times as fast as scales of several slabs first.
/// </summary>
/// <param name="a">Emits.</param>
/// <param name="layout">Of the panels.</param>
/// <param name="slabs">Where slabs are counted from.</param>
/// <param name="own">Five registers, which keep their contents.</param>
internal readonly struct CodedScalesCode(Assembler a, AffineLayout layout, AssemblerRegister64 slabs, AssemblerRegisterZMM[] own)
{
    private const int Rows = AffineLayout.PanelRows, Lanes = 16, Vectors = Rows / Lanes;

    // What powers of two are made with; the sign's bit, or that of the low half of a byte.
    private readonly AssemblerRegisterZMM _two = own[0], _smallest = own[1], _exponent = own[2], _other = own[3], _mask = own[4];

    /// <summary>Before the first slab.</summary>
    public void Constants()
    {
        if (layout.Scale == ScaleKind.Power)
        {
            Constant(_two, 2);
            Constant(_smallest, 0x0020_0000);
            Constant(_exponent, 1 << 23);
        }
        Constant(_mask, layout.Scale == ScaleKind.Nibbles ? 15 : 0x8000_0000);
    }

    /// <summary>Where a slab begins: what its scales share.</summary>
    /// <param name="at">Where it lies.</param>
    /// <param name="sign">Loses its contents.</param>
    public void Slab(int at, AssemblerRegisterZMM sign)
    {
        for (int v = 0; layout.Halves > 0 && v < Vectors; v++)
        {
            a.vcvtph2ps(D(v), __ymmword_ptr[slabs + (at + v * Lanes * sizeof(ushort))]);
            if (layout.Offset == OffsetKind.TwoLevel)
            {
                Constant(sign, 0x8000_0000);
                a.vcvtph2ps(OffsetD(v), __ymmword_ptr[slabs + (at + (Rows + v * Lanes) * sizeof(ushort))]);
                a.vpxord(OffsetD(v), OffsetD(v), sign);
            }
        }
    }

    /// <summary>The scales of a group of the slab for one of two vectors of rows, and its offsets if there are any that are not in pairs.</summary>
    public void Group(int at, int group, int v, AssemblerRegisterZMM scale, AssemblerRegisterZMM offset)
    {
        int lane = group * Rows + v * Lanes, scalesAt = at + layout.ScalesAt + lane * layout.ScaleBytes, offsetsAt = at + layout.OffsetsAt + lane * layout.OffsetBytes;
        switch (layout.Scale)
        {
            case ScaleKind.TwoLevel:
                a.vpmovsxbd(scale, __xmmword_ptr[slabs + scalesAt]);
                a.vcvtdq2ps(scale, scale);
                a.vmulps(scale, scale, D(v));
                break;
            case ScaleKind.Nibbles:
                a.vpmovzxbd(scale, __xmmword_ptr[slabs + scalesAt]);
                a.vpandd(scale, scale, _mask);
                a.vcvtdq2ps(scale, scale);
                a.vmulps(scale, scale, D(v));
                break;
            default:
                Number(scale, scalesAt);
                break;
        }
        if (layout.Offset == OffsetKind.Added)
        {
            Number(offset, offsetsAt);
        }
        else if (layout.Offset == OffsetKind.Zero)
        {
            // (u − z)·s as s·u + β.
            a.vpmovzxbd(offset, __xmmword_ptr[slabs + offsetsAt]);
            a.vcvtdq2ps(offset, offset);
            a.vpxord(offset, offset, _mask);
            a.vmulps(offset, offset, scale);
        }
    }

    /// <summary>The integers of two-level offsets of two groups, as <see cref="AffineParameters.ReadPairs"/> has them.</summary>
    public void Pair(int at, int group, int v, AssemblerRegisterZMM pair, AssemblerRegisterZMM other)
    {
        bool areNibbles = layout.Scale == ScaleKind.Nibbles;
        int from = at + (areNibbles ? layout.ScalesAt : layout.OffsetsAt) + group * Rows + v * Lanes;
        a.vpmovzxbd(pair, __xmmword_ptr[slabs + from]);
        a.vpmovzxbd(other, __xmmword_ptr[slabs + (from + Rows)]);
        if (areNibbles)
        {
            a.vpsrld(pair, pair, 4);
            a.vpsrld(other, other, 4);
        }
        a.vpslld(other, other, 16);
        a.vpord(pair, pair, other);
    }

    /// <summary>−d' of the slab.</summary>
    public AssemblerRegisterZMM OffsetD(int vector) => own[2 + vector];

    private AssemblerRegisterZMM D(int vector) => own[vector];

    private void Constant(AssemblerRegisterZMM register, uint value)
    {
        a.mov(eax, value);
        a.vpbroadcastd(register, eax);
    }

    private void Number(AssemblerRegisterZMM number, int at)
    {
        switch (layout.Scale)
        {
            case ScaleKind.F32:
                a.vmovups(number, __zmmword_ptr[slabs + at]);
                break;
            case ScaleKind.F16:
                a.vcvtph2ps(number, __ymmword_ptr[slabs + at]);
                break;
            case ScaleKind.BF16:
                a.vpmovzxwd(number, __ymmword_ptr[slabs + at]);
                a.vpslld(number, number, 16);
                break;
            default:
                // 2^(e − 128): a float's exponent, and for the two smallest a subnormal number.
                a.vpmovzxbd(number, __xmmword_ptr[slabs + at]);
                a.vpsllvd(_other, _smallest, number);
                a.vpcmpud(k1, number, _two, 1);
                a.vpslld(number, number, 23);
                a.vpsubd(number, number, _exponent);
                a.vmovdqa32(number.k1, _other);
                break;
        }
    }
}
