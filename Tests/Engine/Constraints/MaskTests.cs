using Llama4Kernels.Engine.Constraints;
using Llama4Kernels.Engine.Tokenization;

namespace Llama4Kernels.Tests.Engine.Constraints;

/// <summary>Masks from the tables of the vocabulary against masks by definition, and what they cost in memory.</summary>
public class MaskTests
{
    internal static string Metas { get; } = Path.Combine(GoldenFiles.Repository, "..", "shared", "golden", "tokenizer", "tokenizer.model");

    public static TheoryData<string> Schemas { get; } =
    [
        """{"type":"string"}""",
        """{"type":"string","minLength":3,"maxLength":9}""",
        """{"type":"string","maxLength":40}""",
        """{"type":"string","minLength":5}""",
        """{"type":"string","pattern":"^[a-z0-9-]{2,12}(\\.[a-z]+)*$","maxLength":20}""",
        """{"type":"string","pattern":"[0-9a-f]{4}-x"}""",
        """{"type":"string","pattern":"maker|admin","not":{"pattern":"customer"}}""",
        """{"type":"string","pattern":"^[^a-m]*é.ü+$"}""",
        """{"type":"string","oneOf":[{"pattern":"in"},{"pattern":"an"},{"pattern":"ers"}]}""",
        """{"type":"string","anyOf":[{"pattern":"^.o.e"},{"pattern":"^[a-z]{3}\\d"}]}""",
        """{"type":"string","pattern":"^(\\\\|\"|\\n|\\t|😀)+z?$","minLength":2}""",
        """{"type":"string","format":"date-time"}""",
        """{"type":"string","format":"hostname"}""",
        """{"type":"string","not":{"enum":["a","the","the end"]}}""",
        """{"type":"object","properties":{"name":{"type":"string"},"names":{"type":"integer"},"a b":{"enum":["x","xy","\"q\""]}},"required":["name"]}""",
        """{"type":"object","patternProperties":{"^x_":{"type":"boolean"}},"additionalProperties":{"type":"number"},"properties":{"x":{"const":1}},"minProperties":2,"maxProperties":3}""",
        """{"type":"array","items":{"anyOf":[{"type":"string","maxLength":2},{"type":"null"},{"type":"number","minimum":-2.5,"multipleOf":0.5}]},"minItems":1,"maxItems":3}""",
        """{}""",
    ];

    [Theory]
    [MemberData(nameof(Schemas))]
    public void MasksAreWhatTheBytesAllow(string schema)
    {
        foreach (bool space in (bool[])[false, true])
        {
            ITokenConstraint constraint = ConstraintChecks.Compiler.JsonSchema(schema, space);
            for (int seed = 0; seed < 4; seed++)
            {
                Assert.True(MaskOracle.Walk(constraint, seed, 30) > 0);
            }
        }
    }

    [Theory]
    [InlineData("[a-z]+(,[a-z]+)*")]
    [InlineData("[^]{0,7}é?")]
    [InlineData("(?:\\d{3}-)*[^x]*end")]
    public void MasksOfExpressionsAreWhatTheBytesAllow(string pattern) =>
        Assert.All(Enumerable.Range(0, 4), seed => MaskOracle.Walk(ConstraintChecks.Compiler.Regex(pattern), seed, 20));

    [Theory]
    [InlineData("start: \"[\" item (\",\" item)* \"]\"\nitem: /[a-z]+/ | \"\\\"\" /[^\"]*/ \"\\\"\" | start")]
    [InlineData("start: WORD+\nWORD: /[A-Za-z']+/\n%ignore \" \"")]
    public void MasksOfGrammarsAreWhatTheBytesAllow(string grammar) =>
        Assert.All(Enumerable.Range(0, 4), seed => MaskOracle.Walk(ConstraintChecks.Compiler.Grammar(grammar), seed, 20));

    /// <summary>Metas vocabulary has what a small one lacks: thousands of tokens of one kind, many scripts, halves of characters.</summary>
    [Fact]
    public void MasksOfMetasVocabularyAreWhatTheBytesAllow()
    {
        Assert.SkipUnless(File.Exists(Metas), "Meta's tokenizer is not beside the repository.");
        ConstraintCompiler compiler = new(Llama4Tokenizer.Load(Metas));
        int seed = 0;
        foreach (string schema in Schemas.Select(row => row.Data))
        {
            Assert.True(MaskOracle.Walk(compiler.JsonSchema(schema), seed++, 4) > 0);
        }
        Assert.True(MaskOracle.Walk(compiler.Regex("[A-Z][a-z]{2,9}( [a-z]+)*"), seed, 3) > 0);
    }

    /// <summary>States that were seen before cost nothing, whoever comes to them.</summary>
    [Theory]
    [MemberData(nameof(Schemas))]
    public void KnownPlacesAllocateNothing(string schema)
    {
        ITokenConstraint constraint = ConstraintChecks.Compiler.JsonSchema(schema);
        int[] tokens = RandomTokens(constraint, 40);
        TokenMask mask = new(ConstraintChecks.Tokenizer.VocabularySize);
        ITokenConstraint first = constraint.Fork();
        Take(first);
        ITokenConstraint second = constraint.Fork();
        long before = GC.GetAllocatedBytesForCurrentThread();
        Take(second);
        Assert.Equal(0, GC.GetAllocatedBytesForCurrentThread() - before);

        void Take(ITokenConstraint state)
        {
            foreach (int token in tokens)
            {
                state.Allow(mask);
                _ = state.MayEnd;
                state.Accept(token);
            }
            state.Allow(mask);
        }
    }

