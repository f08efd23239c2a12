using System.Globalization;

namespace Llama4Kernels.Kernels.Contracts.Cuda;

/// <summary>What device a kernel's text is for: sm_80, or with a letter, as sm_90a or sm_100f, for just that architecture.</summary>
/// <param name="Sm">Compute capability, 90 for sm_90.</param>
/// <param name="Suffix">'a' or 'f' if it uses what only that architecture or its family has; else '\0'.</param>
public readonly record struct KernelTarget(int Sm, char Suffix = '\0')
{
    /// <summary>Whether no other device takes it, later ones neither.</summary>
    public bool IsExact => Suffix != '\0';

    /// <summary>Whether a device takes it.</summary>
    /// <param name="sm">The device's compute capability.</param>
    public bool Runs(int sm) => IsExact ? sm == Sm : sm >= Sm;

    /// <summary>The target that a device likes best: one for just this device, else the latest that is not later than it is; null if it takes none.</summary>
    /// <param name="targets">Targets that there are texts for.</param>
    /// <param name="sm">The device's compute capability.</param>
    public static KernelTarget? Best(IEnumerable<KernelTarget> targets, int sm)
    {
        ArgumentNullException.ThrowIfNull(targets);
        KernelTarget? best = null;
        foreach (KernelTarget target in targets)
        {
            if (target.Runs(sm) && (best is null || target.Rank.CompareTo(best.Value.Rank) > 0))
            {
                best = target;
            }
        }
        return best;
    }

    // The architecture's own before its family's before what anyone takes.
    private (int Sm, int Suffix) Rank => (Sm, Suffix switch { 'a' => 2, 'f' => 1, _ => 0 });

    /// <summary>Reads "80" or "90a", with or without "sm_" before it.</summary>
    public static bool TryParse(ReadOnlySpan<char> text, out KernelTarget target)
    {
        text = text.StartsWith("sm_") ? text[3..] : text;
        char suffix = text.EndsWith("a") || text.EndsWith("f") ? text[^1] : '\0';
        bool good = int.TryParse(suffix == '\0' ? text : text[..^1], NumberStyles.None, CultureInfo.InvariantCulture, out int sm);
        target = good ? new KernelTarget(sm, suffix) : default;
        return good;
    }

    /// <inheritdoc/>
    public override string ToString() => string.Create(CultureInfo.InvariantCulture, $"sm_{Sm}{(IsExact ? Suffix.ToString() : "")}");
}
