using Iced.Intel;
using Llama4Kernels.Interop.Memory;
using Llama4Kernels.Kernels.Assembly;
using static Iced.Intel.AssemblerRegisters;

namespace Llama4Kernels.Kernels.Quantization;

/// <summary>
/// Micro-kernels for a tile of 1, 2 or 4 rows × one panel of 32 outputs of codes as other tools store them, assembled for AVX-512
/// VNNI. A line of codes is decoded in registers once and multiplied with all rows; shifts, masks and tables run beside the
/// multipliers and cost them nothing. A run of 32 columns costs an accumulator 8 dot products and one multiplication with the
/// scales, one more with offsets of their own, and a group of 128 columns one with the scale of x: at most 32 / 41 of the dot product's
/// peak. Offsets of two levels take two products of 16 bits and one multiplication for 128 columns: 32 / 40.
/// <code>
/// void tile(byte* codes, byte* x, float* parameters, float* y, long spans, long ahead)
/// </code>
/// y is [rows, 32] float32 and is added to. A tile that is the only one of some spans, or the first, takes their scales from the
/// panel and asks for what it will read: ahead is how far behind what it reads. The first one leaves scales in parameters, where
/// further ones find them. Where rows have one scale all tiles find it there. One row, and two of codes without upper bits, ask
/// for nothing: they touch every line of a panel in ascending order and codes once, which the processor's own prefetching
/// follows at the memory's speed; it loses the thread where a line is left for later or read again.
/// </summary>
internal sealed unsafe partial class AssembledCodedTile : IDisposable
{
    private const int Vectors = 2, LineBytes = 64;

    // Bytes ahead of the stream that come into the first-level cache.
    private const int NearBytes = 1536;

    // A | (B & C).
    private const byte Merge = 0xf8;

    private readonly ExecutableMemory _code;

    /// <param name="layout">Of the panels.</param>
    /// <param name="span">What is multiplied.</param>
    /// <param name="rows">1, 2 or 4.</param>
    /// <param name="turn">Which of the tiles of some spans.</param>
    public AssembledCodedTile(AffineLayout layout, CodedSpan span, int rows, TileTurn turn)
    {
        _code = NativeCode.Make(a => new Emitter(a, layout, span, rows, turn).Emit());
        Run = (delegate* unmanaged<byte*, byte*, float*, float*, long, long, void>)_code.Address;
    }

    public delegate* unmanaged<byte*, byte*, float*, float*, long, long, void> Run { get; }

    public void Dispose() => _code.Dispose();

