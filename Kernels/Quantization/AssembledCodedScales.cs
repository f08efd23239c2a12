using Iced.Intel;
using Llama4Kernels.Interop.Memory;
using Llama4Kernels.Kernels.Assembly;
using Llama4Kernels.Kernels.Contracts;
using static Iced.Intel.AssemblerRegisters;

namespace Llama4Kernels.Kernels.Quantization;

/// <summary>
/// What <see cref="CodedParameters"/> does, with the same bits, for whole spans of a panel in which rows have more than one scale,
/// assembled for AVX-512: half of the time of one row went there.
/// <code>
/// void read(byte* slab, float* to, long slabs)
/// </code>
/// </summary>
internal sealed unsafe class AssembledCodedScales : IDisposable
{
    private const int Rows = AffineLayout.PanelRows, Lanes = 16, Vectors = Rows / Lanes, LineBytes = Lanes * sizeof(float);

    private readonly ExecutableMemory _code;

    public AssembledCodedScales(AffineLayout layout)
    {
        _code = NativeCode.Make(a => new Emitter(a, layout).Emit());
        Run = (delegate* unmanaged<byte*, float*, long, void>)_code.Address;
    }

    public delegate* unmanaged<byte*, float*, long, void> Run { get; }

    public void Dispose() => _code.Dispose();

    private readonly struct Emitter(Assembler a, AffineLayout layout)
    {
        private static readonly AssemblerRegister64 s_slab = rdi, s_to = rsi, s_slabs = rdx;
        private static readonly AssemblerRegisterZMM s_sign = zmm30, s_low = zmm31, s_two = zmm29, s_smallest = zmm28, s_exponent = zmm23;

        private readonly int _groups = layout.Slab / layout.Group;
        private readonly bool _hasOffsets = layout.Offset != OffsetKind.None;

        public void Emit()
        {
            NativeCode.Enter(a);
            Constant(s_sign, 0x8000_0000);
            Constant(s_low, 15);
            Constant(s_two, 2);
            Constant(s_smallest, 0x0020_0000);
            Constant(s_exponent, 1 << 23);
            Label next = a.CreateLabel();
            a.Label(ref next);
            for (int v = 0; layout.Halves > 0 && v < Vectors; v++)
            {
                a.vcvtph2ps(D(v), __ymmword_ptr[s_slab + v * Lanes * sizeof(ushort)]);
                if (layout.Offset == OffsetKind.TwoLevel)
                {
                    a.vcvtph2ps(DOffset(v), __ymmword_ptr[s_slab + (Rows + v * Lanes) * sizeof(ushort)]);
                    a.vpxord(DOffset(v), DOffset(v), s_sign);
                }
            }
            for (int group = 0; group < _groups; group++)
            {
                for (int v = 0; v < Vectors; v++)
                {
                    Group(group, v);
                }
            }
            a.add(s_slab, layout.SlabBytes);
            a.add(s_to, _groups * Rows * sizeof(float) * (_hasOffsets ? 2 : 1));
            a.dec(s_slabs);
            a.jne(next);
            NativeCode.Leave(a);
        }

        private static AssemblerRegisterZMM D(int vector) => NativeCode.Zmm[24 + vector];

        private static AssemblerRegisterZMM DOffset(int vector) => NativeCode.Zmm[26 + vector];

        private void Constant(AssemblerRegisterZMM register, uint value)
        {
            a.mov(eax, value);
            a.vpbroadcastd(register, eax);
        }

        private void Group(int group, int v)
        {
            int turn = (group * Vectors + v) % 4 * 3;
            AssemblerRegisterZMM scale = NativeCode.Zmm[turn], offset = NativeCode.Zmm[turn + 1], other = NativeCode.Zmm[turn + 2];
            AssemblerRegister64 slab = s_slab;
            int lane = group * Rows + v * Lanes;
            AssemblerMemoryOperand At(int at, int size) => slab + (at + lane * size);
            switch (layout.Scale)
            {
                case ScaleKind.TwoLevel:
                    a.vpmovsxbd(scale, __xmmword_ptr[At(layout.ScalesAt, 1)]);
                    a.vcvtdq2ps(scale, scale);
                    a.vmulps(scale, scale, D(v));
                    break;
                case ScaleKind.Nibbles:
                    a.vpmovzxbd(offset, __xmmword_ptr[At(layout.ScalesAt, 1)]);
                    a.vpandd(scale, offset, s_low);
                    a.vcvtdq2ps(scale, scale);
                    a.vmulps(scale, scale, D(v));
                    a.vpsrld(offset, offset, 4);
                    a.vcvtdq2ps(offset, offset);
                    a.vmulps(offset, offset, DOffset(v));
                    break;
                default:
                    Number(layout.Scale, scale, other, At(layout.ScalesAt, layout.ScaleBytes));
                    break;
            }
            if (_hasOffsets && layout.Scale != ScaleKind.Nibbles)
            {
                if (layout.Offset == OffsetKind.Added)
                {
                    Number(layout.Scale, offset, other, At(layout.OffsetsAt, layout.OffsetBytes));
                }
                else
                {
                    a.vpmovzxbd(offset, __xmmword_ptr[At(layout.OffsetsAt, 1)]);
                    a.vcvtdq2ps(offset, offset);
                    if (layout.Offset == OffsetKind.TwoLevel)
                    {
                        a.vmulps(offset, offset, DOffset(v));
                    }
                    else
                    {
                        a.vpxord(offset, offset, s_sign);
                        a.vmulps(offset, offset, scale);
                    }
                }
            }
            int to = (group * (_hasOffsets ? 2 : 1) * Vectors + v) * LineBytes;
            a.vmovups(__zmmword_ptr[s_to + to], scale);
            if (_hasOffsets)
            {
                a.vmovups(__zmmword_ptr[s_to + to + Vectors * LineBytes], offset);
            }
        }

        private void Number(ScaleKind kind, AssemblerRegisterZMM number, AssemblerRegisterZMM other, AssemblerMemoryOperand from)
        {
            switch (kind)
            {
                case ScaleKind.F32:
                    a.vmovups(number, __zmmword_ptr[from]);
                    break;
                case ScaleKind.F16:
                    a.vcvtph2ps(number, __ymmword_ptr[from]);
                    break;
                case ScaleKind.BF16:
                    a.vpmovzxwd(number, __ymmword_ptr[from]);
                    a.vpslld(number, number, 16);
                    break;
                default:
                    // 2^(e − 128): a float's exponent, and for the two smallest a subnormal number.
                    a.vpmovzxbd(number, __xmmword_ptr[from]);
                    a.vpsllvd(other, s_smallest, number);
                    a.vpcmpud(k1, number, s_two, 1);
                    a.vpslld(number, number, 23);
                    a.vpsubd(number, number, s_exponent);
                    a.vmovdqa32(number.k1, other);
                    break;
            }
        }
    }
}
