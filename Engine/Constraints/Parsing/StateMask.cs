namespace Llama4Kernels.Engine.Constraints.Parsing;

/// <summary>The tokens that may follow a state: sets shared with other states, and single ones. Immutable.</summary>
internal sealed class StateMask(ulong[][] shared, int[] single)
{
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
                System.Numerics.Tensors.TensorPrimitives.BitwiseOr(words, shared[i], words);
            }
        }
        foreach (int token in single)
        {
            words[token >> 6] |= 1UL << (token & 63);
        }
    }
}
