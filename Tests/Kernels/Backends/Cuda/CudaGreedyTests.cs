using Llama4Kernels.Engine;
using Llama4Kernels.Engine.Chat;
using Llama4Kernels.Engine.Diagnostics;
using Llama4Kernels.Engine.Generation;
using Llama4Kernels.Engine.Model;
using Llama4Kernels.Engine.Sampling;
using Llama4Kernels.Engine.Scheduling;
using Llama4Kernels.Engine.Serving;
using Llama4Kernels.Kernels.Backends;
using Llama4Kernels.Kernels.Contracts;
using Llama4Kernels.Kernels.Sampling;
using Llama4Kernels.PtxEmulator.Driver;
using Llama4Kernels.Tests.Engine.Constraints;
using Llama4Kernels.Tests.Engine.Model;

namespace Llama4Kernels.Tests.Kernels.Backends.Cuda;

/// <summary>Tokens chosen on the device: the best, and drawn ones.</summary>
public sealed class CudaGreedyTests
{
    [Fact]
    public async Task GreedyTextIsTheCpusAndNeedsNoLogits()
    {
        using var driver = new EmulatedCudaDriver(new EmulatedDriverOptions { RecordLaunches = true });
        using Llama4Model model = Load(driver), reference = Llama4Model.Load(ModelFixture.Folder("tiny-flat"), new ModelOptions { Threads = 1 });
        GenerationOptions greedy = new() { Temperature = 0, MaxTokens = 12, IgnoreEos = true };
        int[] expected = await Tokens(reference, greedy);
        Assert.Equal(12, expected.Length);
        Assert.True(expected.Distinct().Count() > 3);
        Assert.Equal(expected, await Tokens(model, greedy));
        Assert.Equal(2 * 12, driver.Launches.Count(launch => launch.Kernel == "top_k"));
        // With a penalty or log-probabilities the host chooses.
        GenerationOptions penalised = greedy with { FrequencyPenalty = 2 };
        Assert.Equal(await Tokens(reference, penalised), await Tokens(model, penalised));
        Assert.Equal(expected, await Tokens(model, greedy with { Logprobs = true }));
        Assert.Equal(2 * 12, driver.Launches.Count(launch => launch.Kernel == "top_k"));
    }

    /// <summary>The device's choice counts where the constraint allows it; elsewhere the host chooses among what is allowed.</summary>
    [Fact]
    public async Task TheDevicesChoiceDoesNotBypassAConstraint()
    {
        using var driver = new EmulatedCudaDriver();
        using Llama4Model model = Load(driver), reference = Llama4Model.Load(ModelFixture.Folder("tiny-flat"), new ModelOptions { Threads = 1 });
        GenerationOptions greedy = new() { Temperature = 0, MaxTokens = 4, IgnoreEos = true };
        int[] free = await Tokens(model, greedy);
        // One of the tokens that would come is not allowed, and what comes instead leads elsewhere.
        GenerationOptions bound = greedy with { Constraint = new AllowedIds(place => Enumerable.Range(0, model.Config.Text.VocabSize).Where(id => place != 1 || id != free[1]), 4) };
        int[] tokens = await Tokens(model, bound);
        Assert.Equal(await Tokens(reference, bound), tokens);
        Assert.Equal(free[0], tokens[0]);
        Assert.NotEqual(free[1], tokens[1]);
        Assert.Equal(4, tokens.Length);
    }

    [Fact]
    public void LogitsComeWhenAskedFor()
    {
        using var driver = new EmulatedCudaDriver();
        using Llama4Model model = Load(driver);
        using var runner = new ModelRunner(model, new EngineOptions { StepRows = 8, MaxLogitRows = 2 });
        using Sequence a = runner.CreateSequence(), b = runner.CreateSequence();
        runner.Prefill(a, Prompt.FromIds(5, 9, 13));
        runner.Prefill(b, Prompt.FromIds(21, 2));
        Assert.Null(runner.Chosen());
        runner.Rule = DrawRule.Best;
        runner.Decode([a, b], [30, 60]);
        int[] best = [runner.Chosen(0)!.Value, runner.Chosen(1)!.Value];
        for (int row = 0; row < 2; row++)
        {
            Assert.Equal(SamplingMath.ArgMax(runner.Logits(row)), best[row]);
        }
        // They are on the host now and may be changed.
        Assert.Null(runner.Chosen(0));
        Assert.Null(runner.Chosen(1));
        runner.Logits(1)[0] = 1e6f;
        Assert.Equal(1e6f, runner.Logits(1)[0]);
        runner.Decode([a], [best[0]]);
        int? next = runner.Chosen();
        Assert.Equal(SamplingMath.ArgMax(runner.Logits()), next);
    }

