using System.Globalization;

namespace Llama4Kernels.Kernels.Contracts.Cuda;

/// <summary>What device a kernel's text is for: sm_80, or with an a, as sm_90a, for just that architecture.</summary>
/// <param name="Sm">Compute capability, 90 for sm_90.</param>
/// <param name="IsExact">Whether it uses what only this architecture has: no other device takes it, later ones neither.</param>
public readonly record struct KernelTarget(int Sm, bool IsExact = false)
{
    /// <summary>Whether a device takes it.</summary>
    /// <param name="sm">The device's compute capability.</param>
    public bool Runs(int sm) => IsExact ? sm == Sm : sm >= Sm;

    /// <summary>Reads "80" or "90a", with or without "sm_" before it.</summary>
    public static bool TryParse(ReadOnlySpan<char> text, out KernelTarget target)
    {
        text = text.StartsWith("sm_") ? text[3..] : text;
        bool exact = text.EndsWith("a");
        bool good = int.TryParse(exact ? text[..^1] : text, NumberStyles.None, CultureInfo.InvariantCulture, out int sm);
        target = good ? new KernelTarget(sm, exact) : default;
        return good;
    }

    /// <inheritdoc/>
    public override string ToString() => string.Create(CultureInfo.InvariantCulture, $"sm_{Sm}{(IsExact ? "a" : "")}");
}
