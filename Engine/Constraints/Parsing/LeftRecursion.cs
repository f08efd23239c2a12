namespace Llama4Kernels.Engine.Constraints.Parsing;

/// <summary>Rewrites rules that begin with themselves, A = A x | y, as repeats, A = y x*.</summary>
internal static class LeftRecursion
{
    public static Grammar Remove(Grammar grammar) => grammar with
    {
        Rules = grammar.Rules.ToDictionary(rule => rule.Key, rule => Remove(rule.Key, rule.Value), StringComparer.Ordinal),
    };

    private static GrammarExpression Remove(string name, GrammarExpression body)
    {
        List<GrammarExpression> starts = [];
        List<GrammarExpression> rests = [];
        foreach (GrammarExpression alternative in Alternatives(body))
        {
            IReadOnlyList<GrammarExpression> parts = [.. Parts(alternative)];
            if (parts.Count > 0 && parts[0] is GrammarExpression.Reference first && first.Rule == name)
            {
                rests.Add(new GrammarExpression.Sequence([.. parts.Skip(1)]));
            }
            else
            {
                starts.Add(alternative);
            }
        }
        return rests.Count == 0 ? body : new GrammarExpression.Sequence(
            new GrammarExpression.Choice([.. starts]),
            new GrammarExpression.Repeat(new GrammarExpression.Choice([.. rests]), 0, int.MaxValue));
    }

    private static IEnumerable<GrammarExpression> Alternatives(GrammarExpression body) =>
        body is GrammarExpression.Choice choice ? choice.Parts.SelectMany(Alternatives) : [body];

    private static IEnumerable<GrammarExpression> Parts(GrammarExpression alternative) =>
        alternative is GrammarExpression.Sequence sequence ? sequence.Parts.SelectMany(Parts) : [alternative];
}
