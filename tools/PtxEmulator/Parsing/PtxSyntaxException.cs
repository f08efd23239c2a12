namespace Llama4Kernels.PtxEmulator.Parsing;

/// <summary>PTX text that cannot be understood.</summary>
/// <param name="message">What is wrong.</param>
/// <param name="line">Line, from 1.</param>
/// <param name="column">Column, from 1.</param>
public sealed class PtxSyntaxException(string message, int line, int column) : Exception($"line {line}, column {column}: {message}")
{
    /// <summary>What is wrong, without the place.</summary>
    public string Reason { get; } = message;

    /// <summary>Line, from 1.</summary>
    public int Line { get; } = line;

    /// <summary>Column, from 1.</summary>
    public int Column { get; } = column;
}
