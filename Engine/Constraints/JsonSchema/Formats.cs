using Llama4Kernels.Engine.Constraints.Lexing;

namespace Llama4Kernels.Engine.Constraints.JsonSchema;

/// <summary>The formats that the drafts define, as expressions. Others are annotations.</summary>
internal static class Formats
{
    private const string Time = "(?:(?:[01]\\d|2[0-3]):[0-5]\\d:[0-5]\\d(?:\\.\\d+)?(?:[Zz]|[+-](?:[01]\\d|2[0-3]):[0-5]\\d)|23:59:60(?:\\.\\d+)?(?:[Zz]|[+-]00:00))";

    private const string Date =
        "(?:(?!0000)\\d{4}-(?:(?:0[13578]|1[02])-(?:0[1-9]|[12]\\d|3[01])|(?:0[469]|11)-(?:0[1-9]|[12]\\d|30)|02-(?:0[1-9]|1\\d|2[0-8]))"
        + "|(?:\\d\\d(?:0[48]|[2468][048]|[13579][26])|(?:0[48]|[2468][048]|[13579][26])00)-02-29)";

    private const string Byte = "(?:25[0-5]|2[0-4]\\d|1\\d\\d|[1-9]?\\d)";
    private const string Ipv4 = "(?:" + Byte + "\\.){3}" + Byte;
    private const string H16 = "[0-9A-Fa-f]{1,4}";
    private const string Ls32 = "(?:" + H16 + ":" + H16 + "|" + Ipv4 + ")";

    private const string Ipv6 =
        "(?:(?:" + H16 + ":){6}" + Ls32
        + "|::(?:" + H16 + ":){5}" + Ls32
        + "|(?:" + H16 + ")?::(?:" + H16 + ":){4}" + Ls32
        + "|(?:(?:" + H16 + ":){0,1}" + H16 + ")?::(?:" + H16 + ":){3}" + Ls32
        + "|(?:(?:" + H16 + ":){0,2}" + H16 + ")?::(?:" + H16 + ":){2}" + Ls32
        + "|(?:(?:" + H16 + ":){0,3}" + H16 + ")?::" + H16 + ":" + Ls32
        + "|(?:(?:" + H16 + ":){0,4}" + H16 + ")?::" + Ls32
        + "|(?:(?:" + H16 + ":){0,5}" + H16 + ")?::" + H16
        + "|(?:(?:" + H16 + ":){0,6}" + H16 + ")?::)";

    private const string Label = "[A-Za-z0-9](?:[A-Za-z0-9-]{0,61}[A-Za-z0-9])?";
    private const string Hostname = Label + "(?:\\." + Label + ")*";
    private const int LongestHostname = 253;
    private const string Atom = "[A-Za-z0-9!#$%&'*+/=?^_`{|}~-]+";
    private const string Quoted = "\"(?:[ !#-\\[\\]-~]|\\\\[ -~])*\"";
    private const string Domain = "(?:" + Label + "(?:\\." + Label + ")*|\\[" + Ipv4 + "\\]|\\[IPv6:" + Ipv6 + "\\])";
    private const string Email = "(?:" + Atom + "(?:\\." + Atom + ")*|" + Quoted + ")@" + Domain;
    private const string WideAtom = "[A-Za-z0-9!#$%&'*+/=?^_`{|}~\\u0080-\\u{10FFFF}-]+";
    private const string WideLabel = "[A-Za-z0-9\\u0080-\\u{10FFFF}](?:[A-Za-z0-9\\u0080-\\u{10FFFF}-]{0,61}[A-Za-z0-9\\u0080-\\u{10FFFF}])?";
    private const string WideEmail = WideAtom + "(?:\\." + WideAtom + ")*@" + WideLabel + "(?:\\." + WideLabel + ")*";

    private const string Duration =
        "P(?:\\d+W|(?:\\d+D|\\d+M(?:\\d+D)?|\\d+Y(?:\\d+M(?:\\d+D)?)?)(?:T(?:\\d+S|\\d+M(?:\\d+S)?|\\d+H(?:\\d+M(?:\\d+S)?)?))?"
        + "|T(?:\\d+S|\\d+M(?:\\d+S)?|\\d+H(?:\\d+M(?:\\d+S)?)?))";

