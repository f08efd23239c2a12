using System.Globalization;
using System.Text;

namespace Llama4Kernels.Engine.Constraints.Grammars;

/// <summary>
/// Reads grammars in the notation of Lark, as far as it says which texts belong to the language: what only shapes parse trees
/// (? and ! before a rule, -&gt; after an alternative) is read over, priorities and templates are refused.
/// </summary>
internal sealed class GrammarParser
{
    private readonly List<GrammarToken> _tokens;
    private readonly ConstraintLimits _limits;
    private readonly Dictionary<string, GrammarDefinition> _definitions = new(StringComparer.Ordinal);
    private int _at;
    private int _depth;

    private GrammarParser(string text, ConstraintLimits limits)
    {
        _limits = limits;
        _tokens = GrammarLexer.Read(text);
    }

    /// <summary>The definitions by name, and what %ignore names.</summary>
    public static (Dictionary<string, GrammarDefinition> Definitions, List<GrammarTerm> Ignored) Read(string text, ConstraintLimits limits)
    {
        GrammarParser parser = new(text, limits);
        List<GrammarTerm> ignored = [];
        while (parser.Current.Kind != GrammarTokenKind.End)
        {
            if (parser.Current.Kind == GrammarTokenKind.Directive)
            {
                parser.ReadDirective(ignored);
            }
            else
            {
                parser.ReadDefinition();
            }
        }
        return (parser._definitions, ignored);
    }

    private GrammarToken Current => _tokens[_at];

    private void ReadDirective(List<GrammarTerm> ignored)
    {
        GrammarToken directive = _tokens[_at++];
        switch (directive.Text)
        {
            case "ignore":
                ignored.Add(ReadAlternatives());
                return;
            case "import":
                ReadImport();
                return;
            default:
                throw Error(directive, $"%{directive.Text} is not supported; %ignore, %import common.NAME and %json are.");
        }
    }

    // %import common.NAME, %import common.NAME -> OTHER, %import common (NAME, NAME)
    private void ReadImport()
    {
        bool dotted = Take(".");
        GrammarToken module = Name();
        if (dotted || module.Text != "common")
        {
            throw Error(module, "only the terminals of common can be imported.");
        }
        if (Take("("))
        {
            do
            {
                Import(Name(), null);
            }
            while (Take(","));
            Expect(")");
            return;
        }
        Expect(".");
        GrammarToken name = Name();
        Import(name, Take("->") ? Name() : null);
    }

    private void Import(GrammarToken name, GrammarToken? alias)
    {
        string pattern = CommonTerminals.Pattern(name.Text)
            ?? throw Error(name, $"common has no terminal {name.Text} here; it has {string.Join(", ", CommonTerminals.Names)}.");
        GrammarToken known = alias ?? name;
        Define(new GrammarDefinition(known.Text, known.Place, new GrammarTerm.Expression(name.Place, pattern)));
    }

    private void ReadDefinition()
    {
        while (Take("?") || Take("!"))
        {
        }
        GrammarToken name = Name();
        if (Current.Is("."))
        {
            throw Error(Current, "priorities are not supported: every way to read the text counts.");
        }
        if (Current.Is("{"))
        {
            throw Error(Current, "templates are not supported.");
        }
        Expect(":");
        Define(new GrammarDefinition(name.Text, name.Place, ReadAlternatives()));
    }

    private void Define(GrammarDefinition definition)
    {
        if (!_definitions.TryAdd(definition.Name, definition))
        {
            throw new ConstraintException("grammar", definition.Place, $"{definition.Name} is defined twice.");
        }
    }

    private GrammarTerm ReadAlternatives()
    {
        if (++_depth > _limits.MaxDepth)
        {
            throw Error(Current, $"nests deeper than {_limits.MaxDepth} groups.");
        }
        string place = Current.Place;
        Take("|");
        List<GrammarTerm> parts = [ReadSequence()];
        while (Take("|"))
        {
            parts.Add(ReadSequence());
        }
        _depth--;
        return parts.Count == 1 ? parts[0] : new GrammarTerm.Alternatives(place, parts);
    }

    private GrammarTerm ReadSequence()
    {
        string place = Current.Place;
        List<GrammarTerm> parts = [];
        while (!StartsDefinition() && Current.Kind != GrammarTokenKind.End && !Current.Is("|") && !Current.Is(")") && !Current.Is("]"))
        {
            if (Take("->"))
            {
                Name();
                break;
            }
            parts.Add(ReadRepeats(ReadAtom()));
        }
        return parts.Count == 1 ? parts[0] : new GrammarTerm.Sequence(place, parts);
    }

