using Llama4Kernels.Engine;
using Llama4Kernels.Engine.Chat;
using Llama4Kernels.Engine.Generation;
using Llama4Kernels.Engine.KvCache;
using Llama4Kernels.Engine.Model;
using Llama4Kernels.Engine.Scheduling;
using Llama4Kernels.Engine.Serving;
using Llama4Kernels.Tests.Engine.Model;

namespace Llama4Kernels.Tests.Engine.Serving;

/// <summary>Queue, deadlines, priorities, budgets: what is refused, and with what error.</summary>
[Collection(nameof(ModelCollection))]
public sealed class EngineLimitTests(ModelFixture models)
{
    private static readonly EngineOptions s_sizes = new() { StepRows = 32, StepTokens = 4, MaxLogitRows = 4, MaxContext = 128, BlockTokens = 8 };
    private static readonly GenerationOptions s_greedy = new() { Temperature = 0, IgnoreEos = true, MaxTokens = 3 };

    private Llama4Model Scout => models.Get("tiny-scout");

    [Fact]
    public async Task MoreRequestsThanMayWaitAreRefused()
    {
        await using var engine = new Llama4Engine(Scout, s_sizes with { MaxQueue = 2, MaxLogitRows = 1 });
        using var held = new HeldStep(engine);
        List<Task<Outcome>> asked = [engine.Ask(Request(0))];
        held.WaitUntilIn();
        asked.AddRange(Enumerable.Range(1, 2).Select(i => engine.Ask(Request(i))));
        Assert.Equal(2, engine.Waiting);
        QueueFullException error = Assert.IsType<QueueFullException>((await engine.Ask(Request(3))).Failure);
        Assert.Equal(2, error.Limit);
        held.LetGo();
        Assert.All(await Task.WhenAll(asked), outcome => Assert.Null(outcome.Failure));
        Assert.Null((await engine.Ask(Request(3))).Failure);
    }

    [Fact]
    public async Task ADeadlineCountsWhileWaitingAndWhileRunning()
    {
        var clock = new Clock();
        await using var engine = new Llama4Engine(Scout, s_sizes with { MaxLogitRows = 1 }, false, clock);
        using var held = new HeldStep(engine);
        Task<Outcome> running = engine.Ask(Request(0) with { Deadline = TimeSpan.FromSeconds(5) });
        held.WaitUntilIn();
        Task<Outcome> waiting = engine.Ask(Request(1) with { Deadline = TimeSpan.FromSeconds(4) });
        Task<Outcome> patient = engine.Ask(Request(2) with { Deadline = TimeSpan.FromSeconds(6) });
        clock.Now += 5 * TimeSpan.TicksPerSecond;
        held.LetGo();
        DeadlinePassedException late = Assert.IsType<DeadlinePassedException>((await running).Failure);
        Assert.Equal((TimeSpan.FromSeconds(5), (int?)1), (late.Deadline, late.Tokens));
        Assert.Null(Assert.IsType<DeadlinePassedException>((await waiting).Failure).Tokens);
        Assert.Null((await patient).Failure);
        Assert.Throws<ArgumentException>(() => Request(0) with { Deadline = TimeSpan.Zero });
    }

    [Fact]
    public async Task WhatDoesNotFitIsRefusedWithBothSizes()
    {
        await using var engine = new Llama4Engine(Scout, s_sizes with { CacheBytes = StepRunner.CacheBytes(Scout, s_sizes, 40, 1) });
        ContextOverflowException context = Assert.IsType<ContextOverflowException>((await engine.Ask(new(Prompt.FromIds(MetamorphicTests.Ids(128)), s_greedy))).Failure);
        Assert.Equal((128, 128), (context.Tokens, context.ContextTokens));
        CacheFullException prompt = Assert.IsType<CacheFullException>((await engine.Ask(new(Prompt.FromIds(MetamorphicTests.Ids(110)), s_greedy))).Failure);
        Assert.Equal(engine.CacheBytes, prompt.BudgetBytes);
        Assert.IsType<ArgumentException>((await engine.Ask(new(Prompt.FromIds(1, 1536), s_greedy))).Failure);
        Assert.IsType<ArgumentException>((await engine.Ask(new(Prompt.FromIds(), s_greedy))).Failure);
        // It grows until even alone it has no room.
        Outcome grown = await engine.Ask(new(Prompt.FromIds(MetamorphicTests.Ids(38)), s_greedy with { MaxTokens = 80 }));
        Assert.IsType<CacheFullException>(grown.Failure);
        int fits = Enumerable.Range(38, 80).Last(engine.Runner.Pool.Fits);
        Assert.Equal(fits + 1 - 38, grown.Tokens.Length);
        Assert.Equal(grown.Lines[..^1], (await engine.Ask(new(Prompt.FromIds(MetamorphicTests.Ids(38)), s_greedy with { MaxTokens = grown.Tokens.Length }))).Lines[..^1]);
        await engine.IsIdle();
    }

