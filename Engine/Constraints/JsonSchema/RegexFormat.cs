using Llama4Kernels.Engine.Constraints.Lexing;

namespace Llama4Kernels.Engine.Constraints.JsonSchema;

/// <summary>
/// The texts of the format <c>regex</c>: expressions of ECMA-262 that other engines read too. Brackets that nest are no regular language,
/// so that there are fewer of them than there might be: at most <see cref="MaxDepth"/> groups in each other, without names, references
/// back and lookbehind; repeats of at most four digits; ranges whose end is plainly not before their beginning.
/// </summary>
internal static class RegexFormat
{
    public const int MaxDepth = 4;

    private const int MostDigits = 4;

    // Beginnings of ranges by numbers of four digits that begin with 0, and that do not; of such numbers: the rest says nothing any more,
    // and the third digit is still asked for.
    private const int LowPage = 1000;
    private const int HighPage = 2000;
    private const int Settled = 1;
    private const int ThirdDigit = 2;

    private const string SetEscapes = "dDwWsS";
    private const string ControlEscapes = "fnrtv";
    private const string Controls = "\f\n\r\t\v";

    // Beyond ASCII ranges lead from one of these blocks to a later one.
    private static readonly int[] s_blocks =
        [0x80, 0xC0, 0xC1, 0xFF, 0x100, 0x250, 0x370, 0x400, 0x410, 0x411, 0x430, 0x431, 0x450, 0x590, 0x600, 0x700, 0x1000, 0x2000, 0x3000, 0x3041, 0x3042, 0x30A1, 0x30A2, 0x3100, 0x4E00, 0x4E01, 0xA000, 0xAC00, 0xAC01, 0xD7B0, 0x10000];

    private static readonly Lazy<Dfa> s_texts = new(Build);

    private enum Mode
    {
        /// <summary>A term may begin, and nothing can be repeated.</summary>
        Term,

        /// <summary>As a term, but what comes before may be repeated.</summary>
        Atom,

        /// <summary>After a repeat: it may be made lazy.</summary>
        Repeated,

        /// <summary>After a brace that may begin a repeat, or be a character.</summary>
        Brace,

        /// <summary>After a brace that is a character.</summary>
        PlainBrace,

        /// <summary>In the least count: its value, or −1 from 100 on, and its digits.</summary>
        Least,

        /// <summary>After the comma of the count that is given.</summary>
        Comma,

        /// <summary>In the greatest count: digits that must follow at least, the least of the next one if it is the last, digits so far.</summary>
        Greatest,

        /// <summary>After a backslash.</summary>
        Escape,

        /// <summary>In a hexadecimal number: digits left.</summary>
        Hex,

        /// <summary>After \p: how much of a category is read, and its first letter.</summary>
        Category,

        /// <summary>After the bracket of a group.</summary>
        Group,

        /// <summary>After (?.</summary>
        GroupKind,

        /// <summary>After the bracket of a class; 1 after its ^.</summary>
        ClassOpen,

        /// <summary>In a class, after what begins no range.</summary>
        Class,

        /// <summary>In a class, after a set: a hyphen can only be the last character.</summary>
        ClassSet,

        /// <summary>In a class, after a set and a hyphen.</summary>
        ClassEnd,

        /// <summary>After a character of a class.</summary>
        ClassItem,

        /// <summary>After a backslash in a class.</summary>
        ClassEscape,

        /// <summary>In a hexadecimal number in a class: digits read, of how many, the value.</summary>
        ClassHex,

        /// <summary>After a character and a hyphen in a class.</summary>
        Range,

        /// <summary>After a backslash that begins a range's end.</summary>
        RangeEscape,

        /// <summary>In a hexadecimal number that is a range's end.</summary>
        RangeHex,

        /// <summary>In the last digit of one: the least that it may be.</summary>
        RangeLastHex,
    }

    /// <summary>The texts.</summary>
    public static Dfa Texts => s_texts.Value;

    private static Dfa Build()
    {
        CodePointSet[] sets =
        [
            .. Enumerable.Range(0, 128).Select(point => CodePointSet.Of((point, point))),
            .. s_blocks.Select((block, i) => CodePointSet.Of((block, i + 1 < s_blocks.Length ? s_blocks[i + 1] - 1 : CodePointSet.Last))),
        ];
        CodePointClasses classes = CodePointClasses.Of(sets);
        return Dfa.Build(
            classes, new State(0, Mode.Term), (state, c) => Step(state, classes.Representatives[c]) is State next ? (true, next) : (false, state),
            state => state is { Depth: 0, Mode: <= Mode.PlainBrace } ? 0 : -1, ConstraintBudget.Unbounded()).Prepared();
    }

