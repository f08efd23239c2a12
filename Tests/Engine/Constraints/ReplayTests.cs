using Llama4Kernels.Engine.Constraints;

namespace Llama4Kernels.Tests.Engine.Constraints;

/// <summary>
/// What a generator does besides taking one token after the other: it drafts several ahead on a fork and throws them away, and it comes
/// back from the beginning. Neither may show.
/// </summary>
public class ReplayTests
{
    private const int Steps = 40;
    private const int MostDrafted = 6;

    public static TheoryData<string, string> Sources { get; } = new()
    {
        { "schema", """{"type":"object","properties":{"a":{"type":"string"},"b":{"type":"array","items":{"type":"integer"}}}}""" },
        { "schema", """{"type":"array","items":{"enum":["a","ab","abc","b"]},"uniqueItems":true,"minItems":4}""" },
        { "schema", """{"type":"array","uniqueItems":true,"minItems":4,"items":{"type":"object","properties":{"x":{"type":"integer"}}}}""" },
        { "schema", """{"$ref":"#/$defs/n","$defs":{"n":{"type":"object","additionalProperties":{"$ref":"#/$defs/n"}}}}""" },
        { "regex", "(ab|[c-f]{2,5}é?)+" },
        { "grammar", "start: sum\nsum: NUMBER | \"(\" sum \"+\" sum \")\"\nNUMBER: /[0-9]+/" },
    };

    [Theory]
    [MemberData(nameof(Sources))]
    public void DraftsAndReplaysLeaveNoTrace(string kind, string source)
    {
        ITokenConstraint constraint = kind == "schema" ? ConstraintChecks.Compiler.JsonSchema(source)
            : kind == "regex" ? ConstraintChecks.Compiler.Regex(source)
            : ConstraintChecks.Compiler.Grammar(source);
        int tokens = 0;
        for (int seed = 0; seed < 4; seed++)
        {
            Random random = new(seed);
            ITokenConstraint state = constraint.Fork();
            List<int> taken = [];
            for (int step = 0; step < Steps; step++)
            {
                ulong[] mask = Mask(state);
                (bool mayEnd, int[] forced) = (state.MayEnd, state.ForcedTokens.ToArray());
                Draft(state.Fork(), random);
                Assert.Equal(mask, Mask(state));
                ITokenConstraint replayed = constraint.Fork();
                taken.ForEach(replayed.Accept);
                Assert.Equal(mayEnd, replayed.MayEnd);
                Assert.Equal(forced, replayed.ForcedTokens.ToArray());
                Assert.Equal(mask, Mask(replayed));
                if (Choose(mask, random) is not int token)
                {
                    break;
                }
                // From here the replayed one goes on, the other is only asked.
                Assert.Throws<InvalidOperationException>(() => state.Accept(ConstraintChecks.Tokenizer.VocabularySize - 1));
                Assert.Equal(mask, Mask(state));
                replayed.Accept(token);
                state = replayed;
                taken.Add(token);
            }
            tokens += taken.Count;
        }
        Assert.True(tokens > 10);
    }

    /// <summary>Forced tokens are tokens that may come, one after the other.</summary>
    [Theory]
    [MemberData(nameof(Sources))]
    public void ForcedTokensMayCome(string kind, string source)
    {
        ITokenConstraint constraint = kind == "schema" ? ConstraintChecks.Compiler.JsonSchema(source)
            : kind == "regex" ? ConstraintChecks.Compiler.Regex(source)
            : ConstraintChecks.Compiler.Grammar(source);
        Random random = new(7);
        ITokenConstraint state = constraint.Fork();
        for (int step = 0; step < Steps && Choose(Mask(state), random) is int token; step++)
        {
            ITokenConstraint ahead = state.Fork();
            foreach (int forced in state.ForcedTokens.ToArray())
            {
                Assert.NotEqual(0UL, Mask(ahead)[forced >> 6] >> (forced & 63) & 1);
                ahead.Accept(forced);
            }
            state.Accept(token);
        }
    }

    private static void Draft(ITokenConstraint fork, Random random)
    {
        for (int i = random.Next(1, MostDrafted); i > 0 && Choose(Mask(fork), random) is int token; i--)
        {
            fork.Accept(token);
        }
    }

    private static ulong[] Mask(ITokenConstraint state)
    {
        TokenMask mask = new(ConstraintChecks.Tokenizer.VocabularySize);
        state.Allow(mask);
        return mask.Words.ToArray();
    }

    private static int? Choose(ulong[] mask, Random random)
    {
        int[] allowed = [.. Enumerable.Range(0, ConstraintChecks.Tokenizer.VocabularySize).Where(id => (mask[id >> 6] >> (id & 63) & 1) != 0)];
        return allowed.Length == 0 ? null : allowed[random.Next(allowed.Length)];
    }
}