    /// <summary>Whether a line begins here that is a definition of its own.</summary>
    private bool StartsDefinition()
    {
        if (!Current.IsFirst)
        {
            return false;
        }
        if (Current.Kind == GrammarTokenKind.Directive)
        {
            return true;
        }
        int ahead = _at;
        while (_tokens[ahead].Is("?") || _tokens[ahead].Is("!"))
        {
            ahead++;
        }
        return _tokens[ahead].Kind == GrammarTokenKind.Name && (_tokens[ahead + 1].Is(":") || _tokens[ahead + 1].Is("."));
    }

    private GrammarTerm ReadAtom()
    {
        GrammarToken token = _tokens[_at];
        if (token.Kind != GrammarTokenKind.End)
        {
            _at++;
        }
        switch (token.Kind)
        {
            case GrammarTokenKind.Name:
                return new GrammarTerm.Reference(token.Place, token.Text);
            case GrammarTokenKind.String when Take(".."):
                GrammarToken last = _tokens[_at++];
                return last.Kind == GrammarTokenKind.String && Single(token) is int low && Single(last) is int high && low <= high
                    ? new GrammarTerm.Span(token.Place, low, high)
                    : throw Error(token, "a range needs two strings of one character each, the lower one first.");
            case GrammarTokenKind.String:
                return new GrammarTerm.Text(token.Place, token.Text, token.IgnoresCase);
            case GrammarTokenKind.Expression:
                return new GrammarTerm.Expression(token.Place, token.Text);
            case GrammarTokenKind.Schema:
                return new GrammarTerm.Schema(token.Place, token.Text);
            case GrammarTokenKind.Sign when token.Text is "(" or "[":
                GrammarTerm inner = ReadAlternatives();
                Expect(token.Text == "(" ? ")" : "]");
                return token.Text == "(" ? inner : new GrammarTerm.Repeat(token.Place, inner, 0, 1);
            default:
                throw Error(token, $"a name, string, expression or group is needed here, not {token}.");
        }
    }

    private static int? Single(GrammarToken token) =>
        Rune.TryGetRuneAt(token.Text, 0 < token.Text.Length ? 0 : throw Error(token, "the string is empty."), out Rune rune)
            && rune.Utf16SequenceLength == token.Text.Length ? rune.Value : null;

    private GrammarTerm ReadRepeats(GrammarTerm term)
    {
        for (int repeats = 0; !StartsDefinition(); repeats++)
        {
            if (repeats > _limits.MaxDepth)
            {
                throw Error(Current, $"more than {_limits.MaxDepth} repeats of one another.");
            }
            string place = Current.Place;
            if (Take("*"))
            {
                term = new GrammarTerm.Repeat(place, term, 0, int.MaxValue);
            }
            else if (Take("+"))
            {
                term = new GrammarTerm.Repeat(place, term, 1, int.MaxValue);
            }
            else if (Take("?"))
            {
                term = new GrammarTerm.Repeat(place, term, 0, 1);
            }
            else if (Take("~"))
            {
                int min = Number();
                term = Counted(place, term, min, Take("..") ? Number() : min);
            }
            else if (Take("{"))
            {
                int min = Current.Is(",") ? 0 : Number();
                int max = !Take(",") ? min : Current.Is("}") ? int.MaxValue : Number();
                Expect("}");
                term = Counted(place, term, min, max);
            }
            else
            {
                break;
            }
        }
        return term;
    }

    private GrammarTerm.Repeat Counted(string place, GrammarTerm term, int min, int max)
    {
        if (min > _limits.MaxRepeat || (max != int.MaxValue && max > _limits.MaxRepeat))
        {
            throw new ConstraintException("grammar", place, $"repeats more than {_limits.MaxRepeat} times.");
        }
        return min <= max
            ? new GrammarTerm.Repeat(place, term, min, max)
            : throw new ConstraintException("grammar", place, "the bounds of a repeat are in the wrong order.");
    }

    private int Number()
    {
        GrammarToken token = _tokens[_at++];
        return token.Kind != GrammarTokenKind.Number ? throw Error(token, $"a number is needed here, not {token}.")
            : int.TryParse(token.Text, NumberStyles.None, CultureInfo.InvariantCulture, out int number) ? number
            : throw Error(token, $"{token} is no number of repeats.");
    }

    private GrammarToken Name()
    {
        GrammarToken token = _tokens[_at];
        if (token.Kind != GrammarTokenKind.Name)
        {
            throw Error(token, $"a name is needed here, not {token}.");
        }
        _at++;
        return token;
    }

    private bool Take(string sign)
    {
        bool found = Current.Is(sign);
        _at += found ? 1 : 0;
        return found;
    }

    private void Expect(string sign)
    {
        if (!Take(sign))
        {
            throw Error(Current, $"'{sign}' is needed here, not {Current}.");
        }
    }

    private static ConstraintException Error(GrammarToken token, string reason) => new("grammar", token.Place, reason);
}
