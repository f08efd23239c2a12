using Llama4Kernels.Engine;
using Llama4Kernels.Engine.Chat;
using Llama4Kernels.Engine.Constraints;
using Llama4Kernels.Engine.Generation;
using Llama4Kernels.Engine.Model;
using Llama4Kernels.Engine.Scheduling;
using Llama4Kernels.Engine.Serving;
using Llama4Kernels.Kernels.Contracts;
using Llama4Kernels.Tests.Engine.Constraints;
using Llama4Kernels.Tests.Engine.Model;

namespace Llama4Kernels.Tests.Engine.Generation;

/// <summary>What a constraint makes of a generation, whatever the rest of the options.</summary>
[Collection(nameof(ModelCollection))]
public sealed class ConstrainedGenerationTests(ModelFixture models)
{
    private static readonly string[] s_texts = ["Maverick has 128 experts.", "Maverick has none", "Nobody knows: Привет, 世界!"];
    private static readonly GenerationOptions s_greedy = new() { Temperature = 0 };

    private Llama4Model Nano => models.Get("nano");

    public static TheoryData<string, GenerationOptions> Chains() => new()
    {
        { "greedy", s_greedy },
        { "hot", new() { Temperature = 5, TopP = 1, Seed = 1 } },
        { "top-k", new() { Temperature = 2, TopK = 1, Seed = 2 } },
        { "top-p", new() { Temperature = 3, TopP = 0.1f, Seed = 3 } },
        { "min-p", new() { MinP = 0.9f, Seed = 4 } },
        { "penalties", new() { RepetitionPenalty = 3, PresencePenalty = 2, FrequencyPenalty = 4, Temperature = 1, Seed = 5 } },
        { "log-probabilities", s_greedy with { Logprobs = true, TopLogprobs = 20 } },
        { "no end of its own", new() { IgnoreEos = true, Temperature = 4, Seed = 6 } },
    };

    [Theory]
    [MemberData(nameof(Chains))]
    public async Task AnyChainKeepsToIt(string name, GenerationOptions options)
    {
        await using var engine = new Llama4Engine(Nano);
        foreach (bool forces in (bool[])[false, true])
        {
            options = options with { Constraint = new TextChoice(Nano.Tokenizer, forces, s_texts) };
            List<GenerationUpdate> updates = await Generate(engine, options);
            Assert.True(s_texts.Contains(Text(updates)), $"{name}: {Text(updates)}");
            Assert.Equal(FinishReason.Complete, updates[^1].FinishReason);
            Assert.Equal(updates.Count, updates[^1].Usage!.CompletionTokens);
            // The options are as good as new: the generation took a fork.
            Assert.Equal(updates.Select(update => update.TokenId), (await Generate(engine, options)).Select(update => update.TokenId));
        }
    }

    [Fact]
    public async Task TheEndIsAllowedExactlyWhereTheConstraintMayEnd()
    {
        await using var engine = new Llama4Engine(Nano);
        // The model ends after this answer, which is its own; the constraint would also let it go on.
        const string Own = "Scout has 16 experts.";
        List<GenerationUpdate> ended = await Generate(engine, s_greedy with { Constraint = new TextChoice(Nano.Tokenizer, false, Own, Own + " It has.") });
        Assert.Equal((Own, FinishReason.EndOfTurn), (Text(ended), ended[^1].FinishReason));
        // Here it must go on.
        List<GenerationUpdate> longer = await Generate(engine, s_greedy with { Constraint = new TextChoice(Nano.Tokenizer, false, Own + " It has.", Own + " It has not.") });
        Assert.StartsWith(Own + " It has", Text(longer), StringComparison.Ordinal);
        // And here it may not use the terminator, so it goes on to where nothing follows.
        List<GenerationUpdate> ignored = await Generate(engine, s_greedy with { IgnoreEos = true, Constraint = new TextChoice(Nano.Tokenizer, false, Own, Own + " It has.") });
        Assert.Equal((Own + " It has.", FinishReason.Complete), (Text(ignored), ignored[^1].FinishReason));
    }

