using System.Globalization;
using System.Text;
using Llama4Kernels.Engine.Constraints.Lexing;

namespace Llama4Kernels.Engine.Constraints.Regex;

/// <summary>
/// Reads the expressions of ECMA-262 by code points: alternatives, groups, classes, repeats (greedy and lazy are the same set of
/// texts), anchors, word boundaries, lookahead. Backreferences, lookbehind and inline flags are refused.
/// </summary>
internal sealed class RegexParser
{
    private readonly string _pattern;
    private readonly RegexAlgebra _algebra;
    private readonly ConstraintLimits _limits;
    private int _at;
    private int _depth;

    private RegexParser(string pattern, RegexAlgebra algebra, ConstraintLimits limits)
    {
        _pattern = pattern;
        _algebra = algebra;
        _limits = limits;
    }

    private bool More => _at < _pattern.Length;

    /// <summary>The texts in which the pattern is found somewhere.</summary>
    public static Dfa Search(string pattern, ConstraintBudget budget)
    {
        RegexAlgebra algebra = new(budget);
        RegexSyntax syntax = Parse(pattern, algebra, budget.Limits);
        IReadOnlyList<RegexSyntax> alternatives = syntax is RegexSyntax.Alternatives several ? several.Parts : [syntax];
        RegexNode whole = algebra.Or(alternatives.Select(alternative =>
        {
            RegexNode found = alternative.Before(algebra.Anything, algebra);
            return found == algebra.Begin ? algebra.Empty
                : found.Kind == RegexKind.Concat && found.Children[0] == algebra.Begin ? found.Children[1]
                : algebra.Concat(algebra.Anything, found);
        }));
        return RegexDerivatives.Compile(algebra, whole, budget);
    }

    /// <summary>The texts that are the pattern from beginning to end.</summary>
    public static Dfa FullMatch(string pattern, ConstraintBudget budget)
    {
        RegexAlgebra algebra = new(budget);
        return RegexDerivatives.Compile(algebra, Parse(pattern, algebra, budget.Limits).Before(algebra.Empty, algebra), budget);
    }

    public static RegexSyntax Parse(string pattern, RegexAlgebra algebra, ConstraintLimits limits)
    {
        if (pattern.Length > limits.MaxSourceLength)
        {
            throw new ConstraintException("pattern", string.Empty, $"is longer than {limits.MaxSourceLength} characters.");
        }
        RegexParser parser = new(pattern, algebra, limits);
        RegexSyntax syntax = parser.Alternatives();
        return parser.More ? throw parser.Error("unmatched ')'.") : syntax;
    }

    private RegexSyntax Alternatives()
    {
        if (++_depth > _limits.MaxDepth)
        {
            throw Error($"nests deeper than {_limits.MaxDepth} groups.");
        }
        List<RegexSyntax> alternatives = [Sequence()];
        while (Take('|'))
        {
            alternatives.Add(Sequence());
        }
        _depth--;
        return alternatives.Count == 1 ? alternatives[0] : new RegexSyntax.Alternatives(alternatives);
    }

    private RegexSyntax Sequence()
    {
        List<RegexSyntax> parts = [];
        while (More && _pattern[_at] is not ('|' or ')'))
        {
            _algebra.CheckTime();
            parts.Add(Quantified(Term()));
        }
        return parts.Count == 1 ? parts[0] : new RegexSyntax.Sequence(parts);
    }

    private RegexSyntax Quantified(RegexSyntax term)
    {
        int start = _at;
        (int Min, int Max)? count =
            Take('*') ? (0, RegexNode.Unbounded)
            : Take('+') ? (1, RegexNode.Unbounded)
            : Take('?') ? (0, 1)
            : Count();
        if (count is not (int min, int max))
        {
            return term;
        }
        Take('?');
        if (More && (_pattern[_at] is '*' or '+' or '?' || IsCount()))
        {
            throw Error("nothing to repeat.");
        }
        if (max < min)
        {
            throw Error("the bounds of a repeat are in the wrong order.");
        }
        if (min > _limits.MaxRepeat || (max != RegexNode.Unbounded && max > _limits.MaxRepeat))
        {
            throw Error($"repeats more than {_limits.MaxRepeat} times.");
        }
        return new RegexSyntax.Repeat(term, min, max, Place(start));
    }

    private bool IsCount()
    {
        int here = _at;
        bool is_ = Count() is not null;
        _at = here;
        return is_;
    }

    private (int Min, int Max)? Count()
    {
        int start = _at;
        if (Take('{') && Number() is int min)
        {
            int max = Take(',') ? Number() ?? RegexNode.Unbounded : min;
            if (Take('}'))
            {
                return (min, max);
            }
        }
        _at = start;
        return null;
    }

    private int? Number()
    {
        int start = _at;
        while (More && char.IsAsciiDigit(_pattern[_at]))
        {
            _at++;
        }
        return start == _at ? null
            : int.TryParse(_pattern.AsSpan(start, _at - start), NumberStyles.None, CultureInfo.InvariantCulture, out int number) ? number
            : int.MaxValue - 1;
    }

    private RegexSyntax Term()
    {
        int start = _at;
        Rune rune = Next();
        switch (rune.Value)
        {
            case '^':
                return new RegexSyntax.Leaf(_algebra.Begin);
            case '$':
                return new RegexSyntax.Leaf(_algebra.End);
            case '.':
                return Set(RegexClasses.LineEnd.Complement());
            case '(':
                return Group(start);
            case '[':
                return Set(new RegexClassParser(this).Class());
            case '\\':
                return Escape();
            case '*' or '+' or '?':
                throw Error("nothing to repeat.");
            default:
                return Set(CodePointSet.Of((rune.Value, rune.Value)));
        }
    }

