using Llama4Kernels.Engine.Chat;
using Llama4Kernels.Engine.Checkpoints;
using Llama4Kernels.Engine.Generation;
using Llama4Kernels.Engine.Model;
using Llama4Kernels.Engine.Scheduling;
using Llama4Kernels.Engine.Serving;
using Llama4Kernels.Kernels.Backends;
using Llama4Kernels.Kernels.Contracts;
using Llama4Kernels.Tests.Engine.Model;

namespace Llama4Kernels.Tests.Engine.Serving;

/// <summary>Whoever ends an engine, however and whenever: everybody else gets a typed error, everything is given back, and the process lives.</summary>
public sealed class EngineLifetimeTests
{
    private static readonly EngineOptions s_sizes = new() { StepRows = 16, MaxLogitRows = 4, MaxContext = 1000, BlockTokens = 8 };
    private static readonly GenerationOptions s_endless = new() { Temperature = 0, IgnoreEos = true };

    /// <summary>Ten moments of each kind; <c>LLAMA4_FUZZ=50</c> makes them a thousand.</summary>
    [Theory]
    [InlineData(true)]
    [InlineData(false)]
    public async Task DisposingAtAnyMomentEndsAllRequestsWithATypedError(bool disposeModel)
    {
        var random = new Random(disposeModel ? 1 : 2);
        int interrupted = 0;
        for (int i = 0; i < Fuzzing.Iterations(10); i++)
        {
            using Llama4Model model = Llama4Model.Load(ModelFixture.Folder("tiny-flat"), new ModelOptions { Threads = 1 });
            var engine = new Llama4Engine(model, s_sizes);
            using var started = new ManualResetEventSlim();
            Task<Outcome>[] asked = [.. Enumerable.Range(0, 6).Select(j => Task.Run(async () =>
            {
                // Some are asked before, some after.
                started.Set();
                await Task.Delay(j % 3);
                return await engine.Ask(new(Prompt.FromIds(MetamorphicTests.Ids(20 + j)), s_endless));
            }))];
            started.Wait();
            await Task.Delay(random.Next(8));
            Thread.SpinWait(random.Next(100_000));
            if (disposeModel)
            {
                await Task.Run(model.Dispose);
            }
            else
            {
                await Task.Run(async () => await engine.DisposeAsync());
            }
            foreach (Outcome outcome in await Task.WhenAll(asked))
            {
                Assert.True(outcome.Failure is ObjectDisposedException || outcome.Updates[^1].FinishReason is not null, outcome.Failure?.ToString());
                interrupted += outcome.Failure is null ? 0 : 1;
            }
            await engine.Close();
            Assert.IsType<ObjectDisposedException>((await engine.Ask(new(Prompt.FromIds(1), s_endless))).Failure);
        }
        Assert.True(interrupted > 10, $"{interrupted} requests were interrupted.");
    }

    [Fact]
    public async Task DisposingBetweenTokensIsAnErrorAtTheNextOne()
    {
        using Llama4Model model = Llama4Model.Load(ModelFixture.Folder("tiny-flat"), new ModelOptions { Threads = 1 });
        await using var engine = new Llama4Engine(model, s_sizes);
        await Assert.ThrowsAsync<ObjectDisposedException>(async () =>
        {
            await foreach (GenerationUpdate update in engine.GenerateAsync(new(Prompt.FromIds(1, 2, 3), s_endless)))
            {
                await engine.DisposeAsync();
            }
        });
    }

    [Fact]
    public async Task DrainingFinishesWhatWasTakenInAndTakesNoMore()
    {
        using Llama4Model model = Llama4Model.Load(ModelFixture.Folder("tiny-flat"), new ModelOptions { Threads = 1 });
        var engine = new Llama4Engine(model, s_sizes with { MaxLogitRows = 2 });
        var watch = new StepWatch();
        var (isIn, mayGo) = (new ManualResetEventSlim(), new ManualResetEventSlim());
        watch.OnStep = () =>
        {
            isIn.Set();
            mayGo.Wait();
        };
        engine.Runner.Observer = watch;
        Task<Outcome>[] asked = [.. Enumerable.Range(0, 5).Select(i => engine.Ask(new(Prompt.FromIds(i, 2, 3), s_endless with { MaxTokens = 6 })))];
        isIn.Wait();
        Task drained = engine.DrainAsync();
        Assert.IsType<ObjectDisposedException>((await engine.Ask(new(Prompt.FromIds(1), s_endless))).Failure);
        Assert.False(drained.IsCompleted);
        mayGo.Set();
        await drained;
        Assert.All(await Task.WhenAll(asked), outcome => Assert.Equal((null, 6), (outcome.Failure, outcome.Tokens.Length)));
        await engine.Close();
    }

