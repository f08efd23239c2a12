using Llama4Kernels.PtxEmulator.Findings;
using Llama4Kernels.PtxEmulator.Parsing;

namespace Llama4Kernels.PtxEmulator.Execution;

/// <summary>An instruction's opcode while it is decoded: what nobody took at the end is not implemented.</summary>
internal sealed class Form
{
    private readonly List<string> _left;

    public Form(PtxInstruction instruction)
    {
        Instruction = instruction;
        _left = [.. instruction.Opcode.Skip(1)];
        Types = [.. _left.Where(piece => PtxTypes.Bits(piece) > 0)];
        _left.RemoveAll(piece => PtxTypes.Bits(piece) > 0);
    }

    public PtxInstruction Instruction { get; }

    public string Name => Instruction.Opcode[0];

    /// <summary>The types among the modifiers, in order.</summary>
    public IReadOnlyList<string> Types { get; }

    public string Type => Types.Count > 0 ? Types[^1] : throw Unknown();

    public IReadOnlyList<PtxOperand> Operands => Instruction.Operands;

    public bool Take(string modifier) => _left.Remove(modifier);

    /// <summary>Removes and gives the first of these that is there, or an empty string.</summary>
    public string TakeAny(params ReadOnlySpan<string> modifiers)
    {
        foreach (string modifier in modifiers)
        {
            if (_left.Remove(modifier))
            {
                return modifier;
            }
        }
        return "";
    }

    /// <summary>Removes modifiers that tell a cache or a prefetcher something.</summary>
    public void TakeHints() => _left.RemoveAll(piece => piece.StartsWith("L1::", StringComparison.Ordinal) || piece.StartsWith("L2::", StringComparison.Ordinal)
        || piece is "ca" or "cg" or "cs" or "lu" or "cv" or "wb" or "wt" or "nc");

    /// <summary>Throws if a modifier is left that nobody knows.</summary>
    public void Finish()
    {
        if (_left.Count > 0)
        {
            throw Unknown();
        }
    }

    public PtxNotImplementedException Unknown() => new(Instruction.Text, Instruction.Line, Instruction.Column);

    public PtxSyntaxException Wrong(string message) => new(message, Instruction.Line, Instruction.Column);
}