    [Fact]
    public async Task InvalidLogitsAreAnErrorThatNamesTheToken()
    {
        using var driver = new EmulatedCudaDriver();
        using Llama4Model model = Load(driver);
        // A norm of NaN makes every logit NaN.
        Tensor norm = model.Text.Weights.FinalNorm;
        model.Backend.Upload(Enumerable.Repeat(float.NaN, norm.Columns).ToArray(), norm);
        InvalidLogitsException error = await Assert.ThrowsAsync<InvalidLogitsException>(() => Tokens(model, new GenerationOptions { Temperature = 0, MaxTokens = 2 }));
        Assert.Equal(0, error.TokenId);
    }

    /// <summary>Drawn tokens come as ids, with the host's random numbers: the same text as a sampler on the host makes of this model's logits.</summary>
    [Fact]
    public async Task DrawnTextIsTheHostsAndNeedsNoLogits()
    {
        using var driver = new EmulatedCudaDriver(new EmulatedDriverOptions { RecordLaunches = true });
        using Llama4Model model = Load(driver);
        GenerationOptions options = new() { Temperature = 0.9f, TopP = 0.95f, TopK = 50, MinP = 0.01f, Seed = 11, MaxTokens = 10, IgnoreEos = true };
        int[] tokens = await Tokens(model, options);
        Assert.Equal(10, driver.Launches.Count(launch => launch.Kernel == "draw"));
        Assert.DoesNotContain(driver.Launches, launch => launch.Kernel == "top_k");

        using var runner = new ModelRunner(model, new EngineOptions { StepRows = 8, MaxLogitRows = 1 });
        using Sequence sequence = runner.CreateSequence();
        var sampler = new Sampler(SamplerChain.Create(options), model.Config.Text.VocabSize);
        SeededRandom random = SeededRandom.Create(options.Seed);
        runner.Prefill(sequence, Prompt.FromIds(5, 9, 13, 40));
        List<int> expected = [];
        for (int i = 0; i < 10; i++)
        {
            expected.Add(sampler.Sample(runner.Logits(), [], ref random));
            runner.Decode([sequence], [expected[^1]]);
        }
        Assert.Equal(expected, tokens);
        // Log-probabilities need all logits; who asks for them gets the same tokens from the host.
        Assert.Equal(expected, await Tokens(model, options with { Logprobs = true }));
        Assert.Equal(10, driver.Launches.Count(launch => launch.Kernel == "draw"));
    }

    /// <summary>Beside each other in a step: one that draws, one that wants the best, one whose logits the host needs.</summary>
    [Fact]
    public void EachPartOfAStepIsChosenByItsOwnRule()
    {
        using var driver = new EmulatedCudaDriver();
        using Llama4Model model = Load(driver);
        using var runner = new StepRunner(model, new EngineOptions { StepRows = 16, MaxLogitRows = 4, MaxContext = 64 });
        Sequence[] sequences = [runner.CreateSequence(), runner.CreateSequence(), runner.CreateSequence()];
        for (int i = 0; i < 3; i++)
        {
            sequences[i].Append(MetamorphicTests.Ids(4, i));
        }
        StepResult result = runner.Run([new(sequences[0], 4, 1, new DrawRule(0.8f, 0, 0.9f, 0, 0.4)), new(sequences[1], 4, 1), new(sequences[2], 4, 1, DrawRule.Best)]);
        Assert.Null(result.Chosen(1));
        float[] host = result.Logits(1).ToArray();
        Assert.Equal(host.Max(), host[SamplingMath.ArgMax(host)]);
        // Asking for one row's logits takes no other row's choice away.
        int drawn = result.Chosen(0)!.Value, best = result.Chosen(2)!.Value;
        Assert.Equal(SamplingMath.ArgMax(result.Logits(2)), best);
        Assert.Null(result.Chosen(2));
        Assert.Equal(drawn, result.Chosen(0));
        Array.ForEach(sequences, sequence => sequence.Dispose());
    }

    private static Llama4Model Load(EmulatedCudaDriver driver) =>
        Llama4Model.Load(ModelFixture.Folder("tiny-flat"), new ModelOptions { CreateBackend = () => EmulatedBackend.Create(driver) });

    private static async Task<int[]> Tokens(Llama4Model model, GenerationOptions options)
    {
        await using var engine = new Llama4Engine(model, new EngineOptions { StepRows = 8, MaxContext = 64 });
        List<int> tokens = [];
        await foreach (GenerationUpdate update in engine.GenerateAsync(new(Prompt.FromIds(5, 9, 13, 40), options)))
        {
            tokens.Add(update.TokenId!.Value);
        }
        return [.. tokens];
    }
}
