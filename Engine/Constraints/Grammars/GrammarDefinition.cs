namespace Llama4Kernels.Engine.Constraints.Grammars;

/// <summary>A rule or, with a name in capitals, a terminal.</summary>
internal sealed record GrammarDefinition(string Name, string Place, GrammarTerm Body)
{
    public bool IsTerminal => IsTerminalName(Name);

    public static bool IsTerminalName(string name) => char.IsAsciiLetterUpper(name.TrimStart('_') is [char first, ..] ? first : 'a');
}
