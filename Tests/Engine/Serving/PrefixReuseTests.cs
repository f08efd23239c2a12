using Llama4Kernels.Engine.Chat;
using Llama4Kernels.Engine.Generation;
using Llama4Kernels.Engine.Model;
using Llama4Kernels.Engine.Scheduling;
using Llama4Kernels.Engine.Serving;
using Llama4Kernels.Tests.Engine.Model;

namespace Llama4Kernels.Tests.Engine.Serving;

/// <summary>What a prompt computes that shares its beginning with others.</summary>
[Collection(nameof(ModelCollection))]
public sealed class PrefixReuseTests(ModelFixture models)
{
    private static readonly EngineOptions s_sizes = new() { StepRows = 64, MaxLogitRows = 4, MaxContext = 128, BlockTokens = 8 };
    private static readonly GenerationOptions s_greedy = new() { Temperature = 0, IgnoreEos = true, MaxTokens = 4, Logprobs = true };

    /// <summary>Lengths about the edges of blocks (8) and chunks (32).</summary>
    [Theory]
    [InlineData("tiny-scout", 2)]
    [InlineData("tiny-scout", 8)]
    [InlineData("tiny-scout", 9)]
    [InlineData("tiny-scout", 31)]
    [InlineData("tiny-scout", 32)]
    [InlineData("tiny-scout", 33)]
    [InlineData("tiny-scout", 70)]
    [InlineData("tiny-flat", 33)]
    public async Task RepeatingAPromptComputesOneToken(string name, int length)
    {
        await using var engine = new Llama4Engine(models.Get(name), s_sizes);
        var watch = new StepWatch();
        engine.Runner.Observer = watch;
        GenerationRequest request = new(Prompt.FromIds(MetamorphicTests.Ids(length)), s_greedy);
        Outcome first = await engine.Ask(request);
        Assert.Equal(0, first.Usage.CachedTokens);
        watch.Rows.Clear();
        Outcome second = await engine.Ask(request);
        Assert.Equal([1, 1, 1, 1], watch.Rows);
        Assert.Equal(first.Lines, second.Lines);
        Assert.Equal(length - 1, second.Usage.CachedTokens);
        // Another tenant's shares nothing.
        Assert.Equal(0, (await engine.Ask(request with { Salt = "b" })).Usage.CachedTokens);
    }

    [Fact]
    public async Task RequestsThatRunTogetherShareWhatOneHasComputed()
    {
        await using var engine = new Llama4Engine(models.Get("tiny-scout"), s_sizes with { StepTokens = 8 });
        int[] ids = MetamorphicTests.Ids(60);
        Task<Outcome>? second = null;
        List<GenerationUpdate> first = [];
        await foreach (GenerationUpdate update in engine.GenerateAsync(new(Prompt.FromIds(ids), s_greedy with { MaxTokens = 60 })))
        {
            second ??= engine.Ask(new(Prompt.FromIds([.. ids[..50], 1, 2]), s_greedy));
            first.Add(update);
        }
        // Whole blocks while the first one runs; it may have ended.
        Assert.InRange((await second!).Usage.CachedTokens, 48, 50);
    }

    [Fact]
    public async Task WithoutTheOptionNothingIsKept()
    {
        await using var engine = new Llama4Engine(models.Get("tiny-scout"), s_sizes with { KeepPrefixes = false });
        GenerationRequest request = new(Prompt.FromIds(MetamorphicTests.Ids(20)), s_greedy);
        Outcome first = await engine.Ask(request), second = await engine.Ask(request);
        Assert.Equal((first.Lines[^1], 0), (second.Lines[^1], second.Usage.CachedTokens));
        Assert.Equal(0, engine.UsedBytes);
    }

    /// <summary>The same on both sides of an eviction, and nothing beyond the budget is used for prefixes.</summary>
    [Fact]
    public async Task KeptPrefixesGiveWayToRequests()
    {
        Llama4Model model = models.Get("tiny-scout");
        await using var engine = new Llama4Engine(model, s_sizes with { CacheBytes = StepRunner.CacheBytes(model, s_sizes, 64, 2) });
        for (int i = 0; i < 12; i++)
        {
            Outcome outcome = await engine.Ask(new(Prompt.FromIds(MetamorphicTests.Ids(50, i)), s_greedy));
            Assert.Equal((null, 0), (outcome.Failure, outcome.Usage.CachedTokens));
            Assert.InRange(engine.UsedBytes, 1, engine.CacheBytes);
        }
        Assert.Equal(0, engine.Preemptions);
    }

    /// <summary>Decoding allocates what its updates are, and little else.</summary>
    [Fact]
    public async Task AStepThatDecodesAllocatesOnlyItsUpdates()
    {
        await using var engine = new Llama4Engine(models.Get("tiny-scout"), s_sizes);
        long last = 0;
        List<long> allocated = [];
        engine.Runner.Observer = new StepWatch
        {
            OnStep = () =>
            {
                long now = GC.GetAllocatedBytesForCurrentThread();
                allocated.Add(now - last);
                last = now;
            },
        };
        Outcome[] outcomes = await Task.WhenAll(Enumerable.Range(0, 3).Select(i => engine.Ask(new(Prompt.FromIds(i, 7), s_greedy with { MaxTokens = 100, Logprobs = false }))));
        Assert.All(outcomes, outcome => Assert.Equal(100, outcome.Tokens.Length));
        // A record and a text of a few characters for each of three; now and then a list or a channel's segment grows.
        Assert.InRange(allocated.Order().ElementAt(allocated.Count / 2), 1, 1024);
    }
}
