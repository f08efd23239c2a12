namespace Llama4Kernels.Engine.Constraints.Parsing;

/// <summary>A grammar: rules by name, and the one that whole texts are.</summary>
/// <param name="Start">The name of that rule.</param>
/// <param name="Rules">The rules. Rules may recur in any way.</param>
internal sealed record Grammar(string Start, IReadOnlyDictionary<string, GrammarExpression> Rules);
