using Llama4Kernels.Engine.Chat;
using Llama4Kernels.Engine.Checkpoints;
using Llama4Kernels.Engine.Diagnostics;
using Llama4Kernels.Engine.Model;
using Llama4Kernels.Engine.Scheduling;
using Llama4Kernels.Interop.Cuda;
using Llama4Kernels.Kernels.Backends.Cuda;
using Llama4Kernels.Kernels.MatMul;
using Llama4Kernels.PtxEmulator.Driver;
using Llama4Kernels.Tests.Engine.Model;

namespace Llama4Kernels.Tests.Kernels.Backends.Cuda;

/// <summary>
/// Whole models with device kernels on the emulator: references, decoding by graphs, memory. Streams do their work as late as
/// they may, so that memory reused or freed in flight shows; some tests run at once, too.
/// </summary>
public sealed class CudaModelTests : IDisposable
{
    private EmulatedCudaDriver _driver = new(new EmulatedDriverOptions { DeferWork = true });

    public void Dispose() => _driver.Dispose();

    [Theory]
    [InlineData("tiny-scout", "text-97", WeightScheme.Stored)]
    [InlineData("tiny-maverick", "text-97", WeightScheme.Stored)]
    [InlineData("tiny-flat", "text-97", WeightScheme.Stored)]
    [InlineData("tiny-fp8", "text-5", WeightScheme.Stored)]
    [InlineData("tiny-fp8", "text-5", WeightScheme.Stored, false)]
    [InlineData("tiny-fp8", "text-40", WeightScheme.Stored)]
    [InlineData("tiny-scout", "image-one-tile", WeightScheme.Stored)]
    public void TheReferenceComesOut(string name, string file, WeightScheme weights, bool deferred = true)
    {
        Choose(deferred);
        using Llama4Model model = Load(name, weights);
        using var golden = References.Open(name, file);
        References.Check(model, golden);
        Assert.Empty(_driver.Findings);
        // The continuation was decoded by graphs: one run by itself, one captured, the rest replayed.
        Assert.True(golden.Greedy.Length < 3 || ((CudaBackend)model.Backend).Graphs.Launched >= golden.Greedy.Length - 3);
        model.Dispose();
        Assert.Equal(0, _driver.LiveResources);
    }

    [Theory]
    [InlineData(true)]
    [InlineData(false)]
    public void SequencesDecodedTogetherGiveWhatTheCpuGivesAndReplayGraphs(bool deferred)
    {
        Choose(deferred);
        using Llama4Model model = Load("tiny-flat", WeightScheme.Stored);
        using Llama4Model reference = Llama4Model.Load(ModelFixture.Folder("tiny-flat"), new ModelOptions { Threads = 1 });
        float[][] actual = Decode(model, _driver, out int taken), expected = Decode(reference, null, out _);
        foreach ((float[] mine, float[] theirs) in actual.Zip(expected))
        {
            Assert.True(ReferenceMetrics.Relative(mine, theirs) <= 5e-6);
        }
        var backend = (CudaBackend)model.Backend;
        // The first step of a shape runs by itself, the second is captured, the rest is replayed.
        Assert.Equal((1, 5), backend.Graphs);
        Assert.Equal(0, taken);
        Assert.StartsWith("PTX emulator, Emulated sm_90, sm_90; kernels: C#", backend.Description, StringComparison.Ordinal);
        Assert.Equal("cuda", backend.Name);
    }

    [Theory]
    [InlineData(1536)]
    [InlineData(5000)]
    public void HardlyAnyStagingGivesTheSame(int stagingBytes)
    {
        using Llama4Model model = Llama4Model.Load(ModelFixture.Folder("tiny-flat"), Options(WeightScheme.Stored) with
        {
            CreateBackend = () => EmulatedBackend.Create(_driver, new CudaBackendOptions { ArenaBytes = 1 << 20, StagingBytes = stagingBytes }),
        });
        using var golden = References.Open("tiny-flat", "text-5");
        References.Check(model, golden, capture: false);
    }

    [Fact]
    public void ASessionMayOutliveItsModel()
    {
        Llama4Model model = Load("tiny-flat", WeightScheme.Stored);
        var runner = new ModelRunner(model, new EngineOptions { StepRows = 4, MaxLogitRows = 1 });
        model.Dispose();
        runner.Dispose();
        Assert.Equal(0, _driver.LiveResources);
    }

    [Fact]
    public void AKernelsFaultReachesTheCaller()
    {
        using Llama4Model model = Load("tiny-flat", WeightScheme.Stored);
        var matrix = (CudaMatrix)model.Text.Weights.LmHead;
        // The weights vanish under the kernel.
        _driver.DevicePrimaryCtxRetain(out nint context, 1);
        _driver.CtxSetCurrent(context);
        _driver.MemFree(matrix.Address);
        using var runner = new ModelRunner(model, new EngineOptions { StepRows = 4, MaxLogitRows = 1 });
        using Sequence sequence = runner.CreateSequence();
        CudaException error = Assert.Throws<CudaException>(() => runner.Prefill(sequence, Prompt.FromIds(1, 2)));
        Assert.Equal(CudaResult.IllegalAddress, error.Result);
        Assert.Contains("OutOfBounds in matvec_", error.Message, StringComparison.Ordinal);
        Assert.Throws<CudaException>(() => runner.Decode([sequence], [1]));
        _driver.DevicePrimaryCtxRelease(1);
    }

    [Fact]
    public void AFailedLoadGivesTheDeviceBack()
    {
        using var cancellation = new CancellationTokenSource();
        var progress = new StopAfter(10, cancellation);
        Assert.Throws<OperationCanceledException>(() => Llama4Model.Load(ModelFixture.Folder("tiny-scout"), Options(WeightScheme.Stored), progress, cancellation.Token));
        Assert.Equal(0, _driver.LiveResources);
    }

    /// <summary>Six steps of two sequences; <paramref name="taken"/> is what decoding took of the device beyond the first step.</summary>
    private static float[][] Decode(Llama4Model model, EmulatedCudaDriver? driver, out int taken)
    {
        using var runner = new ModelRunner(model, new EngineOptions { StepRows = 16, MaxLogitRows = 2 });
        using Sequence a = runner.CreateSequence(), b = runner.CreateSequence();
        runner.Prefill(a, Prompt.FromIds(5, 9, 13));
        runner.Prefill(b, Prompt.FromIds(21, 2, 7, 11, 40));
        List<float[]> logits = [];
        int after = 0;
        for (int i = 0; i < 6; i++)
        {
            runner.Decode([a, b], [30 + i, 60 + i]);
            logits.Add([.. runner.Logits(0), .. runner.Logits(1)]);
            // Graphs count: one appears at the second step.
            after = i == 1 && driver is not null ? driver.LiveResources : after;
        }
        taken = driver is null ? 0 : driver.LiveResources - after;
        return [.. logits];
    }

    private void Choose(bool deferred)
    {
        if (!deferred)
        {
            _driver.Dispose();
            _driver = new EmulatedCudaDriver();
        }
    }

    private ModelOptions Options(WeightScheme weights) => new() { Weights = weights, CreateBackend = () => EmulatedBackend.Create(_driver) };

    private Llama4Model Load(string name, WeightScheme weights) => Llama4Model.Load(ModelFixture.Folder(name), Options(weights));

    private sealed class StopAfter(int reports, CancellationTokenSource cancellation) : IProgress<LoadProgress>
    {
        private int _left = reports;

        public void Report(LoadProgress value)
        {
            if (--_left == 0)
            {
                cancellation.Cancel();
            }
        }
    }
}
