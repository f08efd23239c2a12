using Llama4Kernels.Engine.Diagnostics;
using Llama4Kernels.Engine.Model;
using Llama4Kernels.Engine.Scheduling;
using Llama4Kernels.Kernels.Backends.Cuda;
using Llama4Kernels.Kernels.Contracts;
using Llama4Kernels.PtxEmulator.Driver;
using Llama4Kernels.PtxEmulator.Execution;
using Llama4Kernels.Tests.Engine.Model;
using Llama4Kernels.Tests.Engine.Scheduling;

namespace Llama4Kernels.Tests.Kernels.Backends.Cuda;

/// <summary>
/// Whole models on the emulator, in streams that work as late as they may: what a sequence gets is its own matter to the bit, and
/// no order of turns makes a finding.
/// </summary>
public sealed class CudaScheduleTests(ITestOutputHelper output)
{
    /// <summary>Exact mode. Steps with few and with many rows, pieces of one row and of many: each list of records is used on both sides of its borders.</summary>
    [Theory]
    [InlineData("tiny-scout", WeightScheme.Stored, null)]
    [InlineData("tiny-maverick", WeightScheme.Stored, null)]
    [InlineData("tiny-fp8", WeightScheme.Stored, KvFormat.BF16)]
    [InlineData("tiny-scout", WeightScheme.Int4, null)]
    public void RandomSchedulesGiveEverySequenceItsSingleRunsLogits(string name, WeightScheme weights, KvFormat? format)
    {
        using var driver = new EmulatedCudaDriver(new EmulatedDriverOptions { DeferWork = true });
        using Llama4Model model = Llama4Model.Load(ModelFixture.Folder(name), new ModelOptions { Weights = weights, CreateBackend = () => EmulatedBackend.Create(driver) });
        EngineOptions sizes = new() { StepRows = 24, MaxLogitRows = 3, BlockTokens = 8, MaxContext = 64, CacheFormat = format };
        RandomSchedule.Check(model, sizes, seeds: (int)Fuzzing.Iterations(1), sequences: 3, longest: 25);
        Assert.Empty(driver.Findings);
    }

    /// <summary>
    /// A prompt and its continuation, which graphs decode, with warps and blocks that take turns in the order of a seed, and copies of int4 products that
    /// arrive early or late: the logits that come in order, to the bit, and no finding. One seed of two models; <c>LLAMA4_FUZZ=20</c> makes it 20 of each, with
    /// both arrivals.
    /// </summary>
    [Theory]
    [InlineData("tiny-scout", WeightScheme.Stored, true)]
    [InlineData("tiny-scout", WeightScheme.Int4, false)]
    [InlineData("tiny-maverick", WeightScheme.Stored, true)]
    [InlineData("tiny-fp8", WeightScheme.Stored, false)]
    public void NoOrderOfTurnsMakesAFindingOrAnotherBit(string name, WeightScheme weights, bool isLong)
    {
        int seeds = (int)Fuzzing.Iterations(1);
        Assert.SkipWhen(isLong && seeds == 1, "LLAMA4_FUZZ=20 runs all models.");
        float[] expected = Run(name, weights, new LaunchOptions());
        for (int seed = 1; seed <= seeds; seed++)
        {
            foreach (AsyncArrival arrival in seeds == 1 ? [AsyncArrival.Early] : Enum.GetValues<AsyncArrival>())
            {
                Assert.Equal(expected, Run(name, weights, new LaunchOptions { Seed = seed, AsyncCopies = arrival }));
            }
            output.WriteLine($"{name}, {weights}: seed {seed}");
        }
    }

    /// <summary>Logits of all tokens of a prompt and of a few that two sequences decode together.</summary>
    private static float[] Run(string name, WeightScheme weights, LaunchOptions launch)
    {
        using var driver = new EmulatedCudaDriver(new EmulatedDriverOptions { DeferWork = true, Launch = launch });
        // Rounded activations, because their products with int4 weights are those that copy asynchronously.
        ActivationPrecision activations = weights == WeightScheme.Int4 ? ActivationPrecision.BFloat16 : ActivationPrecision.Float32;
        using Llama4Model model = Llama4Model.Load(ModelFixture.Folder(name), new ModelOptions
        {
            Weights = weights,
            Activations = activations,
            CreateBackend = () => EmulatedBackend.Create(driver, new CudaBackendOptions { ArenaBytes = 4 << 20, StagingBytes = 1 << 20, Precision = activations }),
        });
        using var runner = new ModelRunner(model, new EngineOptions { StepRows = 16, MaxLogitRows = 16, BlockTokens = 8, MaxContext = 64 });
        using Sequence a = runner.CreateSequence(), b = runner.CreateSequence();
        List<float> logits = [];
        runner.Append(a, MetamorphicTests.Ids(19, 1), 0, (_, row) => logits.AddRange(row));
        runner.Append(b, MetamorphicTests.Ids(5, 2), 0, (_, row) => logits.AddRange(row));
        // By itself, captured, replayed.
        for (int i = 0; i < 4; i++)
        {
            runner.Decode([a, b], [40 + i, 60 + i]);
            logits.AddRange([.. runner.Logits(0), .. runner.Logits(1)]);
        }
        Assert.Empty(driver.Findings);
        Assert.Equal((1, 3), ((CudaBackend)model.Backend).Graphs);
        return [.. logits];
    }
}
