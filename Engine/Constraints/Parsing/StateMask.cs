using System.Numerics.Tensors;

namespace Llama4Kernels.Engine.Constraints.Parsing;

/// <summary>The tokens that may follow a state: sets shared with other states, and single ones. Immutable.</summary>
internal sealed class StateMask(ulong[][] shared, int[] single)
{
    /// <summary>Bytes of the single ones; the shared sets are counted where they are made.</summary>
    public long Size => 64 + (8L * shared.Length) + (4L * single.Length);

    public IReadOnlyList<ulong[]> Shared => shared;

    /// <summary>Makes the mask this set.</summary>
    public void CopyTo(TokenMask mask)
    {
        Span<ulong> words = mask.Words;
        if (shared.Length == 0)
        {
            words.Clear();
        }
        else
        {
            shared[0].CopyTo(words);
            for (int i = 1; i < shared.Length; i++)
            {
                TensorPrimitives.BitwiseOr(words, shared[i], words);
            }
        }
        foreach (int token in single)
        {
            words[token >> 6] |= 1UL << (token & 63);
        }
    }
}
