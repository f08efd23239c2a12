using Llama4Kernels.Engine.Constraints;
using Llama4Kernels.Engine.Constraints.Lexing;
using Llama4Kernels.Engine.Constraints.Parsing;
using Llama4Kernels.Engine.Tokenization;

namespace Llama4Kernels.Tests.Engine.Constraints;

/// <summary>Equal sets of tokens are one object, so that what a constraint remembers is small.</summary>
public class TokenSetsTests
{
    [Fact]
    public void EqualSetsAreOneObject()
    {
        TokenSets sets = new();
        ulong[] bits = [1, 0, ulong.MaxValue, 7];
        Assert.Same(sets.Of(bits), sets.Of([1, 0, ulong.MaxValue, 7]));
        Assert.Equal(bits, sets.Of(bits));
        foreach (int[] numbers in (int[][])[[3], [3, 9], [3, 9, 200_000]])
        {
            Assert.Same(sets.Of(numbers), sets.Of([.. numbers]));
            Assert.Equal(numbers, sets.Of(numbers));
        }
        Assert.Empty(sets.Of(ReadOnlySpan<int>.Empty));
    }

    [Fact]
    public void OthersAreNotMixedUpWhereverTheyLie()
    {
        TokenSets sets = new();
        Random random = new(1);
        for (int i = 0; i < 20_000; i++)
        {
            // The last number of an odd count is not in the hash.
            int[] numbers = [random.Next(20), random.Next(20), random.Next(3)];
            Assert.Equal(numbers, sets.Of(numbers.AsSpan(0, 2 + (i & 1))).Concat(numbers.Skip(2 + (i & 1))));
            ulong[] bits = [(ulong)random.Next(40), (ulong)random.Next(4)];
            Assert.Equal(bits, sets.Of(bits));
        }
    }

    /// <summary>Tokens of white space, 309 of Meta's, stand in no mask of their own.</summary>
    [Fact]
    public void WhiteSpaceIsKeptOnce()
    {
        Assert.SkipUnless(File.Exists(MaskTests.Metas), "Meta's tokenizer is not beside the repository.");
        Machine machine = ConstraintChecks.MachineOf(new ConstraintCompiler(Llama4Tokenizer.Load(MaskTests.Metas)).JsonSchema(
            """{"type":"array","items":{"const":true}}""", true));
        int[] spaces = machine.Vocabulary.Spaces;
        StateMask known = machine.MaskOf(machine.Next(machine.Start, (byte)'['));
        TokenMask mask = new(machine.Vocabulary.VocabularySize);
        known.CopyTo(mask);
        Assert.All(spaces, token => Assert.True(mask[token]));
        Assert.True(spaces.Length > 200 && known.Size < 2 * spaces.Length, $"{known.Size} bytes beside {spaces.Length} tokens.");
    }
}
