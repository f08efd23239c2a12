using Llama4Kernels.Engine.Constraints;
using Llama4Kernels.Engine.Tokenization;

namespace Llama4Kernels.Tests.Engine.Constraints;

/// <summary>Asks a constraint about a text, by the mask, the acceptance and the end alone.</summary>
internal static class ConstraintProbe
{
    /// <summary>Whether a text, as the tokenizer writes it, is a whole answer.</summary>
    public static bool Accepts(Constraint constraint, Llama4Tokenizer tokenizer, string text)
    {
        ITokenConstraint state = constraint.Start();
        var mask = new TokenMask(tokenizer.VocabularySize);
        foreach (int id in tokenizer.Encode(text))
        {
            state.Allow(mask);
            if (!mask[id])
            {
                Assert.Throws<InvalidOperationException>(() => state.Accept(id));
                return false;
            }
            state.Accept(id);
        }
        return state.MayEnd;
    }
}
