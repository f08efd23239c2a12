namespace Llama4Kernels.PtxEmulator.Parsing;

internal enum TokenKind
{
    Identifier,
    Directive,
    Integer,
    Float,
    Text,
    Punctuation,
    End,
}

/// <summary>A piece of PTX text.</summary>
/// <param name="Kind">What it is.</param>
/// <param name="Text">As written; a directive and a modifier with their dot.</param>
/// <param name="Bits">Value of an integer, or the bits of a number as a double.</param>
/// <param name="Line">Line, from 1.</param>
/// <param name="Column">Column, from 1.</param>
internal readonly record struct PtxToken(TokenKind Kind, string Text, ulong Bits, int Line, int Column);
