using System.Text.RegularExpressions;

namespace Llama4Kernels.Engine.Config;

/// <summary>An entry "re:…" of a list of unquantised modules: a pattern of Python's that matches from a name's start.</summary>
internal sealed class IgnorePattern
{
    // Names have some hundred characters. A pattern that takes longer on one is an attack or a mistake.
    private static readonly TimeSpan s_limit = TimeSpan.FromMilliseconds(200);

    private readonly JsonFields _fields;
    private readonly string _list;
    private readonly string _entry;
    private readonly Regex _regex;

    private IgnorePattern(JsonFields fields, string list, string entry, Regex regex)
    {
        _fields = fields;
        _list = list;
        _entry = entry;
        _regex = regex;
    }

    /// <summary>Takes an entry with its "re:".</summary>
    /// <exception cref="ModelFormatException">It is no pattern.</exception>
    public static IgnorePattern Create(JsonFields fields, string list, string entry)
    {
        // Python writes named groups with a P.
        string pattern = $"^(?:{entry[3..].Replace("(?P<", "(?<", StringComparison.Ordinal)})";
        try
        {
            return new IgnorePattern(fields, list, entry, Compile(pattern));
        }
        catch (ArgumentException e)
        {
            throw fields.Fault(list, $"pattern '{entry}' is not supported: {e.Message}");
        }
    }

    /// <summary>Whether a module's name is matched.</summary>
    /// <exception cref="ModelFormatException">The pattern takes too long.</exception>
    public bool IsMatch(string module)
    {
        try
        {
            return _regex.IsMatch(module);
        }
        catch (RegexMatchTimeoutException)
        {
            throw _fields.Fault(_list, $"pattern '{_entry}' takes too long on '{module}'; write it without nested repetition.");
        }
    }

    // The pattern is data from a file: the engine without backtracking takes linear time on any of them, but it knows no
    // lookaheads, which such lists use to say "all but". Those run with a limit.
    private static Regex Compile(string pattern)
    {
        try
        {
            return new Regex(pattern, RegexOptions.NonBacktracking | RegexOptions.CultureInvariant);
        }
        catch (NotSupportedException)
        {
            return new Regex(pattern, RegexOptions.CultureInvariant, s_limit);
        }
    }
}
