using System.Globalization;

namespace Llama4Kernels.PtxEmulator.Checking;

/// <summary>A <c>.version</c>.</summary>
internal readonly record struct PtxVersion(int Major, int Minor) : IComparable<PtxVersion>
{
    /// <summary>The newest one whose rules are known here.</summary>
    public static readonly PtxVersion Newest = new(9, 0);

    public static bool operator <(PtxVersion left, PtxVersion right) => left.CompareTo(right) < 0;

    public static bool operator >(PtxVersion left, PtxVersion right) => left.CompareTo(right) > 0;

    public static bool operator <=(PtxVersion left, PtxVersion right) => left.CompareTo(right) <= 0;

    public static bool operator >=(PtxVersion left, PtxVersion right) => left.CompareTo(right) >= 0;

    /// <summary>Null for what is no version.</summary>
    public static PtxVersion? Parse(string text)
    {
        string[] parts = text.Split('.');
        return parts.Length == 2
            && int.TryParse(parts[0], NumberStyles.None, CultureInfo.InvariantCulture, out int major)
            && int.TryParse(parts[1], NumberStyles.None, CultureInfo.InvariantCulture, out int minor)
            ? new PtxVersion(major, minor)
            : null;
    }

    public int CompareTo(PtxVersion other) => (Major, Minor).CompareTo((other.Major, other.Minor));

    /// <inheritdoc/>
    public override string ToString() => $"{Major}.{Minor}";
}
