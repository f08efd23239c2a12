using System.Numerics.Tensors;

namespace Llama4Kernels.Engine.Constraints.Parsing;

/// <summary>
/// The tokens that may follow a state: sets shared with other states, and those that no such set has. Most states of a constraint have
/// the mask of another one, so that equal masks are one object. Immutable.
/// </summary>
internal sealed class StateMask(ulong[][] shared, int[] spaces, ulong[] rest, int[] single)
{
    /// <summary>Bytes that it holds alone; the shared sets are counted where they are made.</summary>
    public long Size => 64 + (8L * (shared.Length + rest.Length)) + (4L * single.Length);

    public IReadOnlyList<ulong[]> Shared => shared;

    /// <summary>Makes the mask this set.</summary>
    public void CopyTo(TokenMask mask)
    {
        Span<ulong> words = mask.Words;
        words.Clear();
        foreach (ulong[] known in shared)
        {
            TensorPrimitives.BitwiseOr(words, known, words);
        }
        if (rest.Length > 0)
        {
            TensorPrimitives.BitwiseOr(words, rest, words);
        }
        Set(spaces, words);
        Set(single, words);
    }

    private static void Set(int[] tokens, Span<ulong> words)
    {
        foreach (int token in tokens)
        {
            words[token >> 6] |= 1UL << (token & 63);
        }
    }

    /// <summary>What a mask holds.</summary>
    /// <param name="shared">Sets that others hold too, by reference.</param>
    /// <param name="spaces">The vocabulary's tokens of white space where they may come, by reference; else empty.</param>
    /// <param name="rest">The tokens in none of them as bits, where they are many; else empty.</param>
    /// <param name="single">The tokens in none of them, where they are few.</param>
    public readonly ref struct Key(ReadOnlySpan<ulong[]> shared, int[] spaces, ReadOnlySpan<ulong> rest, ReadOnlySpan<int> single)
    {
        public ReadOnlySpan<ulong[]> Shared { get; } = shared;

        public int[] Spaces { get; } = spaces;

        public ReadOnlySpan<ulong> Rest { get; } = rest;

        public ReadOnlySpan<int> Single { get; } = single;
    }

    /// <summary>Masks by what they hold.</summary>
    public sealed class Comparer : IEqualityComparer<StateMask>, IAlternateEqualityComparer<Key, StateMask>
    {
        public bool Equals(StateMask? x, StateMask? y) => ReferenceEquals(x, y);

        public int GetHashCode(StateMask obj) => GetHashCode(obj.AsKey);

        public bool Equals(Key alternate, StateMask other) => other.AsKey is var key
            && (alternate.Spaces.Length > 0) == (key.Spaces.Length > 0) && alternate.Single.SequenceEqual(key.Single)
            && alternate.Rest.SequenceEqual(key.Rest) && alternate.Shared.SequenceEqual(key.Shared);

        public int GetHashCode(Key alternate)
        {
            HashCode hash = default;
            hash.Add(alternate.Spaces.Length);
            foreach (ulong[] known in alternate.Shared)
            {
                hash.Add(System.Runtime.CompilerServices.RuntimeHelpers.GetHashCode(known));
            }
            hash.AddBytes(System.Runtime.InteropServices.MemoryMarshal.AsBytes(alternate.Rest));
            hash.AddBytes(System.Runtime.InteropServices.MemoryMarshal.AsBytes(alternate.Single));
            return hash.ToHashCode();
        }

        public StateMask Create(Key alternate) => new(alternate.Shared.ToArray(), alternate.Spaces, alternate.Rest.ToArray(), alternate.Single.ToArray());
    }

    private Key AsKey => new(shared, spaces, rest, single);
}
