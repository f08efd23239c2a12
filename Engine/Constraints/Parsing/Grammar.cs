namespace Llama4Kernels.Engine.Constraints.Parsing;

/// <summary>A grammar: rules by name, and the one that whole texts are.</summary>
/// <param name="Start">The name of that rule.</param>
/// <param name="Rules">The rules. A rule may refer to itself; on its left only directly.</param>
internal sealed record Grammar(string Start, IReadOnlyDictionary<string, GrammarExpression> Rules);