    /// <summary>Where elements must differ a request remembers them, but a mask costs nothing.</summary>
    [Theory]
    [InlineData("""{"type":"array","items":{"type":"string","maxLength":5},"uniqueItems":true,"minItems":20}""")]
    [InlineData("""{"type":"array","items":{"enum":["a","ab","abc","b"]},"uniqueItems":true,"minItems":4}""")]
    [InlineData("""{"type":"array","items":{"type":"integer"},"uniqueItems":true,"minItems":20}""")]
    public void MasksOfElementsThatDifferAllocateNothing(string schema)
    {
        ITokenConstraint constraint = ConstraintChecks.Compiler.JsonSchema(schema);
        int[] tokens = RandomTokens(constraint, 60);
        Assert.True(tokens.Length > 8);
        TokenMask mask = new(ConstraintChecks.Tokenizer.VocabularySize);
        for (int round = 0; round < 2; round++)
        {
            ITokenConstraint state = constraint.Fork();
            foreach (int token in tokens)
            {
                long before = GC.GetAllocatedBytesForCurrentThread();
                state.Allow(mask);
                Assert.True(round == 0 || GC.GetAllocatedBytesForCurrentThread() == before, $"A mask before {ConstraintChecks.Tokenizer.Decode([token])} allocates.");
                state.Accept(token);
            }
        }
    }

    /// <summary>Masks ask each way to read the text, so that strings are read in one way where one automaton can tell.</summary>
    [Theory]
    [InlineData("""{"type":"string","oneOf":[{"pattern":"in"},{"pattern":"an"},{"pattern":"ers"}]}""", 1)]
    [InlineData("""{"type":"string","anyOf":[{"format":"ipv4"},{"format":"hostname"},{"maxLength":3}]}""", 3)]
    [InlineData("""{"anyOf":[{"type":"string","pattern":"a"},{"type":"string","not":{"pattern":"a"}},{"type":"null"}]}""", 2)]
    [InlineData("""{"type":"string","anyOf":[{"pattern":"a.{9}$"},{"pattern":"b.{9}$"},{"pattern":"c.{9}$"}]}""", 3)]
    public void StringsAreReadInOneWay(string schema, int ways) =>
        Assert.Equal(ways, ConstraintChecks.MachineOf(ConstraintChecks.Compiler.JsonSchema(schema)).Start.Heads.Length);

    /// <summary>What a constraint remembers is bounded, and forgetting changes nothing.</summary>
    [Theory]
    [InlineData(2, long.MaxValue)]
    [InlineData(int.MaxValue, 5_000)]
    public void ForgettingChangesNothing(int states, long bytes)
    {
        ConstraintCompiler compiler = new(
            ConstraintChecks.Tokenizer, ConstraintLimits.Default with { MaxCachedStates = states, MaxCachedBytes = bytes });
        foreach (string schema in Schemas.Select(row => row.Data))
        {
            ITokenConstraint constraint = compiler.JsonSchema(schema);
            ITokenConstraint remembering = ConstraintChecks.Compiler.JsonSchema(schema);
            TokenMask mask = new(ConstraintChecks.Tokenizer.VocabularySize);
            TokenMask expected = new(ConstraintChecks.Tokenizer.VocabularySize);
            ITokenConstraint forgets = constraint.Fork();
            ITokenConstraint remembers = remembering.Fork();
            foreach (int token in RandomTokens(remembering, 30))
            {
                forgets.Allow(mask);
                remembers.Allow(expected);
                Assert.True(mask.Words.SequenceEqual(expected.Words), schema);
                Assert.Equal(remembers.MayEnd, forgets.MayEnd);
                forgets.Accept(token);
                remembers.Accept(token);
            }
            // One state beyond the bound is made before the others are forgotten, with its mask.
            Assert.True(bytes == long.MaxValue || ConstraintChecks.MachineOf(constraint).Bytes < bytes + 50_000, $"{schema}: {ConstraintChecks.MachineOf(constraint).Bytes}");
        }
    }

    internal static int[] RandomTokens(ITokenConstraint constraint, int most, int seed = 7)
    {
        Random random = new(seed);
        TokenMask mask = new(ConstraintChecks.Tokenizer.VocabularySize);
        ITokenConstraint state = constraint.Fork();
        List<int> tokens = [];
        for (state.Allow(mask); !mask.IsEmpty && tokens.Count < most; state.Allow(mask))
        {
            int[] allowed = [.. Enumerable.Range(0, mask.Vocabulary).Where(id => mask[id])];
            tokens.Add(allowed[random.Next(allowed.Length)]);
            state.Accept(tokens[^1]);
        }
        return [.. tokens];
    }
}
