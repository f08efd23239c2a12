using System.Globalization;

namespace Llama4Kernels.PtxEmulator.Checking;

/// <summary>A <c>.target</c>: compute capability, and the letter of architecture-specific (a) or family-specific (f) features.</summary>
internal readonly record struct PtxTarget(int Number, char Suffix)
{
    // The first .version that knows a target.
    private static readonly Dictionary<int, PtxVersion> s_since = new()
    {
        [50] = new(4, 0),
        [52] = new(4, 1),
        [53] = new(4, 2),
        [60] = new(5, 0),
        [61] = new(5, 0),
        [62] = new(5, 0),
        [70] = new(6, 0),
        [72] = new(6, 1),
        [75] = new(6, 3),
        [80] = new(7, 0),
        [86] = new(7, 1),
        [87] = new(7, 4),
        [88] = new(9, 0),
        [89] = new(7, 8),
        [90] = new(7, 8),
        [100] = new(8, 6),
        [101] = new(8, 6),
        [103] = new(8, 8),
        [110] = new(9, 0),
        [120] = new(8, 7),
        [121] = new(8, 8),
    };

    private static readonly PtxVersion s_specificHopper = new(8, 0);

    private static readonly PtxVersion s_families = new(8, 8);

    /// <summary>The first version that knows the target.</summary>
    public PtxVersion Since => (Number, Suffix) switch
    {
        (90, 'a') => s_specificHopper,
        (_, 'f') when s_since[Number] < s_families => s_families,
        _ => s_since[Number],
    };

    /// <summary>Null for what is no known target.</summary>
    public static PtxTarget? Parse(string text)
    {
        if (!text.StartsWith("sm_", StringComparison.Ordinal))
        {
            return null;
        }
        char suffix = text[^1] is 'a' or 'f' ? text[^1] : '\0';
        string digits = suffix == '\0' ? text[3..] : text[3..^1];
        bool known = int.TryParse(digits, NumberStyles.None, CultureInfo.InvariantCulture, out int number) && s_since.ContainsKey(number);
        return known && (suffix == '\0' || number >= (suffix == 'a' ? 90 : 100)) ? new PtxTarget(number, suffix) : null;
    }

    /// <inheritdoc/>
    public override string ToString() => Suffix == '\0' ? $"sm_{Number}" : $"sm_{Number}{Suffix}";
}
