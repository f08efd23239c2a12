using Llama4Kernels.Engine.Chat;
using Llama4Kernels.Engine.Constraints;
using Llama4Kernels.Engine.Generation;
using Llama4Kernels.Engine.Model;
using Llama4Kernels.Engine.Scheduling;
using Llama4Kernels.Engine.Serving;
using Llama4Kernels.Tests.Engine.Model;

namespace Llama4Kernels.Tests.Engine.Serving;

/// <summary>Who waits with a higher priority takes slots and blocks of lower ones, who go on later as if nothing had been.</summary>
[Collection(nameof(ModelCollection))]
public sealed class EnginePriorityTests(ModelFixture models)
{
    private static readonly EngineOptions s_sizes = new() { StepRows = 32, StepTokens = 32, MaxLogitRows = 1, MaxContext = 128, BlockTokens = 8 };

    private Llama4Model Scout => models.Get("tiny-scout");

    [Fact]
    public async Task HigherPriorityTakesTheSlotOfALowerOne()
    {
        await using var engine = new Llama4Engine(Scout, s_sizes);
        using var held = new HeldStep(engine, 3);
        Task<Outcome> low = engine.Ask(Request(1, 20, 40));
        held.WaitUntilIn();
        Task<Outcome> same = engine.Ask(Request(2, 7, 3)), high = engine.Ask(Request(3, 5, 3) with { Priority = 1 });
        held.LetGo();
        Outcome[] outcomes = await Task.WhenAll(low, same, high);
        // Steps are told apart by the rows of the prompts: high is next, same waits for all of low.
        Assert.Equal(3, held.Rows.IndexOf(5));
        Assert.True(held.Rows.IndexOf(7) > 40, string.Join(" ", held.Rows));
        Assert.Equal(1, engine.Preemptions);
        await AreAsAlone([Request(1, 20, 40), Request(2, 7, 3), Request(3, 5, 3)], outcomes);
        await engine.IsIdle();
    }

    [Fact]
    public async Task HigherPriorityTakesTheBlocksOfTheYoungestOfTheLowest()
    {
        EngineOptions options = s_sizes with { MaxLogitRows = 4, CacheBytes = StepRunner.CacheBytes(Scout, s_sizes, 72, 3) };
        await using var engine = new Llama4Engine(Scout, options);
        using var held = new HeldStep(engine, 8, together: true);
        Places[] places = [new(), new(), new()];
        GenerationRequest[] requests = [Request(1, 40, 12) with { Priority = 1 }, Request(2, 40, 12), Request(3, 40, 12), Request(4, 44, 3) with { Priority = 2 }];
        List<Task<Outcome>> asked = [.. places.Select((told, i) => engine.Ask(requests[i] with { Progress = told }))];
        held.WaitUntilIn();
        Assert.Equal((3, 0), (engine.Running, engine.Waiting));
        asked.Add(engine.Ask(requests[3]));
        held.LetGo();
        Outcome[] outcomes = await Task.WhenAll(asked);
        Assert.Equal([false, false, true], places.Select(told => told.CameBack));
        await AreAsAlone(requests, outcomes);
        await engine.IsIdle();
    }

    /// <summary>All that may give way would not be enough: nobody is sent away for nothing.</summary>
    [Fact]
    public async Task NobodyGivesWayWhereThatMakesNoRoom()
    {
        EngineOptions options = s_sizes with { MaxLogitRows = 4, KeepPrefixes = false, CacheBytes = StepRunner.CacheBytes(Scout, s_sizes, 72, 2) };
        await using var engine = new Llama4Engine(Scout, options);
        using var held = new HeldStep(engine, 8, together: true);
        // The first one stays longer than the one that might give way.
        GenerationRequest[] requests = [Request(1, 100, 24) with { Priority = 2 }, Request(2, 5, 10), Request(3, 110, 3) with { Priority = 1 }];
        List<Task<Outcome>> asked = [engine.Ask(requests[0]), engine.Ask(requests[1])];
        held.WaitUntilIn();
        Assert.Equal((2, 0), (engine.Running, engine.Waiting));
        asked.Add(engine.Ask(requests[2]));
        held.LetGo();
        Outcome[] outcomes = await Task.WhenAll(asked);
        Assert.Equal(0, engine.Preemptions);
        await AreAsAlone(requests, outcomes);
        await engine.IsIdle();
    }