    [Fact]
    public async Task AnEngineCannotBeEndedFromWithinItsOwnStep()
    {
        using Llama4Model model = Llama4Model.Load(ModelFixture.Folder("tiny-flat"), new ModelOptions { Threads = 1 });
        await using var engine = new Llama4Engine(model, s_sizes);
        engine.Runner.Observer = new StepWatch { OnStep = () => engine.DisposeAsync().AsTask().GetAwaiter().GetResult() };
        Assert.IsType<InvalidOperationException>((await engine.Ask(new(Prompt.FromIds(1, 2), s_endless))).Failure);
        engine.Runner.Observer = null;
        Assert.Null((await engine.Ask(new(Prompt.FromIds(1, 2), s_endless with { MaxTokens = 2 }))).Failure);
    }

    [Fact]
    public async Task AnEnumeratorThatIsLeftFreesItsSlot()
    {
        using Llama4Model model = Llama4Model.Load(ModelFixture.Folder("tiny-flat"), new ModelOptions { Threads = 1 });
        var engine = new Llama4Engine(model, s_sizes with { MaxLogitRows = 1 });
        for (int i = 0; i < 5; i++)
        {
            Assert.Single((await engine.Ask(new(Prompt.FromIds(1, 2), s_endless), most: 1)).Updates);
        }
        await (await engine.IsIdle()).Close();
    }

    [Fact]
    public async Task LoadingEndsAtAllBytesAndTheModelGoesWithTheEngine()
    {
        var seen = new Seen();
        Llama4Engine engine = await Llama4Engine.LoadAsync(ModelFixture.Folder("tiny-flat"), new ModelOptions { Threads = 1 }, s_sizes, seen);
        Assert.Equal(seen.All[^1].BytesTotal, seen.All[^1].BytesDone);
        Assert.True(seen.All.Count > 3);
        Assert.Null((await engine.Ask(new(Prompt.FromIds(1, 2), s_endless with { MaxTokens = 2 }))).Failure);
        await engine.Close();
        await engine.DisposeAsync();
        Assert.Throws<ObjectDisposedException>(() => new Llama4Engine(engine.Model, s_sizes));
    }

    [Fact]
    public async Task WhatCannotBeIsRefusedBeforeAWeightIsPacked()
    {
        var seen = new Seen();
        ArgumentException error = await Assert.ThrowsAsync<ArgumentException>(() => Llama4Engine.LoadAsync(ModelFixture.Folder("tiny-flat"), new ModelOptions { Threads = 1 }, s_sizes with { CacheBytes = 100 }, seen));
        Assert.Contains("100 bytes", error.Message, StringComparison.Ordinal);
        Assert.Empty(seen.All);
        using var cancel = new CancellationTokenSource();
        seen.OnReport = cancel.Cancel;
        await Assert.ThrowsAnyAsync<OperationCanceledException>(() => Llama4Engine.LoadAsync(ModelFixture.Folder("tiny-flat"), null, s_sizes, seen, cancel.Token));
        Assert.True(seen.All[^1].BytesDone < seen.All[^1].BytesTotal);
    }

    /// <summary>Answers that people read are rounded as far as the weights are; who says otherwise, or hands in a backend, is heard.</summary>
    [Fact]
    public async Task ActivationsAreRoundedUnlessSomebodySaysOtherwise()
    {
        string folder = ModelFixture.Folder("tiny-flat");
        Assert.Equal((ActivationPrecision.Int8, KvFormat.BF16), await Loaded(null));
        Assert.Equal((ActivationPrecision.Int8, KvFormat.BF16), await Loaded(new ModelOptions { Weights = WeightScheme.Int4 }));
        Assert.Equal((ActivationPrecision.Float32, KvFormat.F32), await Loaded(new ModelOptions { Activations = ActivationPrecision.Float32 }));
        Assert.Equal((ActivationPrecision.BFloat16, KvFormat.BF16), await Loaded(new ModelOptions { CreateBackend = () => new CpuBackend(new CpuBackendOptions { Precision = ActivationPrecision.BFloat16 }) }));
        using var alone = Llama4Model.Load(folder);
        Assert.Equal(ActivationPrecision.Float32, alone.Options.Activations);

        async Task<(ActivationPrecision?, KvFormat)> Loaded(ModelOptions? options)
        {
            await using Llama4Engine engine = await Llama4Engine.LoadAsync(folder, options, s_sizes);
            Assert.Equal(engine.Model.Options.Activations, engine.Model.Backend.Activations);
            return (engine.Model.Options.Activations, StepRunner.FormatOf(engine.Model.Options, s_sizes));
        }
    }

    private sealed class Seen : IProgress<LoadProgress>
    {
        public List<LoadProgress> All { get; } = [];

        public Action? OnReport { get; set; }

        public void Report(LoadProgress value)
        {
            All.Add(value);
            OnReport?.Invoke();
        }
    }
}
