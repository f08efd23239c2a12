using System.Runtime.InteropServices;

namespace Llama4Kernels.Engine.Constraints.Lexing;

/// <summary>
/// Keeps one object of equal sets of tokens, as far as they came lately: most states of strings differ in little but the number of code
/// points that are left, and allow the same tokens. Thread-safe.
/// </summary>
internal sealed class TokenSets
{
    // Of each hash the last one: 1.6 MB of Meta's vocabulary, and 4 MB at the most of numbers.
    private readonly ulong[]?[] _bits = new ulong[]?[64];
    private readonly int[]?[] _numbers = new int[]?[512];

    /// <summary>A set as bits.</summary>
    public ulong[] Of(ReadOnlySpan<ulong> bits) => Find(_bits, bits, bits);

    /// <summary>A set as numbers.</summary>
    public int[] Of(ReadOnlySpan<int> numbers)
    {
        // What an odd number leaves over is in the comparison.
        ReadOnlySpan<ulong> pairs = MemoryMarshal.Cast<int, ulong>(numbers);
        return numbers.IsEmpty ? [] : Find(_numbers, numbers, pairs.IsEmpty ? [(uint)numbers[0]] : pairs);
    }

    private static T[] Find<T>(T[]?[] known, ReadOnlySpan<T> set, ReadOnlySpan<ulong> words)
        where T : unmanaged, IEquatable<T>
    {
        ulong hash = (ulong)set.Length;
        foreach (ulong word in words)
        {
            hash = (hash ^ word) * 0x9E3779B97F4A7C15;
            hash ^= hash >> 29;
        }
        ref T[]? place = ref known[(hash >> 32) % (ulong)known.Length];
        if (Volatile.Read(ref place) is { } same && set.SequenceEqual(same))
        {
            return same;
        }
        T[] made = set.ToArray();
        Volatile.Write(ref place, made);
        return made;
    }
}
