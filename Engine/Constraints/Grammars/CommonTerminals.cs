namespace Llama4Kernels.Engine.Constraints.Grammars;

/// <summary>The terminals that grammars may import from common, as expressions.</summary>
internal static class CommonTerminals
{
    private const string Integer = "[0-9]+";
    private const string Decimal = @"([0-9]+\.[0-9]*|\.[0-9]+)";
    private const string Float = $"({Integer}[eE][+-]?{Integer}|{Decimal}([eE][+-]?{Integer})?)";

    private static readonly Dictionary<string, string> s_patterns = new(StringComparer.Ordinal)
    {
        ["DIGIT"] = "[0-9]",
        ["HEXDIGIT"] = "[0-9a-fA-F]",
        ["INT"] = Integer,
        ["SIGNED_INT"] = $"[+-]?{Integer}",
        ["DECIMAL"] = Decimal,
        ["FLOAT"] = Float,
        ["SIGNED_FLOAT"] = $"[+-]?{Float}",
        ["NUMBER"] = $"({Float}|{Integer})",
        ["SIGNED_NUMBER"] = $"[+-]?({Float}|{Integer})",
        ["ESCAPED_STRING"] = "\"([^\"\\\\\\n]|\\\\[^\\n])*\"",
        ["LCASE_LETTER"] = "[a-z]",
        ["UCASE_LETTER"] = "[A-Z]",
        ["LETTER"] = "[a-zA-Z]",
        ["WORD"] = "[a-zA-Z]+",
        ["CNAME"] = "[_a-zA-Z][_a-zA-Z0-9]*",
        ["WS_INLINE"] = @"[ \t]+",
        ["WS"] = @"[ \t\f\r\n]+",
        ["CR"] = @"\r",
        ["LF"] = @"\n",
        ["NEWLINE"] = @"(\r?\n)+",
    };

    public static IEnumerable<string> Names => s_patterns.Keys;

    public static string? Pattern(string name) => s_patterns.GetValueOrDefault(name);
}