    private static State? Step(State at, int c)
    {
        switch (at.Mode)
        {
            case Mode.Term:
                return Term(at, c);
            case Mode.Atom:
                return c is '*' or '+' or '?' ? at.To(Mode.Repeated) : c == '{' ? at.To(Mode.Brace) : Term(at, c);
            case Mode.Repeated:
                return c == '?' ? at.To(Mode.Term) : Term(at, c);
            case Mode.Brace:
                return IsDigit(c) ? at.To(Mode.Least, c - '0', 1) : Step(at.To(Mode.Atom), c);
            case Mode.PlainBrace:
                return IsDigit(c) ? null : Step(at.To(Mode.Atom), c);
            case Mode.Least or Mode.Comma or Mode.Greatest:
                return Count(at, c);
            case Mode.Escape:
                return c is 'b' or 'B' ? at.To(Mode.Term)
                    : SetEscapes.Contains((char)c) || ControlEscapes.Contains((char)c) || IsSign(c) ? at.To(Mode.Atom)
                    : c == 'x' ? at.To(Mode.Hex, 2)
                    : c == 'u' ? at.To(Mode.Hex, 4)
                    : c is 'p' or 'P' ? at.To(Mode.Category)
                    : null;
            case Mode.Hex:
                return Digit(c) < 0 ? null : at.A > 1 ? at.To(Mode.Hex, at.A - 1) : at.To(Mode.Atom);
            case Mode.Category:
                return Category(at, c);
            case Mode.Group:
                return c == '?' ? at.To(Mode.GroupKind) : Term(at.To(Mode.Term), c);
            case Mode.GroupKind:
                return c is ':' or '=' or '!' ? at.To(Mode.Term) : null;
            default:
                return InClass(at, c);
        }
    }

    private static State? Term(State at, int c) => c switch
    {
        '^' or '$' or '|' => at.To(Mode.Term),
        '(' => at.Depth == MaxDepth ? null : new State(at.Depth + 1, Mode.Group),
        ')' => at.Depth == 0 ? null : new State(at.Depth - 1, Mode.Atom),
        '[' => at.To(Mode.ClassOpen),
        '\\' => at.To(Mode.Escape),
        '*' or '+' or '?' => null,
        '{' => at.To(Mode.PlainBrace),
        _ => at.To(Mode.Atom),
    };

    private static State? Count(State at, int c)
    {
        int digit = IsDigit(c) ? c - '0' : -1;
        switch (at.Mode)
        {
            case Mode.Least when digit < 0:
                return c == '}' ? at.To(Mode.Repeated) : c == ',' ? at.To(Mode.Comma, at.A, at.B) : null;
            case Mode.Least:
                // No number begins with a zero, so that longer ones are greater.
                return (at.A == 0 && at.B == 1) || at.B == MostDigits ? null
                    : at.B == 1 ? at.To(Mode.Least, (10 * at.A) + digit, 2)
                    : at.To(Mode.Least, -1, at.B + 1);
            case Mode.Comma when digit < 0:
                return c == '}' ? at.To(Mode.Repeated) : null;
            case Mode.Comma:
                (int first, int second) = at.B == 1 ? (at.A, 0) : (at.A / 10, at.A % 10);
                bool enough = at.B == 1;
                return at.A < 0 || (digit == 0 && at.A > 0) ? null
                    : digit == 0 ? at.To(Mode.Greatest, 0, 0, MostDigits)
                    : digit < first ? at.To(Mode.Greatest, enough ? 1 : 2, 0, 1)
                    : enough ? at.To(Mode.Greatest, 0, 0, 1)
                    : at.To(Mode.Greatest, 1, digit == first ? second : 0, 1);
            case Mode.Greatest when digit < 0:
                return c == '}' && at.A == 0 ? at.To(Mode.Repeated) : null;
            default:
                return at.C == MostDigits ? null
                    : at.A == 1 && digit < at.B ? at.To(Mode.Greatest, 1, 0, at.C + 1)
                    : at.To(Mode.Greatest, Math.Max(at.A - 1, 0), 0, at.C + 1);
        }
    }

    private static State? Category(State at, int c)
    {
        const string Letters = "LMNPSZC";
        string[] second = ["ultmo", "nce", "dlo", "cdseifo", "mcko", "slp", "cfn"];
        return at.A switch
        {
            0 => c == '{' ? at.To(Mode.Category, 1) : null,
            1 => Letters.IndexOf((char)c) is >= 0 and var letter ? at.To(Mode.Category, 2, letter) : null,
            2 when second[at.B].Contains((char)c) => at.To(Mode.Category, 3),
            _ => c == '}' ? at.To(Mode.Atom) : null,
        };
    }