    [Fact]
    public async Task ForcedTokensAreOnePieceAndGiveWhatTheModelWouldHaveGiven()
    {
        string[] texts = ["Scout has 16 experts, and each token uses one of them.", "Maverick"];
        Dictionary<bool, (string, List<int> Pieces)> results = [];
        foreach (bool forces in (bool[])[false, true])
        {
            await using var engine = new Llama4Engine(Nano);
            var steps = new StepSizes();
            engine.Runner.Observer = steps;
            List<GenerationUpdate> updates = await Generate(engine, s_greedy with { Constraint = new TextChoice(Nano.Tokenizer, forces, texts) });
            results[forces] = (Text(updates), steps.Rows);
            Assert.Equal(updates.Count, updates[^1].Usage!.CompletionTokens);
        }
        Assert.Equal(results[false].Item1, results[true].Item1);
        // The choice of the first token; the rest is forced, and nothing needs its logits.
        Assert.Single(results[true].Pieces);
        Assert.True(results[false].Pieces.Count > 8);

        // Text forced before a choice: one piece with the prompt, or with the token before.
        await using var third = new Llama4Engine(Nano);
        var sizes = new StepSizes();
        third.Runner.Observer = sizes;
        ITokenConstraint opening = new Chain(new TextChoice(Nano.Tokenizer, true, "The answer is this: "), new TextChoice(Nano.Tokenizer, true, "a.", "b."), new TextChoice(Nano.Tokenizer, true, " That is all of it"), new TextChoice(Nano.Tokenizer, false, "?", "!"));
        List<GenerationUpdate> chained = await Generate(third, s_greedy with { Constraint = opening });
        Assert.Matches("^The answer is this: [ab]. That is all of it[?!]$", Text(chained));
        int prompt = Question.Ids.Length;
        Assert.Equal([prompt + Count("The answer is this: "), 1 + Count(".") + Count(" That is all of it")], sizes.Rows);
        Assert.Equal(new Usage(prompt, chained.Count), chained[^1].Usage);

        int Count(string text) => Nano.Tokenizer.Encode(text).Length;
    }

    [Fact]
    public async Task StopStringsInsideForcedTextEndIt()
    {
        await using var engine = new Llama4Engine(Nano);
        GenerationOptions options = s_greedy with { StopStrings = ["of it"], Constraint = new TextChoice(Nano.Tokenizer, true, "That is all of it, and that is good") };
        List<GenerationUpdate> updates = await Generate(engine, options);
        Assert.Equal(("That is all ", FinishReason.Stop), (Text(updates), updates[^1].FinishReason));
        // One that reaches from forced text to the end of the answer.
        updates = await Generate(engine, options with { StopStrings = ["is good", "good!"] });
        Assert.Equal(("That is all of it, and that ", FinishReason.Stop), (Text(updates), updates[^1].FinishReason));
        updates = await Generate(engine, options with { StopStrings = ["good!"] });
        Assert.Equal(("That is all of it, and that is good", FinishReason.Complete), (Text(updates), updates[^1].FinishReason));
    }

    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public async Task TheLimitHoldsInside(bool forces)
    {
        await using var engine = new Llama4Engine(Nano);
        List<GenerationUpdate> updates = await Generate(engine, s_greedy with { MaxTokens = 3, Constraint = new TextChoice(Nano.Tokenizer, forces, "That is all of it, and that is good") });
        Assert.Equal((3, FinishReason.Length), (updates.Count, updates[^1].FinishReason));
        // An answer that is whole with its last token is whole.
        string whole = Text(updates);
        updates = await Generate(engine, s_greedy with { MaxTokens = 3, Constraint = new TextChoice(Nano.Tokenizer, true, whole) });
        Assert.Equal((whole, FinishReason.Complete), (Text(updates), updates[^1].FinishReason));

        // The end of the context counts too, and a prompt too long for it is refused before any text.
        await using var small = new Llama4Engine(Nano, new EngineOptions { MaxContext = Question.Ids.Length + 5 });
        updates = await Generate(small, s_greedy with { Constraint = new TextChoice(Nano.Tokenizer, forces, "That is all of it, and that is good") });
        Assert.Equal((5, FinishReason.Length), (updates.Count, updates[^1].FinishReason));
        await using var full = new Llama4Engine(Nano, new EngineOptions { MaxContext = Question.Ids.Length });
        await using IAsyncEnumerator<GenerationUpdate> refused = full.GenerateAsync(new(Question, s_greedy with { Constraint = new TextChoice(Nano.Tokenizer, forces, "a") })).GetAsyncEnumerator();
        await Assert.ThrowsAsync<ContextOverflowException>(async () => await refused.MoveNextAsync());
    }

