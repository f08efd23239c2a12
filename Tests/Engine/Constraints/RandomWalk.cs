using System.Text;
using Llama4Kernels.Engine.Constraints;
using Llama4Kernels.Engine.Tokenization;

namespace Llama4Kernels.Tests.Engine.Constraints;

/// <summary>Random choices among the tokens that a constraint allows.</summary>
/// <param name="Text">What they wrote.</param>
/// <param name="Choices">How many they were.</param>
/// <param name="IsWhole">Whether the text may end.</param>
internal sealed record RandomWalk(string Text, int Choices, bool IsWhole)
{
    // After this many the walk hurries to an end: the token that closes most is the likelier one.
    private const string Closing = "\"}]";

    /// <summary>Walks until the answer may end and nothing follows, or it may end and the dice say so.</summary>
    /// <param name="constraint">The constraint.</param>
    /// <param name="tokenizer">Its vocabulary.</param>
    /// <param name="seed">Equal seeds walk equal ways.</param>
    /// <param name="most">Choices at most.</param>
    /// <param name="closeAfter">Choices after which tokens that close what is open are taken where they are allowed.</param>
    public static RandomWalk Take(Constraint constraint, Llama4Tokenizer tokenizer, int seed, int most, int closeAfter)
    {
        Random random = new(seed);
        ITokenConstraint state = constraint.Start();
        TokenMask mask = new(tokenizer.VocabularySize);
        List<byte> text = [];
        int choices = 0;
        for (; choices < most; choices++)
        {
            state.Allow(mask);
            if (state.MayEnd && (mask.IsEmpty || choices >= closeAfter || random.Next(8) == 0))
            {
                break;
            }
            Assert.False(mask.IsEmpty, $"Nothing may follow {Encoding.UTF8.GetString([.. text])}");
            int[] allowed = [.. Enumerable.Range(0, tokenizer.VocabularySize).Where(id => mask[id])];
            int[] closing = choices < closeAfter ? [] : [.. allowed.Where(id => tokenizer.BytesOf(id) is [byte only] && Closing.Contains((char)only, StringComparison.Ordinal))];
            int token = closing.Length > 0 ? closing[random.Next(closing.Length)] : allowed[random.Next(allowed.Length)];
            text.AddRange(tokenizer.BytesOf(token));
            state.Accept(token);
        }
        return new RandomWalk(Encoding.UTF8.GetString([.. text]), choices, state.MayEnd);
    }
}
