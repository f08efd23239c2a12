namespace Llama4Kernels.PtxEmulator.Checking;

/// <summary>
/// What a form needs. Written as <c>sm_80</c> (this target or a later one), <c>sm_90a</c> (an architecture-specific target from there on),
/// <c>=sm_90a</c> (only the listed ones), and a version.
/// </summary>
internal sealed record Requirement(PtxTarget? From, IReadOnlyList<PtxTarget> Only, PtxVersion? Version)
{
    public static readonly Requirement None = new(null, [], null);

    /// <summary>Null if the words are no requirement.</summary>
    public static Requirement? Parse(IEnumerable<string> words)
    {
        Requirement result = None;
        foreach (string word in words)
        {
            if (PtxVersion.Parse(word) is PtxVersion version)
            {
                result = result with { Version = version };
            }
            else if (word[0] == '=')
            {
                result = result with { Only = [.. word[1..].Split(',').Select(name => PtxTarget.Parse(name) ?? throw new FormatException(word))] };
            }
            else if (PtxTarget.Parse(word) is PtxTarget target)
            {
                result = result with { From = target };
            }
            else
            {
                return null;
            }
        }
        return result;
    }

    /// <summary>What is missing, in words; null if nothing is.</summary>
    /// <param name="feature">The instruction or modifier that needs it.</param>
    /// <param name="target">The module's target.</param>
    /// <param name="version">The module's version.</param>
    public string? Missing(string feature, PtxTarget target, PtxVersion version)
    {
        if (Only.Count > 0 && !Only.Contains(target with { Suffix = target.Suffix == 'f' ? 'a' : target.Suffix }))
        {
            return $"Feature '{feature}' not supported on .target '{target}'";
        }
        if (From is PtxTarget from && (target.Number < from.Number || (from.Suffix != '\0' && target.Suffix == '\0')))
        {
            return from.Suffix == '\0'
                ? $"Feature '{feature}' requires .target {from} or higher"
                : $"Feature '{feature}' not supported on .target '{target}'";
        }
        return Version is PtxVersion needed && version < needed ? $"Feature '{feature}' requires PTX ISA .version {needed} or later" : null;
    }
}