    /// <summary>
    /// Free memory in pieces that serve the other kind of layers: by its bytes alone the last one would come, find no blocks and go
    /// at every step of the others.
    /// </summary>
    [Fact]
    public async Task WhoGaveWayForWantOfBlocksDoesNotComeAndGo()
    {
        EngineOptions options = s_sizes with { MaxLogitRows = 5, CacheBytes = StepRunner.CacheBytes(Scout, s_sizes, 125, 1) + StepRunner.CacheBytes(Scout, s_sizes, 94, 1) };
        await using var engine = new Llama4Engine(Scout, options);
        using var held = new HeldStep(engine, 2);
        GenerationRequest[] requests = [Request(1, 26, 3), Request(2, 32, 30), Request(3, 58, 36), Request(4, 14, 16), Request(5, 54, 6)];
        List<Task<Outcome>> asked = [engine.Ask(requests[0])];
        held.WaitUntilIn();
        asked.AddRange(requests.Skip(1).Select(request => engine.Ask(request)));
        held.LetGo();
        Outcome[] outcomes = await Task.WhenAll(asked);
        // One that found its blocks at every second step of 69 gave way 43 times.
        Assert.InRange(engine.Preemptions, 1, requests.Length);
        await AreAsAlone(requests, outcomes);
        await engine.IsIdle();
    }

    [Fact]
    public async Task EqualsAndHigherOnesDoNotGiveWay()
    {
        await using var engine = new Llama4Engine(Scout, s_sizes with { MaxLogitRows = 2 });
        using var held = new HeldStep(engine, 4, together: true);
        Task<Outcome> higher = engine.Ask(Request(1, 9, 20) with { Priority = 3 }), equal = engine.Ask(Request(2, 9, 20) with { Priority = 2 });
        held.WaitUntilIn();
        Task<Outcome> asked = engine.Ask(Request(3, 7, 3) with { Priority = 2 });
        held.LetGo();
        Assert.All(await Task.WhenAll(higher, equal, asked), outcome => Assert.Null(outcome.Failure));
        Assert.Equal(0, engine.Preemptions);
        Assert.True(held.Rows.FindIndex(rows => rows is 7 or 8) >= 20, string.Join(" ", held.Rows));
    }

    [Fact]
    public async Task WhoWasOvertakenAsOftenAsMayBeGivesWayNoMore()
    {
        await using var engine = new Llama4Engine(Scout, s_sizes with { MaxOvertakes = 1 });
        using var held = new HeldStep(engine, 3);
        Task<Outcome> low = engine.Ask(Request(1, 20, 40));
        held.WaitUntilIn();
        Task<Outcome> high = engine.Ask(Request(2, 5, 3) with { Priority = 1 }), higher = engine.Ask(Request(3, 7, 3) with { Priority = 2 });
        held.LetGo();
        Assert.All(await Task.WhenAll(low, high, higher), outcome => Assert.Null(outcome.Failure));
        Assert.Equal(3, held.Rows.IndexOf(7));
        Assert.True(held.Rows.IndexOf(5) > 40, string.Join(" ", held.Rows));
        Assert.Equal(1, engine.Preemptions);
    }

    /// <summary>A constraint is where its answer is: who gave way and came back keeps to it, and is asked no token twice.</summary>
    [Fact]
    public async Task WhoGaveWayKeepsToItsConstraint()
    {
        var compiler = new ConstraintCompiler(Scout.Tokenizer);
        ITokenConstraint constraint = compiler.JsonSchema("""{"type":"array","items":{"type":"string","maxLength":4},"uniqueItems":true,"minItems":9,"maxItems":9}""");
        GenerationRequest low = Request(1, 20, 60);
        low = low with { Options = low.Options! with { Constraint = constraint } };
        await using var engine = new Llama4Engine(Scout, s_sizes);
        using var held = new HeldStep(engine, 5);
        Task<Outcome> first = engine.Ask(low);
        held.WaitUntilIn();
        Task<Outcome> high = engine.Ask(Request(3, 5, 3) with { Priority = 1 });
        held.LetGo();
        Outcome[] outcomes = await Task.WhenAll(first, high);
        Assert.Equal(1, engine.Preemptions);
        await AreAsAlone([low, Request(3, 5, 3)], outcomes);
        ITokenConstraint state = constraint.Fork();
        Assert.All(outcomes[0].Tokens, state.Accept);
        await engine.IsIdle();
    }

    private static GenerationRequest Request(int seed, int prompt, int tokens) =>
        new(Prompt.FromIds(MetamorphicTests.Ids(prompt, seed)), new GenerationOptions { Temperature = 1, Seed = (ulong)seed, MaxTokens = tokens, IgnoreEos = true, Logprobs = true });

    private async Task AreAsAlone(GenerationRequest[] requests, Outcome[] outcomes)
    {
        await using var single = new Llama4Engine(Scout, s_sizes with { KeepPrefixes = false });
        for (int i = 0; i < requests.Length; i++)
        {
            Assert.Null(outcomes[i].Failure);
            Assert.Equal((await single.Ask(requests[i])).Lines, outcomes[i].Lines);
        }
    }

    /// <summary>Whether a request waited again after it had begun.</summary>
    private sealed class Places : IProgress<GenerationProgress>
    {
        private bool _hasBegun;

        public bool CameBack { get; private set; }

        public void Report(GenerationProgress value)
        {
            CameBack |= _hasBegun && value.QueuePosition > 0;
            _hasBegun |= value.QueuePosition == 0;
        }
    }
}
