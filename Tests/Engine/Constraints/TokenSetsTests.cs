using Llama4Kernels.Engine.Constraints;
using Llama4Kernels.Engine.Constraints.Lexing;

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

    /// <summary>What a place adds to a constraint does not grow with the tokens of white space, which all such places have in common.</summary>
    [Fact]
    public void WhiteSpaceIsKeptOnce()
    {
        string schema = $$"""{"type":"object","properties":{{{string.Join(',', Enumerable.Range(0, 40).Select(i => $"\"p{i}\":{{\"type\":\"boolean\"}}"))}}},"additionalProperties":false}""";
        string document = "{" + string.Join(',', Enumerable.Range(0, 40).Select(i => $"\"p{i}\":true")) + "}";
        long[] bytes = [.. ((JsonWhiteSpace[])[JsonWhiteSpace.Compact, JsonWhiteSpace.Free]).Select(space =>
        {
            Constraint constraint = new ConstraintCompiler(ConstraintChecks.Tokenizer).JsonSchema(schema, new JsonSchemaOptions { WhiteSpace = space });
            Assert.True(ConstraintChecks.Accepts(constraint, document));
            return constraint.Bytes;
        })];
        int spaces = ConstraintChecks.Compiler.JsonObject().Machine.Vocabulary.Spaces.Length;
        Assert.True(spaces > 4, $"{spaces} tokens of white space.");
        // Some states more for the space between two tokens, but no list of them in each mask.
        Assert.True(bytes[1] < 2 * bytes[0], $"{bytes[1]} bytes with white space, {bytes[0]} without, {spaces} tokens.");
    }
}