    /// <summary>Who ends within the blocks that it has needs no more of them: the usual cache holds as many as a step takes.</summary>
    [Theory]
    [InlineData(48, 16, 32)]
    [InlineData(20, 16, 4)]
    [InlineData(128, 30, 98)]
    public async Task TheUsualCacheTakesInAsManyAsAStep(int context, int prompt, int tokens)
    {
        await using var engine = new Llama4Engine(Scout, new EngineOptions { MaxLogitRows = 6, MaxContext = context, StepRows = 256, StepTokens = 256, KeepPrefixes = false });
        using var held = new HeldStep(engine);
        Task<Outcome>[] asked = new Task<Outcome>[6];
        for (int i = 0; i < asked.Length; i++)
        {
            asked[i] = engine.Ask(new(Prompt.FromIds(MetamorphicTests.Ids(prompt, i)), s_greedy with { MaxTokens = tokens }));
            held.WaitUntilIn();
        }
        held.LetGo();
        Assert.All(await Task.WhenAll(asked), outcome => Assert.Null(outcome.Failure));
        // The first one's prompt; its next token and the other prompts, up to the chunk's edge; all.
        Assert.Equal([prompt, 1 + (5 * prompt), 6], held.Rows[..3]);
        Assert.Equal(0, engine.Preemptions);
    }

    /// <summary>A budget that just holds it, whatever lay where before.</summary>
    [Fact]
    public async Task ARequestThatFitsAloneIsAnsweredBesideOthers()
    {
        EngineOptions options = s_sizes with { MaxContext = 200, CacheBytes = StepRunner.CacheBytes(Scout, s_sizes, 120, 1) };
        await using var engine = new Llama4Engine(Scout, options);
        await using var single = new Llama4Engine(Scout, s_sizes with { KeepPrefixes = false });
        for (int round = 0; round < 3; round++)
        {
            Task<Outcome>[] others = [.. Enumerable.Range(1, 3).Select(i => engine.Ask(new(Prompt.FromIds(MetamorphicTests.Ids(20 * i, i + round)), s_greedy with { MaxTokens = 20 })))];
            GenerationRequest large = new(Prompt.FromIds(MetamorphicTests.Ids(70, 9)), s_greedy with { MaxTokens = 50 });
            Outcome answer = await engine.Ask(large);
            Assert.Equal((await single.Ask(large)).Lines, answer.Lines);
            Assert.All(await Task.WhenAll(others), outcome => Assert.Equal(20, outcome.Tokens.Length));
        }
        await engine.IsIdle();
    }

    [Fact]
    public void WhoWaitsGoesByPriorityThenArrivalAndIsNotOvertakenForEver()
    {
        var waiting = new WaitingJobs(maxOvertakes: 2);
        Job Add(long number, int priority)
        {
            var job = new Job(new GenerationRequest(Prompt.FromIds(1)) { Priority = priority }, null!, null!, null!, 0) { Number = number };
            waiting.Add(job);
            return job;
        }
        Job low = Add(0, 0), high = Add(1, 5), second = Add(2, 0), higher = Add(3, 9), also = Add(4, 5);
        Assert.Equal([higher, high, also, low, second], Enumerable.Range(0, 5).Select(i => waiting[i]));
        Job Admit()
        {
            Job first = waiting[0];
            waiting.Admit(first);
            return first;
        }
        // Three later ones go before the first: after two it is next.
        Assert.Equal([higher, high, low, also, second], Enumerable.Range(0, 5).Select(_ => Admit()));
        // Who gave way comes back to its place.
        Add(7, 5);
        waiting.Add(high);
        Assert.Equal(high, Admit());
    }

    [Fact]
    public async Task ThePlaceInTheQueueAndThePromptAreTold()
    {
        await using var engine = new Llama4Engine(Scout, s_sizes with { MaxLogitRows = 1 });
        using var held = new HeldStep(engine);
        Task<Outcome> first = engine.Ask(Request(0));
        held.WaitUntilIn();
        Task<Outcome> second = engine.Ask(Request(1));
        var told = new Told();
        Task<Outcome> third = engine.Ask(new(Prompt.FromIds(MetamorphicTests.Ids(40)), s_greedy) { Progress = told });
        held.LetGo();
        await Task.WhenAll(first, second, third);
        Assert.Equal([2, 1, 0], told.All.Select(progress => progress.QueuePosition).Distinct());
        Assert.Equal([0, 0, 32, 40], told.All.Select(progress => progress.ComputedTokens));
        Assert.All(told.All.Where(progress => progress.QueuePosition == 0), progress => Assert.Equal(40, progress.Tokens));
    }

    [Fact]
    public async Task APromptLeavesTheStepsOfOthersWithinTheBudget()
    {
        await using var engine = new Llama4Engine(Scout, s_sizes);
        using var held = new HeldStep(engine, 3);
        Task<Outcome> other = engine.Ask(new(Prompt.FromIds(1, 2), s_greedy with { MaxTokens = 60 }));
        // It decodes now.
        held.WaitUntilIn();
        Task<Outcome> asked = engine.Ask(new(Prompt.FromIds(MetamorphicTests.Ids(60)), s_greedy));
        held.LetGo();
        await other;
        Outcome prompt = await asked;
        Assert.Equal(3, prompt.Tokens.Length);
        // The first step is the other's prompt; from there on one row decodes, and the prompt has what is left of four.
        // Pieces of three, but for those that end at the chunk and at the prompt.
        Assert.Equal(19, held.Rows.Count(rows => rows == 4));
        Assert.All(held.Rows, rows => Assert.InRange(rows, 1, 4));
    }

    private static GenerationRequest Request(int i) => new(Prompt.FromIds(i, 2, 3), s_greedy);

    private sealed class Clock : TimeProvider
    {
        public long Now { get; set; }

        public override long TimestampFrequency => TimeSpan.TicksPerSecond;

        public override long GetTimestamp() => Now;
    }

    private sealed class Told : IProgress<GenerationProgress>
    {
        public List<GenerationProgress> All { get; } = [];

        public void Report(GenerationProgress value) => All.Add(value);
    }
}