    [Fact]
    public async Task NothingToSayNeedsNoModel()
    {
        await using var engine = new Llama4Engine(Nano);
        var steps = new StepSizes();
        engine.Runner.Observer = steps;
        GenerationUpdate only = Assert.Single(await Generate(engine, s_greedy with { Constraint = new TextChoice(Nano.Tokenizer, true, string.Empty) }));
        Assert.Equal(new GenerationUpdate(string.Empty, null, null, FinishReason.Complete, new Usage(Question.Ids.Length, 0)), only);
        Assert.Empty(steps.Rows);
    }

    [Theory]
    [InlineData(0)]
    [InlineData(4)]
    public async Task ADeadEndIsATypedErrorAndHarmsNothing(int after)
    {
        await using var engine = new Llama4Engine(Nano);
        var stuck = new AllowedIds(place => place < after ? [10, 11] : [], 9);
        ConstraintDeadEndException error = await Assert.ThrowsAsync<ConstraintDeadEndException>(() => Generate(engine, s_greedy with { Constraint = stuck }));
        Assert.Equal(after, error.AcceptedTokens);
        Assert.Equal("Scout has 16 experts.", Text(await Generate(engine, s_greedy)));
    }

    [Fact]
    public async Task LogProbabilitiesAreThoseOfTheAllowedTokens()
    {
        await using var engine = new Llama4Engine(Nano);
        int[] allowed = [20, 300, 301];
        GenerationOptions options = new() { Temperature = 3, TopP = 1, Seed = 9, Logprobs = true, TopLogprobs = 20 };
        List<GenerationUpdate> updates = await Generate(engine, options with { Constraint = new AllowedIds(_ => allowed, 5) });
        Assert.Equal(5, updates.Count);
        Assert.All(updates, update =>
        {
            Assert.Equal(allowed, update.TopLogprobs.Select(candidate => candidate.TokenId).Order());
            Assert.Equal(1, update.TopLogprobs.Sum(candidate => Math.Exp(candidate.Logprob)), 1e-9);
            Assert.Equal(update.TopLogprobs.Single(candidate => candidate.TokenId == update.TokenId).Logprob, update.Logprob);
        });
        // Relative to each other they are the model's own.
        IReadOnlyList<(int TokenId, double Logprob)> free = (await Generate(engine, options with { TopLogprobs = 20, MaxTokens = 1, Constraint = new AllowedIds(_ => Enumerable.Range(0, 1400), 5) }))[0].TopLogprobs;
        IReadOnlyList<(int TokenId, double Logprob)> bound = (await Generate(engine, options with { MaxTokens = 1, Constraint = new AllowedIds(_ => free.Take(2).Select(candidate => candidate.TokenId), 5) }))[0].TopLogprobs;
        Assert.Equal(free[0].Logprob - free[1].Logprob, bound[0].Logprob - bound[1].Logprob, 1e-6);

        Assert.All(
            await Generate(engine, options with { Constraint = new TextChoice(Nano.Tokenizer, true, "It is so") }),
            update => Assert.Equal([(update.TokenId!.Value, 0.0)], update.TopLogprobs));
    }

