using Llama4Kernels.Cli.Prediction;
using Llama4Kernels.Cli.Shared;
using Llama4Kernels.Interop.Memory;
using Llama4Kernels.Kernels.Backends.Cuda;
using Llama4Kernels.Kernels.Contracts;
using Llama4Kernels.Kernels.Contracts.Cuda;
using Llama4Kernels.Kernels.Numerics;
using Llama4Kernels.Kernels.Ptx;
using Llama4Kernels.Kernels.Quantization;
using Llama4Kernels.PtxEmulator.Counting;
using Llama4Kernels.PtxEmulator.Driver;
using Llama4Kernels.Tests.Kernels.Backends.Cuda;

namespace Llama4Kernels.Tests.Tools.Prediction;

/// <summary>Single operations, planned and counted.</summary>
public sealed class PlanBackendTests : IDisposable
{
    private readonly EmulatedCudaDriver _driver = new(new EmulatedDriverOptions { IsPlan = true, MemoryBytes = 1L << 44 });
    private readonly SparseMemory _zeros = SparseMemory.Allocate(1L << 34);
    private readonly StepRecorder _recorder;
    private readonly PlanBackend _backend;

    public PlanBackendTests()
    {
        var counter = new LaunchCounter(new CombinedKernelModules(PtxKernelModules.All, EmulatedBackend.Modules), DeviceFigures.H100, _ => { }, TestContext.Current.CancellationToken);
        _recorder = new StepRecorder(_driver, counter);
        var options = new CudaBackendOptions { Precision = ActivationPrecision.BFloat16, WithoutWeights = true };
        _backend = new PlanBackend(CudaBackendChoice.Create(_driver, EmulatedBackend.Modules, options), _recorder, ModelShape.Products("scout"));
    }

    public void Dispose()
    {
        _backend.Dispose();
        _zeros.Dispose();
        _driver.Dispose();
    }

    /// <summary>The bounds of the design: int4 8192 x 5120 in a product's launch, and beside it what rounding its operand takes.</summary>
    [Theory]
    [InlineData(1, "matvec1_int4", 9.5)]
    [InlineData(16, "matvec16_int4", 15)]
    [InlineData(64, "matmul64_int4", 30)]
    public void AnInt4ProductOnAnH100(int rows, string kernel, double microseconds)
    {
        CountedLaunch[] launches = Linear(rows, 8192, 5120, WeightFormat.Int4).Counted;
        Assert.Equal(["round_operand_int4", kernel], launches.Select(launch => launch.Launch.Name));
        Assert.InRange(launches[1].Time.Total * 1e6, 7, microseconds);
        Assert.InRange(launches[0].Time.Total * 1e6, 0.9, 2);
        // Each weight and scale is read once, 8192 · 5120 · 4.25 bits, and x.
        Assert.InRange(launches[1].Sample.Work.HbmReadBytes - (rows * Int4Operand.RowBytes(5120)), 22.27e6, 22.42e6);
    }

    /// <summary>The floors of the design note's table: bytes at 3.35 TB/s.</summary>
    [Fact]
    public void FloorsAreThoseOfTheNote()
    {
        PlannedOperation qkv = Linear(1, 7168, 5120, WeightFormat.BF16).Operation;
        Assert.Equal("qkv, bf16 7168 x 5120", qkv.Name);
        Assert.Equal(21.9, TimeModel.HbmFloor(qkv.FloorBytes) * 1e6, 0.1);
        Assert.Equal(2.0 * 512 * 7168 * 5120, Linear(512, 7168, 5120, WeightFormat.BF16).Operation.FloorOperations);
    }

    [Theory]
    [InlineData(16, 1, 1.0)]
    [InlineData(16, 4, 3.64)]
    [InlineData(16, 16, 10.30)]
    [InlineData(16, 32, 13.97)]
    [InlineData(128, 8, 7.79)]
    [InlineData(128, 128, 81.1)]
    public void DistinctExperts(int experts, int rows, double distinct) => Assert.Equal(distinct, PlanBackend.DistinctExperts(experts, rows), 0.05);

    /// <summary>Weights that are read are those of the mean number of different experts, between two whole numbers.</summary>
    [Theory]
    [InlineData(1)]
    [InlineData(4)]
    [InlineData(16)]
    public void ExpertsReadTheWeightsOfTheMeanNumberOfDifferentOnes(int rows)
    {
        const int Width = 512, Hidden = 1024, Count = 16;
        IMatrix[] gateUp = Stack(Count, 2 * Width, Hidden), down = Stack(Count, Hidden, Width);
        ExpertWeights[] experts = [.. gateUp.Zip(down, (a, b) => new ExpertWeights(a, b))];
        using DeviceMemory memory = _backend.Allocate(rows * (2 * Hidden + Count) * sizeof(float));
        Tensor x = memory.View(rows, Hidden), y = memory.View(rows, Hidden, x.Elements * sizeof(float)), logits = memory.View(rows, Count, 2 * x.Elements * sizeof(float));
        using Routing routing = _backend.CreateRouting(rows, Count, 1);
        _backend.RouteTopK(logits, routing);
        _backend.ExpertFeedForward(x, routing, experts, y);
        RecordedOperation operation = _recorder.Take()[^1];
        double distinct = PlanBackend.DistinctExperts(Count, rows);
        Assert.Equal(distinct * (gateUp[0].Bytes + down[0].Bytes), operation.Operation.FloorBytes, 1.0);
        double[] read = [.. operation.Counted.Where(one => one.Launch.Name.StartsWith("expert_", StringComparison.Ordinal)).Select(one => one.Sample.Work.HbmReadBytes)];
        Assert.Equal(2, read.Length);
        Assert.InRange(read[0] / (distinct * gateUp[0].Bytes), 0.98, 1.08);
        Assert.InRange(read[1] / (distinct * down[0].Bytes), 0.98, 1.08);
        foreach (IMatrix matrix in gateUp.Concat(down))
        {
            matrix.Dispose();
        }
    }

    [Fact]
    public void EqualLaunchesAreCountedOnce()
    {
        RecordedOperation first = Linear(1, 512, 1024, WeightFormat.BF16), second = Linear(1, 512, 1024, WeightFormat.BF16), other = Linear(2, 512, 1024, WeightFormat.BF16);
        Assert.Same(first.Counted[0], second.Counted[0]);
        Assert.NotSame(first.Counted[0], other.Counted[0]);
    }

    private RecordedOperation Linear(int rows, int outputs, int inner, WeightFormat format)
    {
        using IMatrix weight = _backend.Pack([MatrixSource.RowMajor(_zeros.Address, ElementType.BF16, outputs, inner)], format);
        using DeviceMemory memory = _backend.Allocate((long)rows * (outputs + inner) * sizeof(float));
        Tensor x = memory.View(rows, inner);
        _backend.Linear(x, weight, null, memory.View(rows, outputs, x.Elements * sizeof(float)));
        return _recorder.Take()[^1];
    }

    private IMatrix[] Stack(int count, int outputs, int inner) =>
        _backend.PackStack(count, _ => ([MatrixSource.RowMajor(_zeros.Address, ElementType.BF16, outputs, inner)], WeightFormat.Int4));
}
