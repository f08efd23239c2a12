namespace Llama4Kernels.Engine.Constraints.Lexing;

/// <summary>Compares arrays of numbers by their elements.</summary>
internal sealed class SequenceComparer : IEqualityComparer<int[]>
{
    public static SequenceComparer Instance { get; } = new();

    public bool Equals(int[]? x, int[]? y) => ReferenceEquals(x, y) || (x is not null && y is not null && x.AsSpan().SequenceEqual(y));

    public int GetHashCode(int[] obj)
    {
        ulong hash = (ulong)obj.Length;
        foreach (int value in obj)
        {
            hash = (hash ^ (uint)value) * 0x9E3779B97F4A7C15;
            hash ^= hash >> 29;
        }
        return (int)hash;
    }
}
