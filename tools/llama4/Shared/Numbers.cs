using System.CommandLine.Parsing;
using System.Globalization;
using System.Numerics;

namespace Llama4Kernels.Cli.Shared;

/// <summary>
/// Reads numbers of the command line the same way everywhere, whatever the system's language: a point before decimals, no
/// signs between thousands. "0,6" is an error, not six.
/// </summary>
internal static class Numbers
{
    public static T Read<T>(ArgumentResult result)
        where T : struct, INumber<T> => ReadOptional<T>(result) ?? default;

    public static T? ReadOptional<T>(ArgumentResult result)
        where T : struct, INumber<T>
    {
        string text = result.Tokens[^1].Value;
        bool whole = T.IsInteger(T.One / (T.One + T.One));
        NumberStyles style = whole ? NumberStyles.AllowLeadingSign : NumberStyles.Float;
        if (T.TryParse(text, style, CultureInfo.InvariantCulture, out T value) && T.IsFinite(value))
        {
            return value;
        }
        string option = result.Parent is OptionResult { IdentifierToken.Value: { } name } ? name : result.Argument.Name;
        result.AddError($"{option}: '{text}' is not {(whole ? "a whole number in range" : "a number; decimals stand behind a point, as in 0.6")}.");
        return null;
    }
}