    private readonly partial struct Emitter(Assembler a, AffineLayout layout, CodedSpan span, int rows, TileTurn turn)
    {
        private static readonly AssemblerRegister64 s_codes = rdi, s_x = rsi, s_parameters = rdx, s_y = rcx, s_spans = r8, s_ahead = r9;
        private static readonly AssemblerRegisterZMM s_lowMask = zmm29, s_highMask = zmm30, s_table = zmm31;

        private readonly int _starts = rows * sizeof(int), _groupBytes = rows * span.Operand.GroupBytes;
        private readonly int _low = CodeLines.LowBits(span.Bits);
        private readonly bool _readsScales = turn != TileTurn.Further && !span.IsRow;
        private readonly bool _inOrder = turn == TileTurn.Only && (rows == 1 || rows == 2 && span.Bits <= CodeLines.LowBits(span.Bits));
        private readonly AssemblerRegisterZMM[] _x = NativeCode.Zmm[16..20], _free = NativeCode.Zmm[20..24];
        // Lines of codes that quads are taken from one after another, where they are read once; behind sums and totals.
        private readonly AssemblerRegisterZMM[] _lines = rows < Int8Operand.TileRows ? NativeCode.Zmm[(2 * rows * Vectors)..16] : [];
        private readonly CodedScalesCode _scales = new(a, layout, s_codes, NativeCode.Zmm[24..29]);

        public void Emit()
        {
            NativeCode.Enter(a);
            Constants();
            Label next = a.CreateLabel();
            a.Label(ref next);
            int asked = 0;
            for (int column = 0; column < span.Columns; column += 4)
            {
                if (_readsScales && column % span.SlabColumns == 0)
                {
                    if (_inOrder)
                    {
                        Touch(Slab(column), layout.CodesAt);
                    }
                    _scales.Slab(Slab(column), _free[0]);
                }
                if (_inOrder && _low < span.Bits && column % span.SlabColumns % CodeFormats.Unit(span.Bits) == 0)
                {
                    Touch(span.LineAt(column, CodeLines.Low(span.Bits, column % span.SlabColumns).Word), CodeFormats.Unit(span.Bits) * span.Bits / 8 * AffineLayout.PanelRows);
                }
                if (column % span.Run == 0)
                {
                    Start(column);
                }
                Quad(column);
                for (; turn != TileTurn.Further && !_inOrder && asked * LineBytes * (long)span.Columns < (long)(column + 4) * span.Bytes; asked++)
                {
                    Prefetch(asked * LineBytes);
                }
                if ((column + 4) % span.Run == 0)
                {
                    Fold(column + 4 - span.Run);
                }
            }
            a.add(s_codes, span.Bytes);
            a.add(s_x, span.Groups * _groupBytes);
            if (span.FloatStride > 0)
            {
                a.add(s_parameters, span.FloatStride * sizeof(float));
            }
            a.dec(s_spans);
            a.jne(next);
            NativeCode.Leave(a);
        }

        /// <summary>With few rows lines are used up faster than they come from the second-level cache.</summary>
        private void Prefetch(int line)
        {
            if (rows < Int8Operand.TileRows)
            {
                a.prefetcht0(__byte_ptr[s_codes + s_ahead + line]);
                return;
            }
            a.prefetcht0(__byte_ptr[s_codes + line + NearBytes]);
            a.prefetcht1(__byte_ptr[s_codes + s_ahead + line]);
        }

        private static AssemblerRegisterZMM Sum(int row, int vector) => NativeCode.Zmm[row * Vectors + vector];

        private AssemblerRegisterZMM Total(int row, int vector) => NativeCode.Zmm[(rows + row) * Vectors + vector];

        private void Constants()
        {
            if (_readsScales)
            {
                _scales.Constants();
            }
            Mask(s_lowMask, (1 << _low) - 1);
            Mask(s_highMask, (1 << span.Bits) - (1 << _low));
            if (span.IsTable)
            {
                a.mov(rax, Table(8));
                a.vmovq(xmm0, rax);
                a.vpslldq(xmm0, xmm0, 8);
                a.mov(rax, Table(0));
                a.vmovq(xmm1, rax);
                a.vpor(xmm0, xmm0, xmm1);
                a.vshufi32x4(s_table, zmm0, zmm0, 0);
            }
        }

        private void Mask(AssemblerRegisterZMM register, int ofByte)
        {
            a.mov(eax, (uint)ofByte * 0x01010101);
            a.vpbroadcastd(register, eax);
        }

        private ulong Table(int first)
        {
            ulong bytes = 0;
            for (int i = 0; i < 8; i++)
            {
                bytes |= (ulong)span.Byte(first + i) << (8 * i);
            }
            return bytes;
        }

        /// <summary>Sums begin at what the codes' bias will add, or at zero.</summary>
        private void Start(int column)
        {
            for (int r = 0; r < rows; r++)
            {
                if (span.HasOffsets)
                {
                    a.vpxord(Sum(r, 0), Sum(r, 0), Sum(r, 0));
                    a.vpxord(Sum(r, 1), Sum(r, 1), Sum(r, 1));
                }
                else
                {
                    a.vpbroadcastd(Sum(r, 0), __dword_ptr[s_x + StartAt(column, r)]);
                    a.vmovdqa64(Sum(r, 1), Sum(r, 0));
                }
            }
        }

        /// <summary>Four columns.</summary>
        private void Quad(int column)
        {
            int quads = Group(column) + (span.Operand.SumWords + 1) * _starts + column % Int8Form.GroupColumns / 4 * rows * sizeof(uint);
            for (int r = 0; r < rows; r++)
            {
                a.vpbroadcastd(_x[r], __dword_ptr[s_x + quads + r * sizeof(uint)]);
            }
            for (int v = 0; v < Vectors; v++)
            {
                AssemblerRegisterZMM codes = _free[2 * v];
                Decode(column, v, codes, _free[2 * v + 1]);
                for (int r = 0; r < rows; r++)
                {
                    a.vpdpbusd(Sum(r, v), codes, _x[r]);
                }
            }
        }

        /// <summary>Sums of a run times its scales, plus its offsets times the sum of x; after the last run of a group y += scale of x · the total.</summary>
        private void Fold(int column)
        {
            int inGroup = column % Int8Form.GroupColumns;
            for (int v = 0; v < Vectors; v++)
            {
                AssemblerRegisterZMM scales = _free[2 * v], offsets = _free[2 * v + 1];
                Scales(column, v, scales, offsets);
                for (int r = 0; r < rows; r++)
                {
                    a.vcvtdq2ps(Sum(r, v), Sum(r, v));
                    if (inGroup == 0)
                    {
                        a.vmulps(Total(r, v), Sum(r, v), scales);
                    }
                    else
                    {
                        a.vfmadd231ps(Total(r, v), Sum(r, v), scales);
                    }
                    if (span.HasOffsets && !span.HasPairs)
                    {
                        a.vfmadd231ps(Total(r, v), offsets, __dword_bcst[s_x + StartAt(column, r)]);
                    }
                }
            }
            if (inGroup + span.Run < Int8Form.GroupColumns)
            {
                return;
            }
            for (int v = 0; span.HasPairs && v < Vectors; v++)
            {
                Offsets(column + span.Run - Int8Form.GroupColumns, v);
            }
            for (int i = 0; i < Vectors * rows; i++)
            {
                AssemblerRegisterZMM sum = _free[i % _free.Length];
                a.vmovups(sum, __zmmword_ptr[s_y + i * LineBytes]);
                a.vfmadd231ps(sum, Total(i / Vectors, i % Vectors), __dword_bcst[s_x + Group(column) + span.Operand.SumWords * _starts + i / Vectors * sizeof(float)]);
                a.vmovups(__zmmword_ptr[s_y + i * LineBytes], sum);
            }
        }

        /// <summary>The integers of a group's offsets times the sums of x, both in pairs; then total += −d' · the sum.</summary>
        private void Offsets(int column, int v)
        {
            int pairs = span.Operand.SumWords;
            AssemblerMemoryOperand offsetD = ParameterAt(column + span.Run, Vectors + v);
            for (int p = 0; p < pairs; p++)
            {
                AssemblerMemoryOperand pairAt = ParameterAt(column + 2 * p * span.Run, Vectors + v);
                if (!_readsScales)
                {
                    a.vmovdqu32(_free[p], pairAt);
                    continue;
                }
                _scales.Pair(Slab(column), (column % span.SlabColumns) / span.Run + 2 * p, v, _free[p], _x[0]);
                if (turn == TileTurn.First)
                {
                    a.vmovdqu32(pairAt, _free[p]);
                }
            }
            if (turn == TileTurn.First)
            {
                a.vmovups(offsetD, _scales.OffsetD(v));
            }
            for (int r = 0; r < rows; r++)
            {
                a.vpxord(_x[r], _x[r], _x[r]);
            }
            for (int p = 0; p < pairs; p++)
            {
                for (int r = 0; r < rows; r++)
                {
                    a.vpdpwssd(_x[r], _free[p], __dword_bcst[s_x + Group(column) + p * _starts + r * sizeof(int)]);
                }
            }
            for (int r = 0; r < rows; r++)
            {
                a.vcvtdq2ps(_x[r], _x[r]);
                if (_readsScales)
                {
                    a.vfmadd231ps(Total(r, v), _x[r], _scales.OffsetD(v));
                }
                else
                {
                    a.vfmadd231ps(Total(r, v), _x[r], offsetD);
                }
            }
        }

        /// <summary>One of the vectors of a run's scales and offsets.</summary>
        private AssemblerMemoryOperand ParameterAt(int column, int vector) =>
            __zmmword_ptr[s_parameters + ((span.IsRow ? 0 : column / span.Run * span.RunFloats * sizeof(float)) + vector * LineBytes)];

        private void Scales(int column, int v, AssemblerRegisterZMM scales, AssemblerRegisterZMM offsets)
        {
            AssemblerMemoryOperand scalesAt = ParameterAt(column, v), offsetsAt = ParameterAt(column, Vectors + v);
            bool hasOwn = span.HasOffsets && !span.HasPairs;
            if (!_readsScales)
            {
                a.vmovups(scales, scalesAt);
                if (hasOwn)
                {
                    a.vmovups(offsets, offsetsAt);
                }
                return;
            }
            _scales.Group(Slab(column), column % span.SlabColumns / span.Run, v, scales, offsets);
            if (turn == TileTurn.First)
            {
                a.vmovups(scalesAt, scales);
                if (hasOwn)
                {
                    a.vmovups(offsetsAt, offsets);
                }
            }
        }

        private int Slab(int column) => column / span.SlabColumns * span.SlabBytes;

        private int Group(int column) => column / Int8Form.GroupColumns * _groupBytes;

        private int StartAt(int column, int row) => Group(column) + column % Int8Form.GroupColumns / span.Run * _starts + row * sizeof(int);
    }
}