    private static State? InClass(State at, int c)
    {
        switch (at.Mode)
        {
            // Some engines take a class away from another one there.
            case Mode.Range or Mode.ClassItem when c == '[' && (at.Mode == Mode.Range || at.A == '-'):
                return null;
            case Mode.ClassOpen:
                return c == '^' && at.A == 0 ? at.To(Mode.ClassOpen, 1) : c == ']' ? null : Item(at, c);
            case Mode.Class:
                return c == ']' ? at.To(Mode.Atom) : Item(at, c);
            case Mode.ClassSet:
                return c == ']' ? at.To(Mode.Atom) : c == '-' ? at.To(Mode.ClassEnd) : Item(at, c);
            case Mode.ClassEnd:
                return c == ']' ? at.To(Mode.Atom) : null;
            case Mode.ClassItem:
                return c == ']' ? at.To(Mode.Atom) : c == '-' ? at.To(Mode.Range, at.A) : Item(at, c);
            case Mode.ClassEscape:
                return SetEscapes.Contains((char)c) ? at.To(Mode.ClassSet)
                    : Escaped(c) is >= 0 and var point ? at.To(Mode.ClassItem, point)
                    : c is 'x' or 'u' ? at.To(Mode.ClassHex, 0, c == 'x' ? 2 : 4)
                    : null;
            case Mode.ClassHex:
                return ClassHex(at, Digit(c));
            case Mode.Range:
                return c == ']' ? at.To(Mode.Atom) : c == '\\' ? at.To(Mode.RangeEscape, at.A) : Rank(c) > at.A || (c < 128 && c == at.A) ? at.To(Mode.Class) : null;
            case Mode.RangeEscape:
                return Escaped(c) is >= 0 and var end ? (end >= at.A ? at.To(Mode.Class) : null)
                    : c is 'x' or 'u' ? at.To(Mode.RangeHex, at.A, c == 'x' ? 2 : 4)
                    : null;
            case Mode.RangeHex:
                return RangeHex(at, Digit(c));
            default:
                return Digit(c) >= at.A ? at.To(Mode.Class) : null;
        }
    }

    private static State Item(State at, int c) => c == '\\' ? at.To(Mode.ClassEscape) : at.To(Mode.ClassItem, Rank(c));

    // The beginning of a range: below 0x100 by its rank, else by its first digit that is not 0 and, of four, whether the third one is 0.
    private static State? ClassHex(State at, int digit) => (digit, at.B, at.C) switch
    {
        ( < 0, _, _) => null,
        (_, 1, Settled) => at.To(Mode.ClassItem, at.A),
        (_, _, Settled) => at.To(Mode.ClassHex, at.A, at.B - 1, Settled),
        (_, _, ThirdDigit) => at.To(Mode.ClassHex, LowPage + (2 * at.A) + (digit == 0 ? 1 : 0), 1, Settled),
        ( > 0, 4, _) => at.To(Mode.ClassHex, HighPage + digit, 3, Settled),
        ( > 0, 3, _) => at.To(Mode.ClassHex, digit, 2, ThirdDigit),
        (0, 3 or 4, _) => at.To(Mode.ClassHex, 0, at.B - 1),
        (_, 2, _) => at.To(Mode.ClassHex, digit, 1),
        _ => at.To(Mode.ClassItem, Rank((at.A << 4) | digit)),
    };

    // Settled as soon as the end is greater than the beginning, whatever digits follow.
    private static State? RangeHex(State at, int digit)
    {
        bool isLow = at.A < Rank(0x100);
        bool isLater = (at.B, at.A) switch
        {
            (4, >= HighPage) => digit > at.A - HighPage,
            (4, >= LowPage) => digit > 0,
            (3, >= LowPage and < HighPage) => digit > (at.A - LowPage) / 2,
            (3 or 4, _) => isLow && digit > 0,
            _ => at.C == ThirdDigit && digit > 0,
        };
        return digit < 0 ? null
            : at.C == Settled ? (at.B == 1 ? at.To(Mode.Class) : at.To(Mode.RangeHex, 0, at.B - 1, Settled))
            : isLater ? at.To(Mode.RangeHex, 0, at.B - 1, Settled)
            : at.C == ThirdDigit ? null
            : at.B == 4 ? (digit == 0 && at.A < HighPage ? at.To(Mode.RangeHex, at.A, 3) : null)
            : at.B == 3 && at.A >= LowPage ? (at.A == LowPage + (2 * digit) + 1 ? at.To(Mode.RangeHex, 0, 2, ThirdDigit) : null)
            : at.B == 3 ? (digit == 0 && isLow ? at.To(Mode.RangeHex, at.A, 2) : null)
            : at.A >= 128 || digit < at.A >> 4 ? null
            : at.To(Mode.RangeLastHex, digit == at.A >> 4 ? at.A & 15 : 0);
    }

    private static int Escaped(int c) =>
        ControlEscapes.IndexOf((char)c) is >= 0 and var control ? Controls[control] : c == 'b' ? '\b' : IsSign(c) ? c : -1;

    // Code points of ASCII by themselves, others by their block.
    private static int Rank(int c)
    {
        if (c < 128)
        {
            return c;
        }
        int block = s_blocks.AsSpan().BinarySearch(c);
        return 128 + (block >= 0 ? block : ~block - 1);
    }

    private static bool IsDigit(int c) => c is >= '0' and <= '9';

    private static bool IsSign(int c) => c is >= ' ' and <= '~' && !char.IsAsciiLetterOrDigit((char)c) && c != '_';

    private static int Digit(int c) => c < 128 && char.IsAsciiHexDigit((char)c) ? Convert.ToInt32(((char)c).ToString(), 16) : -1;

    private readonly record struct State(int Depth, Mode Mode, int A = 0, int B = 0, int C = 0)
    {
        public State To(Mode mode, int a = 0, int b = 0, int c = 0) => new(Depth, mode, a, b, c);
    }
}