    private const string Pointer = "(?:/(?:[^/~]|~[01])*)*";
    private const string Varname = "(?:[A-Za-z0-9_]|%[0-9A-Fa-f]{2})+(?:\\.(?:[A-Za-z0-9_]|%[0-9A-Fa-f]{2})+)*";
    private const string Varspec = Varname + "(?::[1-9]\\d{0,3}|\\*)?";

    // Any character but a line end stands for the dot of the expressions.
    private static readonly Dictionary<string, string> s_patterns = new(StringComparer.Ordinal)
    {
        ["date"] = Date,
        ["time"] = Time,
        ["date-time"] = Date + "[Tt]" + Time,
        ["duration"] = Duration,
        ["uuid"] = "[0-9A-Fa-f]{8}-[0-9A-Fa-f]{4}-[0-9A-Fa-f]{4}-[0-9A-Fa-f]{4}-[0-9A-Fa-f]{12}",
        ["email"] = Email,
        ["idn-email"] = WideEmail,
        ["hostname"] = Hostname,
        ["ipv4"] = Ipv4,
        ["ip-address"] = Ipv4,
        ["ipv6"] = Ipv6,
        ["uri"] = Uri(false, false),
        ["uri-reference"] = Uri(false, true),
        ["iri"] = Uri(true, false),
        ["iri-reference"] = Uri(true, true),
        ["uri-template"] = "(?:[^\\x00- \"'%<>\\\\^`{|}]|%[0-9A-Fa-f]{2}|\\{[+#./;?&=,!@|]?" + Varspec + "(?:," + Varspec + ")*\\})*",
        ["json-pointer"] = Pointer,
        ["relative-json-pointer"] = "(?:0|[1-9]\\d*)(?:#|" + Pointer + ")",
    };

    /// <summary>Whether a format constrains.</summary>
    public static bool Check(string name, Subschema schema) =>
        IsPartial(name) || (s_patterns.ContainsKey(name) && (name != "ip-address" || schema.Resource is { Draft: SchemaDraft.Draft4 }));

    /// <summary>Whether there are texts of the format that none is written as: then what is not of the format cannot be told.</summary>
    public static bool IsPartial(string name) => name is "regex" or "idn-hostname";

    /// <summary>The texts of a format, but for how long they may be.</summary>
    public static Dfa Of(string name, AutomatonLibrary library, ConstraintBudget budget) => name switch
    {
        "regex" => RegexFormat.Texts,
        "idn-hostname" => HostnameFormat.Texts,
        _ => library.FullMatch(s_patterns[name], budget),
    };

    /// <summary>Code points that a text of a format has at most; int.MaxValue if any number. Counting them takes fewer states than an automaton.</summary>
    public static int Longest(string name) => name is "hostname" or "idn-hostname" ? LongestHostname : int.MaxValue;

    private static string Uri(bool wide, bool relative)
    {
        string more = wide ? "\\u00A0-\\uD7FF\\uF900-\\uFDCF\\uFDF0-\\uFFEF\\u{10000}-\\u{EFFFD}" : string.Empty;
        string pct = "%[0-9A-Fa-f]{2}";
        string pchar = $"(?:[A-Za-z0-9._~!$&'()*+,;=:@{more}-]|{pct})";
        string query = $"(?:{pchar}|[/?])*";
        string userInfo = $"(?:(?:[A-Za-z0-9._~!$&'()*+,;=:{more}-]|{pct})*@)?";
        string name = $"(?:[A-Za-z0-9._~!$&'()*+,;={more}-]|{pct})*";
        string host = $"(?:\\[(?:{Ipv6}|v[0-9A-Fa-f]+\\.[A-Za-z0-9._~!$&'()*+,;=:-]+)\\]|{name})";
        string authority = $"//{userInfo}{host}(?::\\d*)?(?:/{pchar}*)*";
        string rooted = $"/(?:{pchar}+(?:/{pchar}*)*)?";
        string path = $"(?:{authority}|{rooted}|{pchar}+(?:/{pchar}*)*|)";
        string tail = $"(?:\\?{query})?(?:#{query})?";
        string absolute = $"[A-Za-z][A-Za-z0-9+.-]*:{path}{tail}";
        if (!relative)
        {
            return absolute;
        }
        string segment = $"(?:[A-Za-z0-9._~!$&'()*+,;=@{more}-]|{pct})+";
        return $"(?:{absolute}|(?:{authority}|{rooted}|{segment}(?:/{pchar}*)*|){tail})";
    }
}
