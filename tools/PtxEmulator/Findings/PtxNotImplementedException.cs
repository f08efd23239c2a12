namespace Llama4Kernels.PtxEmulator.Findings;

/// <summary>The module uses an instruction that the emulator parses and does not execute.</summary>
/// <param name="opcode">The first such opcode with its modifiers.</param>
/// <param name="line">Its line, from 1.</param>
/// <param name="column">Its column, from 1.</param>
/// <param name="others">Further opcodes of the function that are not executed either.</param>
public sealed class PtxNotImplementedException(string opcode, int line, int column, IReadOnlyList<string>? others = null)
    : Exception($"line {line}, column {column}: '{opcode}' is not implemented{(others is { Count: > 0 } ? ", nor " + string.Join(", ", others) : "")}.")
{
    /// <summary>The opcode with its modifiers.</summary>
    public string Opcode { get; } = opcode;

    /// <summary>Line, from 1.</summary>
    public int Line { get; } = line;
}
