using System.Text;
using Llama4Kernels.Engine.Constraints;
using Llama4Kernels.Engine.Tokenization;

namespace Llama4Kernels.Tests.Engine.Constraints;

/// <summary>Random choices among the tokens that a constraint allows, and a way to an end after them.</summary>
/// <param name="Text">What they wrote.</param>
/// <param name="Choices">How many they were, without those of the way to the end.</param>
/// <param name="IsWhole">Whether the text may end.</param>
internal sealed record RandomWalk(string Text, int Choices, bool IsWhole)
{
    /// <summary>Walks until the answer may end and nothing follows or the dice say so, or until so many choices; then to an end.</summary>
    /// <param name="constraint">The constraint.</param>
    /// <param name="tokenizer">Its vocabulary.</param>
    /// <param name="seed">Equal seeds walk equal ways.</param>
    /// <param name="choices">Choices at most.</param>
    public static RandomWalk Take(ITokenConstraint constraint, Llama4Tokenizer tokenizer, int seed, int choices)
    {
        Random random = new(seed);
        ITokenConstraint state = constraint.Fork();
        TokenMask mask = new(tokenizer.VocabularySize);
        List<byte> text = [];
        int chosen = 0;
        while (chosen < choices && !(state.MayEnd && random.Next(8) == 0) && TakeOne(state, mask, tokenizer, random, text))
        {
            chosen++;
        }
        WayToEnd.Take(state, mask, text);
        return new RandomWalk(Encoding.UTF8.GetString([.. text]), chosen, state.MayEnd);
    }

    // Half of the choices are among signs where there are any: letters alone would seldom leave a string.
    private static bool TakeOne(ITokenConstraint state, TokenMask mask, Llama4Tokenizer tokenizer, Random random, List<byte> text)
    {
        state.Allow(mask);
        if (mask.IsEmpty)
        {
            Assert.True(state.MayEnd, $"Nothing may follow {Encoding.UTF8.GetString([.. text])}");
            return false;
        }
        int[] allowed = [.. Enumerable.Range(0, tokenizer.VocabularySize).Where(id => mask[id])];
        int[] signs = random.Next(2) == 0 ? [.. allowed.Where(id => IsSigns(tokenizer.BytesOf(id)))] : [];
        allowed = signs.Length > 0 ? signs : allowed;
        int token = allowed[random.Next(allowed.Length)];
        text.AddRange(tokenizer.BytesOf(token));
        state.Accept(token);
        return true;
    }

    private static bool IsSigns(ReadOnlySpan<byte> bytes) => bytes.IndexOfAnyExcept("\"{}[],: "u8) < 0;
}
