namespace Llama4Kernels.Engine.Constraints.Grammars;

/// <summary>A word or sign of a grammar's text.</summary>
/// <param name="Kind">What it is.</param>
/// <param name="Text">A name, sign or number as it stands; what a string or expression stands for; the JSON of a schema.</param>
/// <param name="Place">Line and column, for errors.</param>
/// <param name="IsFirst">Whether it is the first of its line.</param>
/// <param name="IgnoresCase">Whether a string has the flag i.</param>
internal readonly record struct GrammarToken(GrammarTokenKind Kind, string Text, string Place, bool IsFirst, bool IgnoresCase = false)
{
    public bool Is(string sign) => Kind == GrammarTokenKind.Sign && Text == sign;

    public override string ToString() => Kind == GrammarTokenKind.End ? "the end" : $"'{Text}'";
}
