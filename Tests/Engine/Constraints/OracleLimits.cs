using System.Globalization;
using System.Numerics;
using System.Text.Json;

namespace Llama4Kernels.Tests.Engine.Constraints;

/// <summary>
/// What JsonSchema.Net cannot judge: it takes every number as a <see cref="decimal"/> (its documentation says so), throws on those that are
/// larger and rounds those that are finer; and whether one is an integer it asks its <see cref="double"/>, which may have lost the
/// fraction. Documents without such numbers it judges, whatever it says.
/// </summary>
internal static class OracleLimits
{
    private const int MostDigits = 29;
    private const int MostAfterThePoint = 28;

    private static readonly BigInteger s_end = BigInteger.One << 96;

    /// <summary>Whether the validator sees all numbers of a document as they are.</summary>
    /// <exception cref="JsonException">It is not JSON.</exception>
    public static bool CanJudge(string document) => CanJudge(JsonElement.Parse(document, new JsonDocumentOptions { MaxDepth = 2000 }));

    private static bool CanJudge(JsonElement document) => document.ValueKind switch
    {
        JsonValueKind.Number => IsSeen(document.GetRawText()),
        JsonValueKind.Array => document.EnumerateArray().All(CanJudge),
        JsonValueKind.Object => document.EnumerateObject().All(member => CanJudge(member.Value)),
        _ => true,
    };

    /// <summary>Whether a number of JSON is a decimal, exactly, and its double whole only if it is.</summary>
    public static bool IsSeen(string number)
    {
        string[] parts = number.TrimStart('-').Split('e', 'E');
        int point = parts[0].IndexOf('.', StringComparison.Ordinal);
        string digits = parts[0].Replace(".", string.Empty, StringComparison.Ordinal);
        int fraction = point < 0 ? 0 : digits.Length - point;
        string shortened = digits.TrimEnd('0');
        string significant = shortened.TrimStart('0');
        if (significant.Length == 0)
        {
            return true;
        }
        // What is no int is far beyond either bound.
        if (!int.TryParse(parts.Length > 1 ? parts[1] : "0", NumberStyles.AllowLeadingSign, CultureInfo.InvariantCulture, out int exponent))
        {
            return false;
        }
        long power = (long)exponent - fraction + (digits.Length - shortened.Length);
        return (power >= 0 || !double.IsInteger(double.Parse(number, CultureInfo.InvariantCulture)))
            && significant.Length + Math.Max(power, 0) <= MostDigits && power >= -MostAfterThePoint
            && BigInteger.Parse(significant, CultureInfo.InvariantCulture) * BigInteger.Pow(10, (int)Math.Max(power, 0)) < s_end;
    }
}
