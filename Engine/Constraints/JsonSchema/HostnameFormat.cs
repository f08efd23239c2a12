using System.Globalization;
using Llama4Kernels.Engine.Constraints.Lexing;
using Llama4Kernels.Engine.Constraints.Regex;

namespace Llama4Kernels.Engine.Constraints.JsonSchema;

/// <summary>
/// The texts of the format <c>idn-hostname</c>: hostnames of ASCII, and names of up to four labels of which some have letters that RFC 5892
/// permits everywhere (Latin, Greek, Cyrillic, Hebrew, Arabic, Devanagari, Thai, kana, Han, Hangul), in the one normal form and the
/// directions that RFC 5893 allows. How long a label becomes in ASCII is bounded from above, so that a few long ones are not written.
/// </summary>
internal static class HostnameFormat
{
    // Of the 63 signs that a label may have xn-- and a hyphen take five; another one keeps four labels within 253.
    private const int MostWeight = 57;

    // Digits that Punycode writes for one code point below 0x10000 among so few, at most.
    private const int WideWeight = 7;

    private const int MostLabels = 4;
    private const string Ascii = "[A-Za-z0-9](?:[A-Za-z0-9-]{0,61}[A-Za-z0-9])?";

    private static readonly Lazy<Dfa> s_texts = new(Build);

    /// <summary>The texts, but for how long they may be as a whole.</summary>
    public static Dfa Texts => s_texts.Value;

    private static Dfa Build()
    {
        ConstraintBudget budget = ConstraintBudget.Unbounded();
        string latin = Ranges('\u00DF', '\u024F', c => char.GetUnicodeCategory(c) == UnicodeCategory.LowercaseLetter && c is not ('\u0133' or '\u0140' or '\u0149' or '\u017F' or '\u01C6' or '\u01C9' or '\u01CC' or '\u01F3'));
        string greek = Ranges('\u03AC', '\u03CE', char.IsLower);
        string cyrillic = Ranges('\u0430', '\u045F', char.IsLower);
        string eastern = "\\u3005\\u30FC-\\u30FE\\u3041-\\u3096\\u30A1-\\u30FA\\u4E00-\\u9FA5\\uAC00-\\uD7A3";
        string southern = "\\u0905-\\u0928\\u092A-\\u0930\\u0932\\u0933\\u0935-\\u0939\\u0E01-\\u0E30\\u0E32\\u0E40-\\u0E46";
        string marks = "\\u0902\\u0903\\u093E-\\u094D\\u0E31\\u0E34-\\u0E39\\u0E47-\\u0E4E";
        string letters = latin + greek + cyrillic + eastern + southern;
        string rightToLeft = "\\u05D0-\\u05EA\\u0621-\\u063A\\u0641-\\u064A";

        // A hyphen neither begins nor ends a label, nor do two stand where an A-label has them.
        string plain = $"(?!..--)[a-z0-9{letters}](?:[a-z0-9{letters}{marks}-]*[a-z0-9{letters}{marks}])?";
        string leftToRight = $"(?!..--)[a-z{letters}](?:[a-z0-9{letters}{marks}-]*[a-z0-9{letters}{marks}])?";
        string backwards = $"(?!..--)[{rightToLeft}](?:[{rightToLeft}0-9-]*[{rightToLeft}])?";
        Dfa structure = DfaOperations.Union(Names(plain, budget), Names($"(?:{leftToRight}|{backwards})", budget), budget);
        Dfa ascii = DfaOperations.Except(
            RegexParser.FullMatch($"{Ascii}(?:\\.{Ascii})*", budget), RegexParser.Search("(?:^|\\.)[^.]{2}--", budget), budget);
        return DfaOperations.Union(DfaOperations.Intersect(structure, Weights(budget), budget), ascii, budget).Prepared();
    }

    private static Dfa Names(string label, ConstraintBudget budget) =>
        RegexParser.FullMatch($"{label}(?:\\.{label}){{0,{MostLabels - 1}}}", budget);

    // What the labels become in ASCII, each by itself.
    private static Dfa Weights(ConstraintBudget budget)
    {
        CodePointClasses classes = CodePointClasses.Of([CodePointSet.Of((0, 0x7F)), CodePointSet.Of(('.', '.'))]);
        return Dfa.Build(
            classes, 0,
            (weight, c) =>
            {
                int point = classes.Representatives[c];
                int next = point == '.' ? 0 : weight + (point < 0x80 ? 1 : WideWeight);
                return (next <= MostWeight, next);
            },
            _ => 0, budget);
    }

    private static string Ranges(char first, char last, Func<char, bool> has) =>
        string.Concat(Enumerable.Range(first, last - first + 1).Where(c => has((char)c)).Select(c => $"\\u{c:X4}"));
}
