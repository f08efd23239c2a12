using System.Text.RegularExpressions;
using Llama4Kernels.Cli.Prediction;
using Llama4Kernels.Cli.Shared;
using Llama4Kernels.Engine.Chat;
using Llama4Kernels.Engine.Config;
using Llama4Kernels.Engine.Diagnostics;
using Llama4Kernels.Engine.Model;
using Llama4Kernels.Engine.Scheduling;
using Llama4Kernels.Kernels.Backends.Cuda;
using Llama4Kernels.Kernels.Contracts;
using Llama4Kernels.PtxEmulator.Counting;
using Llama4Kernels.PtxEmulator.Driver;
using Llama4Kernels.Tests.Engine.Model;
using Llama4Kernels.Tests.Kernels.Backends.Cuda;

namespace Llama4Kernels.Tests.Tools.Prediction;

/// <summary>Planned steps are those that the engine and the backend really run.</summary>
public partial class StepPredictorTests
{
    private static readonly ModelOptions s_int4 = new() { Activations = ActivationPrecision.BFloat16, Weights = WeightScheme.Int4, LoadVision = false };

    /// <summary>Kernels, grids and blocks of steps of a loaded model, whose launches run, and of a plan from its configuration alone.</summary>
    [Theory]
    [InlineData("tiny-scout", 1)]
    [InlineData("tiny-scout", 5)]
    [InlineData("tiny-maverick", 2, WeightScheme.Fp8)]
    public void APlanLaunchesWhatTheBackendRecords(string name, int rows, WeightScheme weights = WeightScheme.Int4)
    {
        // Within half a chunk, where full and chunked layers alike hold so many keys or half of them.
        const int Context = 4;
        string[] real = [.. Real(name, rows, Context - 1, weights)];
        using StepPredictor plan = Plan(ConfigOf(name), rows, weights);
        string[] planned = [.. plan.Decode(rows, Context).SelectMany(one => one.Launches).Select(launch => $"{launch.Name} {launch.Grid} {launch.Block}")];
        Assert.Equal(real, planned);
        string own = weights != WeightScheme.Int4 ? "quantise_fp8" : rows > 1 ? "round_operand_int4" : "expert_gate_up1_int4";
        Assert.Contains(planned, launch => launch.StartsWith(own, StringComparison.Ordinal));
    }

    [Fact]
    public void LaunchesOfThePublishedModelAreThoseOfTheTinyOneByItsLayers()
    {
        string json = File.ReadAllText(Path.Combine(ModelFixture.Folder("tiny-scout"), "config.json"));
        string more = json.Replace("\"num_hidden_layers\": 5", "\"num_hidden_layers\": 9", StringComparison.Ordinal);
        // The lists that say which layers are of which kind give way to their rules.
        more = LayerLists().Replace(more, "\"of_$1\": 0");
        int five = Launches(ModelConfig.Parse(json, "five")), nine = Launches(ModelConfig.Parse(more, "nine")), scout = Launches(PublishedConfigs.Get("scout"));
        Assert.Equal(0, (nine - five) % 4);
        Assert.Equal(five + (43 * ((nine - five) / 4)), scout);
    }

    [Fact]
    public void APromptIsTakenInTheBackendsSteps()
    {
        using StepPredictor plan = Plan(PublishedConfigs.Get("scout"), 1);
        IReadOnlyList<RecordedOperation> operations = plan.Prefill(8192);
        Assert.Equal(2, operations.Count(one => one.Operation.Name == "embed"));
        Assert.Single(operations, one => one.Operation.FloorOperations == 2.0 * 202048 * 5120);
        Assert.Contains(operations, one => one.Operation.Name == "attention, 4096 rows to key 8192");
    }

    /// <summary>Weights of 109 billion parameters: their place is taken, the host's memory is not.</summary>
    [Fact]
    public void APublishedModelTakesItsPlaceAndNoMemory()
    {
        long before = Environment.WorkingSet;
        using StepPredictor plan = Plan(PublishedConfigs.Get("scout"), 1);
        Assert.NotEmpty(plan.Decode(1, 8192));
        Assert.InRange(plan.UsedBytes, 60L << 30, 70L << 30);
        Assert.InRange(Environment.WorkingSet - before, long.MinValue, 4L << 30);
    }

