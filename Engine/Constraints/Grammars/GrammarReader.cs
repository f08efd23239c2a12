using System.Text;
using System.Text.Json;
using Llama4Kernels.Engine.Constraints.Lexing;
using Llama4Kernels.Engine.Constraints.Parsing;
using Llama4Kernels.Engine.Constraints.Regex;

namespace Llama4Kernels.Engine.Constraints.Grammars;

/// <summary>
/// Makes the machine's grammar of one in Lark's notation. Every way to read the text counts; there is no longest match that takes a
/// text away from a shorter terminal. Ignored terminals may stand before every other one and at the end.
/// </summary>
internal sealed class GrammarReader
{
    private const string StartName = "start";

    private readonly Dictionary<string, GrammarDefinition> _definitions;
    private readonly Dictionary<string, GrammarExpression> _terminals = new(StringComparer.Ordinal);
    private readonly HashSet<string> _open = new(StringComparer.Ordinal);
    private readonly GrammarExpression? _ignored;
    private readonly ConstraintLimits _limits;

    private GrammarReader(string text, ConstraintLimits limits)
    {
        _limits = limits;
        (_definitions, List<GrammarTerm> ignoredTerms) = GrammarParser.Read(text, limits);
        if (ignoredTerms.Count > 0)
        {
            _ignored = new GrammarExpression.Repeat(new GrammarExpression.Choice([.. ignoredTerms.Select(Terminal)]), 0, int.MaxValue);
        }
    }

    /// <exception cref="ConstraintException">The grammar is malformed, or has a construct that is not supported.</exception>
    public static Grammar Read(string text, ConstraintLimits limits)
    {
        if (text.Length > limits.MaxSourceLength)
        {
            throw new ConstraintException("grammar", string.Empty, $"is longer than {limits.MaxSourceLength} characters.");
        }
        return new GrammarReader(text, limits).Read();
    }

    private Grammar Read()
    {
        if (!_definitions.ContainsKey(StartName))
        {
            throw new ConstraintException("grammar", string.Empty, "has no rule start.");
        }
        Dictionary<string, GrammarExpression> rules = _definitions.Values.Where(definition => !definition.IsTerminal)
            .ToDictionary(definition => definition.Name, definition => Part(definition.Body), StringComparer.Ordinal);
        // Nobody refers to this one, so what is ignored at the end stands at the end of the whole text only.
        const string Whole = "";
        rules.Add(Whole, _ignored is null
            ? new GrammarExpression.Reference(StartName)
            : new GrammarExpression.Sequence(new GrammarExpression.Reference(StartName), _ignored));
        return new Grammar(Whole, rules);
    }

    /// <summary>A part of a rule.</summary>
    private GrammarExpression Part(GrammarTerm term)
    {
        switch (term)
        {
            case GrammarTerm.Alternatives alternatives:
                return new GrammarExpression.Choice([.. alternatives.Parts.Select(Part)]);
            case GrammarTerm.Sequence sequence:
                return new GrammarExpression.Sequence([.. sequence.Parts.Select(Part)]);
            case GrammarTerm.Repeat repeat:
                return new GrammarExpression.Repeat(Part(repeat.Part), repeat.Min, repeat.Max);
            case GrammarTerm.Reference reference when !GrammarDefinition.IsTerminalName(reference.Name):
                return _definitions.ContainsKey(reference.Name)
                    ? new GrammarExpression.Reference(reference.Name)
                    : throw new ConstraintException("grammar", reference.Place, $"{reference.Name} is not defined.");
            case GrammarTerm.Schema schema:
                return AfterIgnored(Value(schema));
            default:
                return AfterIgnored(Terminal(term));
        }
    }

    private GrammarExpression AfterIgnored(GrammarExpression expression) =>
        _ignored is null ? expression : new GrammarExpression.Sequence(_ignored, expression);

    /// <summary>A part of a terminal.</summary>
    private GrammarExpression Terminal(GrammarTerm term)
    {
        switch (term)
        {
            case GrammarTerm.Alternatives alternatives:
                return new GrammarExpression.Choice([.. alternatives.Parts.Select(Terminal)]);
            case GrammarTerm.Sequence sequence:
                return new GrammarExpression.Sequence([.. sequence.Parts.Select(Terminal)]);
            case GrammarTerm.Repeat repeat:
                return new GrammarExpression.Repeat(Terminal(repeat.Part), repeat.Min, repeat.Max);
            case GrammarTerm.Text text:
                return text.IgnoresCase ? Folded(text.Value) : new GrammarExpression.Literal(text.Value);
            case GrammarTerm.Span span:
                return new GrammarExpression.Character(CodePointSet.Of((span.Low, span.High)));
            case GrammarTerm.Expression expression:
                CheckExpression(expression);
                return new GrammarExpression.Pattern(expression.Pattern);
            case GrammarTerm.Reference reference:
                return Named(reference);
            default:
                throw new ConstraintException("grammar", term.Place, "a terminal cannot hold a schema; use it in a rule.");
        }
    }

    private void CheckExpression(GrammarTerm.Expression expression)
    {
        bool looksAround;
        try
        {
            looksAround = RegexParser.Parse(expression.Pattern, new RegexAlgebra(new ConstraintBudget(_limits)), _limits).LooksAround;
        }
        catch (ConstraintException error)
        {
            throw new ConstraintException("grammar", expression.Place, $"the expression {error.Message}");
        }
        if (looksAround)
        {
            throw new ConstraintException(
                "grammar", expression.Place, "anchors, word boundaries and lookahead are not supported in a grammar: a terminal does not see what stands around it.");
        }
    }

    private GrammarExpression Named(GrammarTerm.Reference reference)
    {
        if (!_definitions.TryGetValue(reference.Name, out GrammarDefinition? definition))
        {
            throw new ConstraintException("grammar", reference.Place, $"{reference.Name} is not defined.");
        }
        if (!definition.IsTerminal)
        {
            throw new ConstraintException("grammar", reference.Place, $"{reference.Name} is a rule; a terminal may hold terminals only.");
        }
        if (_terminals.TryGetValue(reference.Name, out GrammarExpression? known))
        {
            return known;
        }
        if (!_open.Add(reference.Name))
        {
            throw new ConstraintException("grammar", reference.Place, $"{reference.Name} holds itself; only rules may.");
        }
        if (_open.Count > _limits.MaxDepth)
        {
            throw new ConstraintException("grammar", reference.Place, $"terminals nest deeper than {_limits.MaxDepth}.");
        }
        GrammarExpression expression = Terminal(definition.Body);
        _open.Remove(reference.Name);
        _terminals.Add(reference.Name, expression);
        return expression;
    }

    private GrammarExpression.Value Value(GrammarTerm.Schema schema)
    {
        try
        {
            return new GrammarExpression.Value(JsonElement.Parse(schema.Json, new JsonDocumentOptions { MaxDepth = _limits.MaxDepth }));
        }
        catch (JsonException error)
        {
            throw new ConstraintException("grammar", schema.Place, $"the schema is not JSON: {error.Message}");
        }
    }

    private static GrammarExpression.Sequence Folded(string value) => new([.. value.EnumerateRunes().Select(rune => new GrammarExpression.Character(
        CodePointSet.Of((rune.Value, rune.Value), Case(Rune.ToLowerInvariant(rune)), Case(Rune.ToUpperInvariant(rune)))))]);

    private static (int, int) Case(Rune rune) => (rune.Value, rune.Value);
}