    [Fact]
    public async Task ATurnAfterForcedTextReusesIt()
    {
        await using var engine = new Llama4Engine(Nano);
        ITokenConstraint constraint = new Chain(new TextChoice(Nano.Tokenizer, true, "Let me see. It is "), new TextChoice(Nano.Tokenizer, false, "16", "128"));
        List<GenerationUpdate> first = await Generate(engine, s_greedy with { Constraint = constraint });
        int[] next = [.. Question.Ids, .. first.Select(update => update.TokenId!.Value), .. Question.Ids];
        List<GenerationUpdate> reused = await Generate(engine, s_greedy with { MaxTokens = 12 }, Prompt.FromIds(next));
        Assert.Equal(Question.Ids.Length + first.Count - 1, reused[^1].Usage!.CachedTokens);
        await using var fresh = new Llama4Engine(Nano);
        Assert.Equal(Text(await Generate(fresh, s_greedy with { MaxTokens = 12 }, Prompt.FromIds(next))), Text(reused));
    }

    [Fact]
    public void MaskingAllocatesNothing()
    {
        var choice = new ConstrainedChoice(new Always(), 202_048, [5, 6, 7], false);
        float[] logits = new float[202_050];
        choice.Apply(logits);
        choice.Accept(2);
        long before = GC.GetAllocatedBytesForCurrentThread();
        for (int i = 0; i < 100; i++)
        {
            choice.Apply(logits);
            choice.Accept(2);
            _ = choice.IsOver;
        }
        Assert.Equal(before, GC.GetAllocatedBytesForCurrentThread());
        // The model's vocabulary may be longer than the tokenizer's.
        Assert.Equal([2, 5, 6, 7, 202_047], Enumerable.Range(0, logits.Length).Where(id => logits[id] == 0));
    }

    private Prompt Question => Nano.Chat.EncodePrompt([ChatMessage.FromText(ChatRole.User, "How many experts does Scout have?")]);

    private static string Text(List<GenerationUpdate> updates) => string.Concat(updates.Select(update => update.Text));

    private async Task<List<GenerationUpdate>> Generate(Llama4Engine engine, GenerationOptions options, Prompt? prompt = null)
    {
        List<GenerationUpdate> updates = [];
        await foreach (GenerationUpdate update in engine.GenerateAsync(new(prompt ?? Question, options)))
        {
            updates.Add(update);
        }
        Assert.All(updates.SkipLast(1), update => Assert.Null(update.FinishReason));
        return updates;
    }

    /// <summary>Two tokens or the end, for ever.</summary>
    private sealed class Always : ITokenConstraint
    {
        public bool MayEnd => true;

        public ReadOnlySpan<int> ForcedTokens => [];

        public void Allow(TokenMask mask)
        {
            mask.Clear();
            mask.Set(2);
            mask.Set(mask.Vocabulary - 1);
        }

        public void Accept(int id)
        {
        }

        public ITokenConstraint Fork() => new Always();
    }

    /// <summary>Rows of each step of the model.</summary>
    private sealed class StepSizes : IForwardObserver
    {
        public List<int> Rows { get; } = [];

        public void Hidden(int layers, Tensor hidden)
        {
            if (layers == 0)
            {
                Rows.Add(hidden.Rows);
            }
        }

        public void Attention(int layer, Tensor output)
        {
        }

        public void Router(int layer, Routing routing)
        {
        }

        public void Final(Tensor hidden)
        {
        }

        public void Vision(string stage, Tensor values)
        {
        }
    }

    /// <summary>One constraint after the other, each up to where it may end first; forced texts that meet are one.</summary>
    private sealed class Chain(params ITokenConstraint[] parts) : ITokenConstraint
    {
        private readonly ITokenConstraint[] _parts = [.. parts.Select(part => part.Fork())];
        private int _at;

        public bool MayEnd => _at == _parts.Length;

        public ReadOnlySpan<int> ForcedTokens => MayEnd ? [] : _parts[_at].ForcedTokens;

        public void Allow(TokenMask mask)
        {
            mask.Clear();
            if (!MayEnd)
            {
                _parts[_at].Allow(mask);
            }
        }

        public void Accept(int id)
        {
            _parts[_at].Accept(id);
            _at += _parts[_at].MayEnd ? 1 : 0;
        }

        public ITokenConstraint Fork() => new Chain(_parts) { _at = _at };
    }
}