    /// <summary>Full layers hold the context, chunked ones half of it and at most half a chunk.</summary>
    [Theory]
    [InlineData(1, 8192, 1)]
    [InlineData(1024, 8192, 512)]
    [InlineData(8192, 8192, 4096)]
    [InlineData(1_000_000, 8192, 4096)]
    [InlineData(100, 32, 16)]
    public void MeanKeysOfChunkedLayers(int context, int chunk, int keys) => Assert.Equal(keys, StepPredictor.MeanKeys(context, chunk));

    [Fact]
    public void EachRowHasItsContext()
    {
        using StepPredictor plan = Plan(PublishedConfigs.Get("scout"), 16);
        IReadOnlyList<RecordedOperation> operations = plan.Decode(16, 1000);
        Assert.Equal(12, operations.Count(one => one.Operation.Name.StartsWith("attention, 1000 keys, ", StringComparison.Ordinal)));
        Assert.Equal(36, operations.Count(one => one.Operation.Name.StartsWith("attention, 500 keys, ", StringComparison.Ordinal)));
        // With the output projection, which attention is folded for.
        Assert.Equal((16.0 * 1000 * 2 * 8 * 128 * 2) + (5120 * 5120 * 2), operations.First(one => one.Operation.Name.StartsWith("attention, 1000 keys, ", StringComparison.Ordinal)).Operation.FloorBytes);
    }

    private static int Launches(ModelConfig config)
    {
        // Attention's weights too: as stored, those of the tiny one are too few for the kernels that round.
        using StepPredictor plan = Plan(config, 1, include: LinearParts.Experts | LinearParts.Shared | LinearParts.Attention);
        return plan.Decode(1, 8).Sum(one => one.Launches.Count);
    }

    private static StepPredictor Plan(ModelConfig config, int rows, WeightScheme weights = WeightScheme.Int4, LinearParts? include = null) =>
        new(new PredictionRequest(config, [], s_int4 with { Weights = weights, Include = include }, DeviceFigures.H100, null), EmulatedBackend.Modules, counts: false, _ => { }, TestContext.Current.CancellationToken);

    private static ModelConfig ConfigOf(string name) => ModelConfig.Load(ModelFixture.Folder(name));

    private static IEnumerable<string> Real(string name, int rows, int cached, WeightScheme weights)
    {
        using var driver = new EmulatedCudaDriver(new EmulatedDriverOptions { RecordLaunches = true });
        var small = new CudaBackendOptions { ArenaBytes = 4 << 20, StagingBytes = 1 << 20, Precision = ActivationPrecision.BFloat16 };
        using Llama4Model model = Llama4Model.Load(ModelFixture.Folder(name), s_int4 with { Weights = weights, CreateBackend = () => EmulatedBackend.Create(driver, small) }, null, TestContext.Current.CancellationToken);
        using var session = new ModelRunner(model, new EngineOptions { StepRows = 64, MaxLogitRows = 64, MaxContext = 64 });
        Sequence[] sequences = [.. Enumerable.Range(0, rows).Select(_ => session.CreateSequence())];
        foreach (Sequence sequence in sequences)
        {
            session.Prefill(sequence, Prompt.FromIds([.. Enumerable.Range(1, cached)]));
        }
        int before = driver.Launches.Count;
        session.Decode(sequences, [.. Enumerable.Range(1, rows)]);
        string[] launches = [.. driver.Launches.Skip(before).Select(launch => $"{launch.Kernel} {launch.Grid} {launch.Block}")];
        foreach (Sequence sequence in sequences)
        {
            sequence.Dispose();
        }
        return launches;
    }

    [GeneratedRegex("\"(moe_layers|no_rope_layers)\": \\[[^\\]]*\\]")]
    private static partial Regex LayerLists();
}