    private RegexSyntax Group(int start)
    {
        bool? negative = null;
        if (Take('?'))
        {
            if (Take('='))
            {
                negative = false;
            }
            else if (Take('!'))
            {
                negative = true;
            }
            else if (Take('<'))
            {
                if (More && _pattern[_at] is '=' or '!')
                {
                    throw Error("lookbehind is not supported.");
                }
                int end = _pattern.IndexOf('>', _at);
                _at = end < 0 ? throw Error("a group's name does not end.") : end + 1;
            }
            else if (!Take(':'))
            {
                throw Error("only (?:…), (?=…), (?!…) and (?<name>…) are supported.");
            }
        }
        RegexSyntax inner = Alternatives();
        if (!Take(')'))
        {
            _at = start;
            throw Error("a group does not end.");
        }
        return negative is bool not ? new RegexSyntax.Look(inner, not) : inner;
    }

    private RegexSyntax Escape()
    {
        if (!More)
        {
            throw Error("ends in a backslash.");
        }
        switch (_pattern[_at])
        {
            case 'b':
                _at++;
                return new RegexSyntax.Leaf(_algebra.WordBoundary);
            case 'B':
                _at++;
                return new RegexSyntax.Leaf(_algebra.NoWordBoundary);
            // Not of ECMA-262, where they would be letters; whoever writes them means Python's or Perl's anchors.
            case 'A' or 'Z' or 'z':
                throw Error($"\\{_pattern[_at]} is not of ECMA-262; write ^ or $.");
            case >= '1' and <= '9':
                throw Error("backreferences are not supported.");
            case 'k':
                throw Error("backreferences are not supported.");
            default:
                return Set(EscapedSet());
        }
    }

    /// <summary>What an escape stands for, inside a class or outside; the backslash has been read.</summary>
    internal CodePointSet EscapedSet()
    {
        Rune rune = Next();
        switch (rune.Value)
        {
            case 'd':
                return RegexClasses.Digit;
            case 'D':
                return RegexClasses.Digit.Complement();
            case 'w':
                return RegexClasses.Word;
            case 'W':
                return RegexClasses.Word.Complement();
            case 's':
                return RegexClasses.Space;
            case 'S':
                return RegexClasses.Space.Complement();
            case 'p' or 'P' when More && _pattern[_at] == '{':
                int end = _pattern.IndexOf('}', _at);
                string name = end < 0 ? throw Error("a property's name does not end.") : _pattern[(_at + 1)..end];
                CodePointSet set = RegexClasses.Property(name)
                    ?? throw Error($"the property {name} is not supported; general categories are.");
                _at = end + 1;
                return rune.Value == 'p' ? set : set.Complement();
        }
        int point = rune.Value switch
        {
            't' => '\t',
            'n' => '\n',
            'v' => '\v',
            'f' => '\f',
            'r' => '\r',
            '0' when !More || !char.IsAsciiDigit(_pattern[_at]) => 0,
            'c' when More && char.IsAsciiLetter(_pattern[_at]) => Next().Value & 31,
            'x' => Hex(2) ?? 'x',
            'u' => Unicode() ?? 'u',
            _ => rune.Value,
        };
        return CodePointSet.Of((point, point));
    }

    private int? Unicode()
    {
        if (Take('{'))
        {
            int end = _pattern.IndexOf('}', _at);
            if (end > _at && int.TryParse(_pattern.AsSpan(_at, end - _at), NumberStyles.AllowHexSpecifier, CultureInfo.InvariantCulture, out int point)
                && Rune.IsValid(point))
            {
                _at = end + 1;
                return point;
            }
            throw Error("\\u{…} names no character.");
        }
        int? high = Hex(4);
        if (high is int first && char.IsHighSurrogate((char)first) && Take('\\') && Take('u') && Hex(4) is int second
            && char.IsLowSurrogate((char)second))
        {
            return char.ConvertToUtf32((char)first, (char)second);
        }
        return high is >= 0xD800 and <= 0xDFFF ? throw Error("a lone surrogate is no character.") : high;
    }

    private int? Hex(int digits)
    {
        if (_at + digits <= _pattern.Length
            && int.TryParse(_pattern.AsSpan(_at, digits), NumberStyles.AllowHexSpecifier, CultureInfo.InvariantCulture, out int value))
        {
            _at += digits;
            return value;
        }
        return null;
    }

    private RegexSyntax.Leaf Set(CodePointSet set) => new(_algebra.Set(set));

    internal Rune Next()
    {
        if (!More)
        {
            throw Error("ends too early.");
        }
        if (!Rune.TryGetRuneAt(_pattern, _at, out Rune rune))
        {
            throw Error("a lone surrogate is no character.");
        }
        _at += rune.Utf16SequenceLength;
        return rune;
    }

    internal bool Take(char expected)
    {
        bool found = More && _pattern[_at] == expected;
        _at += found ? 1 : 0;
        return found;
    }

    internal bool Sees(string expected) => string.CompareOrdinal(_pattern, _at, expected, 0, expected.Length) == 0;

    internal ConstraintException Error(string reason) => new("pattern", Place(_at), reason);

    private string Place(int position) => $"/{(_pattern.Length <= 60 ? _pattern : _pattern[..60] + "…")}/ at {position}";
}
