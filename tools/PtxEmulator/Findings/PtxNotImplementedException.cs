namespace Llama4Kernels.PtxEmulator.Findings;

/// <summary>The module uses an instruction that the emulator parses and does not execute.</summary>
public sealed class PtxNotImplementedException(string opcode, int line, int column)
    : Exception($"line {line}, column {column}: '{opcode}' is not implemented.")
{
    /// <summary>The opcode with its modifiers.</summary>
    public string Opcode { get; } = opcode;

    /// <summary>Line, from 1.</summary>
    public int Line { get; } = line;
}
