namespace Llama4Kernels.Engine.Constraints.Lexing;

/// <summary>Compares arrays of numbers by their elements.</summary>
internal sealed class SequenceComparer : IEqualityComparer<int[]>, IAlternateEqualityComparer<ReadOnlySpan<int>, int[]>
{
    public static SequenceComparer Instance { get; } = new();

    public bool Equals(int[]? x, int[]? y) => ReferenceEquals(x, y) || (x is not null && y is not null && x.AsSpan().SequenceEqual(y));

    public int GetHashCode(int[] obj) => GetHashCode(obj.AsSpan());

    public bool Equals(ReadOnlySpan<int> alternate, int[] other) => alternate.SequenceEqual(other);

    public int GetHashCode(ReadOnlySpan<int> alternate)
    {
        ulong hash = (ulong)alternate.Length;
        foreach (int value in alternate)
        {
            hash = (hash ^ (uint)value) * 0x9E3779B97F4A7C15;
            hash ^= hash >> 29;
        }
        return (int)hash;
    }

    public int[] Create(ReadOnlySpan<int> alternate) => alternate.ToArray();
}
