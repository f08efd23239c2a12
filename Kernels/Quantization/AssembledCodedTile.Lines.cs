using Iced.Intel;
using static Iced.Intel.AssemblerRegisters;

namespace Llama4Kernels.Kernels.Quantization;

/// <summary>How lines of codes come into registers.</summary>
internal sealed unsafe partial class AssembledCodedTile
{
    /// <summary>Where a line of codes is.</summary>
    private readonly record struct CodeLine(AssemblerRegisterZMM Register, AssemblerMemoryOperand Memory);

    private readonly partial struct Emitter
    {
        /// <summary>Makes the first access to some lines be in ascending order.</summary>
        private void Touch(int at, int bytes)
        {
            for (int line = 0; line < bytes; line += LineBytes)
            {
                a.mov(eax, __dword_ptr[s_codes + at + line]);
            }
        }

        private void Decode(int column, int vector, AssemblerRegisterZMM codes, AssemblerRegisterZMM upper)
        {
            (int word, int shift) = CodeLines.Low(span.Bits, column % span.SlabColumns);
            if (span.Bits == 8)
            {
                a.vmovdqu32(codes, Line(column, word, vector));
                return;
            }
            CodeLine line = Take(column, word, shift, vector, vector);
            if (shift > 0)
            {
                Shift(codes, line, shift);
                a.vpandd(codes, codes, s_lowMask);
            }
            else if (_inOrder)
            {
                a.vpandd(codes, s_lowMask, line.Register);
            }
            else
            {
                a.vpandd(codes, s_lowMask, line.Memory);
            }
            if (span.Bits > _low)
            {
                (word, shift) = CodeLines.High(span.Bits, column % span.SlabColumns);
                Shift(upper, Take(column, word, shift, vector, Vectors + vector), shift - _low);
                a.vpternlogd(codes, upper, s_highMask, Merge);
            }
            if (span.IsTable)
            {
                a.vpshufb(codes, s_table, codes);
            }
        }

        /// <summary>A line of codes, read once where lines are read in order: by the quad that has no bits below its own.</summary>
        private CodeLine Take(int column, int word, int shift, int vector, int kept)
        {
            CodeLine line = new(_inOrder ? _lines[kept] : default, Line(column, word, vector));
            if (_inOrder && shift == 0)
            {
                a.vmovdqu32(line.Register, line.Memory);
            }
            return line;
        }

        /// <summary>Bits of a line further down, or further up.</summary>
        private void Shift(AssemblerRegisterZMM to, CodeLine line, int down)
        {
            switch (down)
            {
                case > 0 when _inOrder:
                    a.vpsrld(to, line.Register, (byte)down);
                    break;
                case > 0:
                    a.vpsrld(to, line.Memory, (byte)down);
                    break;
                case < 0 when _inOrder:
                    a.vpslld(to, line.Register, (byte)-down);
                    break;
                case < 0:
                    a.vpslld(to, line.Memory, (byte)-down);
                    break;
                case 0 when _inOrder:
                    a.vmovdqa64(to, line.Register);
                    break;
                default:
                    a.vmovdqu32(to, line.Memory);
                    break;
            }
        }

        private AssemblerMemoryOperand Line(int column, int word, int vector) => __zmmword_ptr[s_codes + span.LineAt(column, word) + vector * LineBytes];
    }
}
