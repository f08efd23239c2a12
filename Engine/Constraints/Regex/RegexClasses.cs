using System.Collections.Concurrent;
using System.Globalization;
using System.Text;
using Llama4Kernels.Engine.Constraints.Lexing;

namespace Llama4Kernels.Engine.Constraints.Regex;

/// <summary>The named classes of ECMA-262.</summary>
internal static class RegexClasses
{
    private static readonly ConcurrentDictionary<string, CodePointSet?> s_categories = new(StringComparer.Ordinal);

    public static CodePointSet Digit { get; } = CodePointSet.Of(('0', '9'));

    public static CodePointSet Word { get; } = CodePointSet.Of(('0', '9'), ('A', 'Z'), ('a', 'z'), ('_', '_'));

    public static CodePointSet Space { get; } = CodePointSet.Of(
        (9, 13), (' ', ' '), (0xA0, 0xA0), (0x1680, 0x1680), (0x2000, 0x200A), (0x2028, 0x2029), (0x202F, 0x202F), (0x205F, 0x205F),
        (0x3000, 0x3000), (0xFEFF, 0xFEFF));

    public static CodePointSet LineEnd { get; } = CodePointSet.Of(('\n', '\n'), ('\r', '\r'), (0x2028, 0x2029));

    /// <summary>A general category, by its short or long name, or one of the few binary properties; null if unknown.</summary>
    public static CodePointSet? Property(string name) => s_categories.GetOrAdd(name, Scan);

    private static CodePointSet? Scan(string name)
    {
        string value = name.StartsWith("gc=", StringComparison.Ordinal) ? name[3..]
            : name.StartsWith("General_Category=", StringComparison.Ordinal) ? name["General_Category=".Length..]
            : name;
        switch (value)
        {
            case "Any":
                return CodePointSet.All;
            case "ASCII":
                return CodePointSet.Of((0, 127));
            case "White_Space":
                return CodePointSet.Of(Enumerable.Range(0, 0x10000).Where(point => char.IsWhiteSpace((char)point)).Select(point => (point, point)));
        }
        UnicodeCategory[] members = [.. Enum.GetValues<UnicodeCategory>().Where(category => Matches(category, value))];
        if (members.Length == 0)
        {
            return null;
        }
        List<(int, int)> points = [];
        for (int point = 0; point <= CodePointSet.Last; point++)
        {
            if (Rune.IsValid(point) && members.Contains(CharUnicodeInfo.GetUnicodeCategory(point)))
            {
                points.Add((point, point));
            }
        }
        return CodePointSet.Of(points);
    }

    private static bool Matches(UnicodeCategory category, string name)
    {
        (string code, string full, string group) = category switch
        {
            UnicodeCategory.UppercaseLetter => ("Lu", "Uppercase_Letter", "Letter"),
            UnicodeCategory.LowercaseLetter => ("Ll", "Lowercase_Letter", "Letter"),
            UnicodeCategory.TitlecaseLetter => ("Lt", "Titlecase_Letter", "Letter"),
            UnicodeCategory.ModifierLetter => ("Lm", "Modifier_Letter", "Letter"),
            UnicodeCategory.OtherLetter => ("Lo", "Other_Letter", "Letter"),
            UnicodeCategory.NonSpacingMark => ("Mn", "Nonspacing_Mark", "Mark"),
            UnicodeCategory.SpacingCombiningMark => ("Mc", "Spacing_Mark", "Mark"),
            UnicodeCategory.EnclosingMark => ("Me", "Enclosing_Mark", "Mark"),
            UnicodeCategory.DecimalDigitNumber => ("Nd", "Decimal_Number", "Number"),
            UnicodeCategory.LetterNumber => ("Nl", "Letter_Number", "Number"),
            UnicodeCategory.OtherNumber => ("No", "Other_Number", "Number"),
            UnicodeCategory.SpaceSeparator => ("Zs", "Space_Separator", "Separator"),
            UnicodeCategory.LineSeparator => ("Zl", "Line_Separator", "Separator"),
            UnicodeCategory.ParagraphSeparator => ("Zp", "Paragraph_Separator", "Separator"),
            UnicodeCategory.Control => ("Cc", "Control", "Other"),
            UnicodeCategory.Format => ("Cf", "Format", "Other"),
            UnicodeCategory.Surrogate => ("Cs", "Surrogate", "Other"),
            UnicodeCategory.PrivateUse => ("Co", "Private_Use", "Other"),
            UnicodeCategory.OtherNotAssigned => ("Cn", "Unassigned", "Other"),
            UnicodeCategory.ConnectorPunctuation => ("Pc", "Connector_Punctuation", "Punctuation"),
            UnicodeCategory.DashPunctuation => ("Pd", "Dash_Punctuation", "Punctuation"),
            UnicodeCategory.OpenPunctuation => ("Ps", "Open_Punctuation", "Punctuation"),
            UnicodeCategory.ClosePunctuation => ("Pe", "Close_Punctuation", "Punctuation"),
            UnicodeCategory.InitialQuotePunctuation => ("Pi", "Initial_Punctuation", "Punctuation"),
            UnicodeCategory.FinalQuotePunctuation => ("Pf", "Final_Punctuation", "Punctuation"),
            UnicodeCategory.OtherPunctuation => ("Po", "Other_Punctuation", "Punctuation"),
            UnicodeCategory.MathSymbol => ("Sm", "Math_Symbol", "Symbol"),
            UnicodeCategory.CurrencySymbol => ("Sc", "Currency_Symbol", "Symbol"),
            UnicodeCategory.ModifierSymbol => ("Sk", "Modifier_Symbol", "Symbol"),
            _ => ("So", "Other_Symbol", "Symbol"),
        };
        return name == code || name == full || name == group || name == code[..1];
    }
}
