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
using Llama4Kernels.PtxEmulator.Driver;
using Llama4Kernels.Tests.Engine.Constraints;
using Llama4Kernels.Tests.Engine.Model;

namespace Llama4Kernels.Tests.Kernels.Backends.Cuda;

/// <summary>The best token found on the device.</summary>
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
        Assert.Null(runner.Best());
        runner.BestOnly = true;
        runner.Decode([a, b], [30, 60]);
        int[] best = [runner.Best(0)!.Value, runner.Best(1)!.Value];
        for (int row = 0; row < 2; row++)
        {
            Assert.Equal(SamplingMath.ArgMax(runner.Logits(row)), best[row]);
        }
        // They are on the host now and may be changed.
        Assert.Null(runner.Best());
        runner.Logits(1)[0] = 1e6f;
        Assert.Equal(1e6f, runner.Logits(1)[0]);
        runner.Decode([a], [best[0]]);
        int? next = runner.Best();
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
