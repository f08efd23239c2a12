using Llama4Kernels.Engine.Chat;
using Llama4Kernels.Engine.Generation;
using Llama4Kernels.Engine.Model;
using Llama4Kernels.Engine.Scheduling;
using Llama4Kernels.Engine.Serving;
using Llama4Kernels.Kernels.Contracts;
using Llama4Kernels.PtxEmulator.Driver;
using Llama4Kernels.Tests.Engine.Model;
using Llama4Kernels.Tests.Kernels.Backends.Cuda;

namespace Llama4Kernels.Tests.Engine.Serving;

/// <summary>
/// What a request gets does not depend on what else runs, in which order it came, how its prompt was cut, what was cached or how
/// often it gave way: not by a bit. One schedule of each kind; <c>LLAMA4_FUZZ=50</c> makes it 50, 350 in all.
/// </summary>
[Collection(nameof(ModelCollection))]
public sealed class EngineScheduleTests(ModelFixture models)
{
    private const int Requests = 12, Context = 160;

    [Theory]
    [InlineData("tiny-scout", ActivationPrecision.Float32)]
    [InlineData("tiny-scout", ActivationPrecision.BFloat16)]
    [InlineData("tiny-maverick", ActivationPrecision.Float32)]
    [InlineData("tiny-maverick", ActivationPrecision.BFloat16)]
    [InlineData("tiny-fp8", ActivationPrecision.BFloat16)]
    [InlineData("tiny-scout", ActivationPrecision.Int8)]
    [InlineData("nano", ActivationPrecision.Float32)]
    public async Task RandomSchedulesGiveEveryRequestItsSingleRunsAnswer(string name, ActivationPrecision precision)
    {
        Llama4Model model = models.Get(name, new ModelOptions { Activations = precision, Weights = precision == ActivationPrecision.Int8 ? WeightScheme.Int4 : WeightScheme.Stored });
        await using var single = new Llama4Engine(model, new EngineOptions { MaxContext = Context, MaxLogitRows = 1, KeepPrefixes = false });
        long preemptions = 0;
        for (int seed = 0; seed < Fuzzing.Iterations(1); seed++)
        {
            preemptions += await Check(model, single, new Random(seed), Requests);
        }
        Assert.True(preemptions > 0 || Fuzzing.Iterations(1) < 10, "Nobody gave way: the budgets are too large.");
    }

    [Fact]
    public async Task WhoGivesWayGoesOnWhereItWas()
    {
        Llama4Model model = models.Get("tiny-scout");
        EngineOptions options = new() { MaxContext = Context, BlockTokens = 4, StepRows = 64 };
        await using var single = new Llama4Engine(model, options with { MaxLogitRows = 1, KeepPrefixes = false });
        await using var engine = new Llama4Engine(model, options with { CacheBytes = StepRunner.CacheBytes(model, options, 90, 1) });
        GenerationRequest[] requests = [.. Enumerable.Range(0, 3).Select(i => new GenerationRequest(
            Prompt.FromIds(MetamorphicTests.Ids(5, i)), new GenerationOptions { Temperature = 1, Seed = 3, MaxTokens = 80, IgnoreEos = true, Logprobs = true, FrequencyPenalty = 0.5f }))];
        Outcome[] outcomes = await Task.WhenAll(requests.Select(request => engine.Ask(request)));
        Assert.True(engine.Preemptions > 0);
        for (int i = 0; i < requests.Length; i++)
        {
            Assert.Equal((await single.Ask(requests[i])).Lines, outcomes[i].Lines);
            // What it finds again of its own is no reuse.
            Assert.Equal(0, outcomes[i].Usage.CachedTokens);
        }
        await engine.IsIdle();
    }

