using System.Numerics;

namespace Llama4Kernels.Engine.Constraints;

/// <summary>A set of token ids: one bit a token of the vocabulary. Not thread-safe.</summary>
public sealed class TokenMask
{
    private readonly ulong[] _words;

    /// <summary>An empty set.</summary>
    /// <param name="vocabulary">Tokens of the vocabulary, at least 1.</param>
    /// <exception cref="ArgumentOutOfRangeException">The vocabulary is empty.</exception>
    public TokenMask(int vocabulary)
    {
        ArgumentOutOfRangeException.ThrowIfLessThan(vocabulary, 1);
        Vocabulary = vocabulary;
        _words = new ulong[(vocabulary + 63) / 64];
    }

    /// <summary>Tokens of the vocabulary.</summary>
    public int Vocabulary { get; }

    /// <summary>
    /// The bits: token i is bit i mod 64 of word i / 64. Whoever writes here leaves the bits beyond the vocabulary at zero.
    /// </summary>
    public Span<ulong> Words => _words;

    /// <summary>The tokens in the set.</summary>
    public int Count
    {
        get
        {
            int count = 0;
            foreach (ulong word in _words)
            {
                count += BitOperations.PopCount(word);
            }
            return count;
        }
    }

    /// <summary>Whether no token is in the set.</summary>
    public bool IsEmpty => !_words.AsSpan().ContainsAnyExcept(0UL);

    /// <summary>Whether a token is in the set.</summary>
    /// <exception cref="ArgumentOutOfRangeException">The id is outside the vocabulary.</exception>
    public bool this[int id] => (_words[Checked(id) >> 6] >> (id & 63) & 1) != 0;

    /// <summary>Adds a token.</summary>
    /// <exception cref="ArgumentOutOfRangeException">The id is outside the vocabulary.</exception>
    public void Set(int id) => _words[Checked(id) >> 6] |= 1UL << (id & 63);

    /// <summary>Takes a token out.</summary>
    /// <exception cref="ArgumentOutOfRangeException">The id is outside the vocabulary.</exception>
    public void Unset(int id) => _words[Checked(id) >> 6] &= ~(1UL << (id & 63));

    /// <summary>Takes all tokens out.</summary>
    public void Clear() => Array.Clear(_words);

    /// <summary>Adds all tokens of the vocabulary.</summary>
    public void SetAll()
    {
        Array.Fill(_words, ulong.MaxValue);
        if ((Vocabulary & 63) != 0)
        {
            _words[^1] = (1UL << (Vocabulary & 63)) - 1;
        }
    }

    /// <summary>Makes the set equal to another one of the same vocabulary.</summary>
    /// <exception cref="ArgumentException">The vocabularies differ.</exception>
    public void CopyFrom(TokenMask other)
    {
        ArgumentNullException.ThrowIfNull(other);
        if (other.Vocabulary != Vocabulary)
        {
            throw new ArgumentException($"A mask of {other.Vocabulary} tokens for one of {Vocabulary}.", nameof(other));
        }
        other._words.CopyTo(_words, 0);
    }

    /// <summary>Gives −∞ to the logits of all tokens that are not in the set, those beyond the vocabulary included.</summary>
    internal void ApplyTo(Span<float> logits)
    {
        for (int i = 0; i * 64 < logits.Length; i++)
        {
            Span<float> group = logits[(i * 64)..Math.Min((i + 1) * 64, logits.Length)];
            ulong missing = i < _words.Length ? ~_words[i] : ulong.MaxValue;
            if (missing == ulong.MaxValue)
            {
                group.Fill(float.NegativeInfinity);
                continue;
            }
            if (group.Length < 64)
            {
                missing &= (1UL << group.Length) - 1;
            }
            for (; missing != 0; missing &= missing - 1)
            {
                group[BitOperations.TrailingZeroCount(missing)] = float.NegativeInfinity;
            }
        }
    }

    private int Checked(int id)
    {
        ArgumentOutOfRangeException.ThrowIfNegative(id);
        ArgumentOutOfRangeException.ThrowIfGreaterThanOrEqual(id, Vocabulary);
        return id;
    }
}