    [Fact]
    public async Task OnTheEmulator()
    {
        using var driver = new EmulatedCudaDriver();
        using Llama4Model model = Llama4Model.Load(ModelFixture.Folder("tiny-flat"), new ModelOptions { CreateBackend = () => EmulatedBackend.Create(driver) });
        await using var single = new Llama4Engine(model, new EngineOptions { MaxContext = 32, MaxLogitRows = 1, KeepPrefixes = false });
        var options = new EngineOptions { MaxContext = 32, MaxLogitRows = 3, StepRows = 12, StepTokens = 4, BlockTokens = 4, CacheBytes = StepRunner.CacheBytes(model, new EngineOptions { BlockTokens = 4 }, 20, 2) };
        var engine = new Llama4Engine(model, options);
        int[] prompt = MetamorphicTests.Ids(9);
        GenerationRequest[] requests = [.. Enumerable.Range(0, 4).Select(i => new GenerationRequest(
            Prompt.FromIds([.. prompt[..(9 - (2 * i))], i]), new GenerationOptions { Temperature = i % 2, Seed = 5, MaxTokens = 4, IgnoreEos = true, Logprobs = i > 1 }))];
        Outcome[] outcomes = await Task.WhenAll(requests.Select(request => engine.Ask(request)));
        for (int i = 0; i < requests.Length; i++)
        {
            Assert.Null(outcomes[i].Failure);
            Outcome expected = await single.Ask(requests[i]);
            // Tokens and log-probabilities, to the bit.
            Assert.Equal(expected.Lines, outcomes[i].Lines);
        }
        // Once more, from a copy of a part of a block.
        Outcome again = await engine.Ask(requests[0]);
        Assert.Equal(requests[0].Prompt.Ids.Length - 1, again.Usage.CachedTokens);
        Assert.Equal(outcomes[0].Lines, again.Lines);
        await (await engine.IsIdle()).Close();
        Assert.Empty(driver.Findings);
    }

    /// <summary>A schedule of requests; returns how often one gave way.</summary>
    private static async Task<long> Check(Llama4Model model, Llama4Engine single, Random random, int count)
    {
        GenerationRequest[] requests = Make(model, random, count);
        EngineOptions options = new()
        {
            MaxContext = Context,
            BlockTokens = 1 << random.Next(2, 5),
            StepRows = random.Next(8, 80),
            StepTokens = random.Next(1, 40),
            MaxLogitRows = random.Next(3, 8),
            MaxOvertakes = random.Next(1, 8),
            KeepPrefixes = random.Next(4) > 0,
        };
        int longest = requests.Max(request => request.Prompt.Ids.Length + request.Options!.MaxTokens!.Value);
        // From hardly more than the longest one to what all take.
        options = options with { CacheBytes = StepRunner.CacheBytes(model, options, longest, 1) * random.Next(4, 10) / 4 };
        var engine = new Llama4Engine(model, options);
        List<Task> asked = [];
        foreach (GenerationRequest request in requests)
        {
            int most = random.Next(4) == 0 ? random.Next(1, 6) : int.MaxValue;
            asked.Add(Task.Run(async () =>
            {
                Outcome outcome = await engine.Ask(request, most);
                Outcome expected = await single.Ask(request);
                Assert.Null(outcome.Failure);
                Assert.Equal(expected.Lines[..Math.Min(most, expected.Lines.Length)], outcome.Lines);
            }));
            if (random.Next(3) == 0)
            {
                await Task.Delay(random.Next(4));
            }
        }
        await Task.WhenAll(asked);
        long preemptions = (await engine.IsIdle()).Preemptions;
        await engine.Close();
        return preemptions;
    }

    private static GenerationRequest[] Make(Llama4Model model, Random random, int count)
    {
        int vocabulary = Math.Min(1000, model.Config.Text.VocabSize);
        // The other models' weights are random, and their pictures large.
        Prompt[] pictures = model.Folder == ModelFixture.Folder("nano") ? [Pictures.Ask(model, "one.png"), Pictures.Ask(model, "other.png")] : [];
        int[][] beginnings = [.. Enumerable.Range(0, 3).Select(i => MetamorphicTests.Ids(random.Next(1, 70), i))];
        return [.. Enumerable.Range(0, count).Select(i =>
        {
            int[] beginning = beginnings[random.Next(beginnings.Length)];
            int[] end = [.. Enumerable.Range(0, random.Next(1, 40)).Select(_ => random.Next(vocabulary))];
            Prompt prompt = pictures.Length > 0 && random.Next(3) == 0
                ? pictures[random.Next(pictures.Length)]
                : Prompt.FromIds([.. beginning[..random.Next(1, beginning.Length + 1)], .. end]);
            var options = new GenerationOptions
            {
                Temperature = random.Next(3) == 0 ? 0.8f : 0,
                Seed = (ulong)i,
                FrequencyPenalty = random.Next(4) == 0 ? 0.5f : 0,
                MaxTokens = random.Next(1, 30),
                IgnoreEos = true,
                Logprobs = random.Next(2) == 0,
                TopLogprobs = 3,
            };
            return new GenerationRequest(prompt, options) { Priority = random.Next(3), Salt = random.Next(3) == 0 ? "other" : "" };
        })];
    }
}
